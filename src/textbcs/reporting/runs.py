"""What a table says of its runs: their text encoder, the paper's values and names.

Reads `data/text/{learn,probe}.json`, `results/statistics/replicates.json` and `paper.yaml`; deletes results
that no parameter names.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.io import InputError, read_json
from textbcs.params import read_yaml

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage


TRIVIAL = ("empty-s0", "prior-s0")
REPLICATES = Path("results/statistics/replicates.json")


def run_names(params: Mapping[str, Any]) -> list[str]:
    """The folders of all runs: methods and variants with each seed, further seeds of some methods, and
    those that no network made."""
    rows = [*params["tables"]["table1"], *params["tables"]["variants"]]
    repeated = params["replicates"]
    runs = [f"{name}-s{seed}" for name in rows for seed in params["seeds"]]
    runs += [f"{name}-s{seed}" for name in repeated["methods"] for seed in repeated["seeds"]]
    return [*runs, *TRIVIAL]


def seed_spread(stage: "Stage") -> dict[str, Any]:
    """How far the seed alone moves a score, as the stage `replicates` writes it."""
    found: dict[str, Any] = read_json(stage.input(REPLICATES))
    return found


def encoder_label(stage: "Stage") -> str:
    """The runs' text encoder; weights other than the pinned ones are named by their sha256.

    Raises:
        InputError: training and test prompts were embedded with different weights.
    """
    learn, probe = (read_json(stage.input(f"data/text/{name}.json")) for name in ("learn", "probe"))
    if learn != probe:
        raise InputError(
            "data/text: training and test prompts were embedded with different weights, so the files of "
            "text.directory have changed; run dvc repro --force --single-item text text_probe"
        )
    name, origin, digest = str(learn["encoder"]), learn["origin"], learn["sha256"]
    return name if origin == "pinned" else f"{name} (weights of a {origin}, sha256 {digest[:12]})"


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
        f"Test split of the {params['cohort']['kind']} cohort: {len(tumour)} tumour slices of "
        f"{tumour['patient'].nunique()} patients{others}; masks: {sources}; "
        f"{seeds} seed{'s' if seeds > 1 else ''}"
    )


def prune(folder: Path, wanted: Iterable[str]) -> list[str]:
    """Delete the entries of a results folder that no parameter names any more.

    A stage that depends on a whole folder would otherwise see runs of an earlier parameter file, and
    a fresh clone would differ from this one. DVC's cache still has what is deleted.

    Returns:
        The names of the deleted entries.
    """
    kept = set(wanted)
    orphans = [
        path
        for path in sorted(folder.iterdir())
        if path.name not in kept and not path.name.startswith(".")
    ]
    for path in orphans:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in orphans]


NOT_COMPARABLE = "Duke, not comparable"


def is_duke(params: Mapping[str, Any]) -> bool:
    """Whether the cohort is the paper's collection: only then its scores and ours are one scale."""
    return "duke" in str(params["cohort"]["collection"]).lower()


def paper() -> Mapping[str, Any]:
    """The values that the paper prints."""
    return read_yaml(Path(__file__).parent / "paper.yaml")


def label(method: str) -> str:
    """The paper's name of a method; our own name where the paper has none."""
    entry = paper()["table1"].get(method)
    return str(entry["label"]) if entry else method
