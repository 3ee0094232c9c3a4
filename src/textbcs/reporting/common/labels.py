"""Names and titles: the paper's values and labels, the runs' text encoder, what a table is of."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_json
from textbcs.settings.params import read_yaml

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


REPLICATES = Path("results/statistics/replicates.json")


def seed_spread(stage: "Stage") -> dict[str, Any]:
    """How far the seed alone moves a score, as the stage `replicates` writes it."""
    found: dict[str, Any] = read_json(stage.input(REPLICATES))
    return found


def encoder_label(stage: "Stage") -> str:
    """The runs' text encoder; weights other than the pinned ones are named by their sha256.

    Raises:
        InputError: training and test prompts were embedded with different weights.
    """
    learn, probe = (
        read_json(stage.input(f"data/text/{name}/encoder.json")) for name in ("learn", "probe")
    )
    if learn != probe:
        raise InputError(
            "data/text: training and test prompts were embedded with different weights, so the files of "
            "text.directory have changed; run dvc repro --force --single-item text text_probe"
        )
    name, origin, digest = str(learn["encoder"]), learn["origin"], learn["sha256"]
    return name if origin == "pinned" else f"{name} (weights of a {origin}, sha256 {digest[:12]})"


def cohort_words(cohort: Mapping[str, Any]) -> str:
    """What a cohort is called in titles: a person's own by the name that she gave it.

    Args:
        cohort: `kind`, and `collection` and `source` where they are known.
    """
    kind = str(cohort["kind"])
    if kind not in ("folder", "nifti"):
        return f"{kind} cohort"
    name = str(cohort.get("collection") or cohort.get("source") or "own")
    return f"{' '.join(name.split())} cohort"


def subject(params: Mapping[str, Any], slices: "pd.DataFrame", free: bool = False) -> str:
    """What tables are of, in words: split, cohort, slices, patients, masks, seeds.

    Args:
        params: `cohort` and `seeds`.
        slices: per-slice metrics of any run.
        free: whether the tumour-free slices are counted as well.
    """
    tumour = slices[slices["kind"] == "tumour"]
    others = f", {len(slices) - len(tumour)} tumour-free slices" if free else ""
    sources = ", ".join(sorted(slices["mask_source"].unique()))
    seeds = len(params["seeds"])
    return (
        f"Test split of the {cohort_words(params['cohort'])}: {len(tumour)} tumour slices of "
        f"{tumour['patient'].nunique()} patients{others}; masks: {sources}; "
        f"{seeds} seed{'s' if seeds > 1 else ''}"
    )


NOT_COMPARABLE = "Duke, not comparable"
# The paper's columns that depend on its cohort; parameters and operations do not.
OF_ITS_COHORT = ("paper_dice", "paper_miou", "paper_p")


def is_duke(params: Mapping[str, Any]) -> bool:
    """Whether the cohort is the paper's collection: only then its scores and ours are one scale."""
    return "duke" in str(params["cohort"]["collection"]).lower()


def comparable_headers(headers: Mapping[str, str], duke: bool) -> dict[str, str]:
    """Headings by column; off the paper's cohort those of the paper's scores say so."""
    return {
        key: f"{text} ({NOT_COMPARABLE})" if key in OF_ITS_COHORT and not duke else text
        for key, text in headers.items()
    }


def paper() -> Mapping[str, Any]:
    """The values that the paper prints."""
    return read_yaml(Path(__file__).parent / "paper.yaml")


def label(method: str) -> str:
    """The paper's name of a method; our own name where the paper has none."""
    entry = paper()["table1"].get(method)
    return str(entry["label"]) if entry else method
