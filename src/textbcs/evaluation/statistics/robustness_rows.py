"""What methods answered under other prompts: rows per slice and probe.

Reads `results/evaluation/<name>-s<seed>/prompts.csv`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textbcs.base.io import read_csv
from textbcs.evaluation.statistics.prompt_effects import (
    over_seeds,
    slice_values,
)
from textbcs.evaluation.statistics.runs import EVALUATION
from textbcs.prompts.paraphrases import Paraphrases

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


def read_tables(stage: "Stage") -> dict[str, list["pd.DataFrame"]]:
    """Each method's rows per slice and probe, one table a seed, in the parameters' order."""
    methods, seeds = stage.params["robustness"]["methods"], stage.params["seeds"]
    return {method: [read_run(stage, f"{method}-s{seed}") for seed in seeds] for method in methods}


def read_run(stage: "Stage", name: str) -> "pd.DataFrame":
    """One run's rows; an empty cell of `prompt` is the empty prompt."""
    columns = ["slice_id", "patient", "kind", "probe", "prompt", "dice", "predicted_pixels"]
    rows = read_csv(stage.input(EVALUATION / name / "prompts.csv"), columns, {"prompt": str})
    return rows.assign(prompt=rows["prompt"].fillna(""))


def pooled(runs: Sequence["pd.DataFrame"], paraphrases: Paraphrases) -> "pd.DataFrame":
    """A method's quantities per tumour slice, averaged over its seeds."""
    paper = [one.name for one in paraphrases.probe if one.paper]
    others = [one.name for one in paraphrases.probe if not one.paper]
    return over_seeds([slice_values(run, paper, others) for run in runs])
