"""Where the answers of examined patients lie."""

from pathlib import Path

from textbcs.dataset.split_table import TEST

FEATURES = Path("results/prompt_features")


def features_file(run: str) -> Path:
    """The features of a run's words: a row for each patient, prompt and word that was examined."""
    return FEATURES / run / "features.csv"


def maps_file(run: str, patient: str) -> Path:
    """The maps of a test patient's volume with a wrong word in her prompt."""
    return FEATURES / run / TEST / f"{patient}.safetensors"
