"""Stage `score`: what every prediction on the test split is worth.

Reads the maps of all runs, what methods answered under other prompts, and the test slices; runs no network.
Writes `results/evaluation/<name>-s<seed>/`: `slices.csv`, a row per test slice, and for the methods of
`robustness.methods` `prompts.csv`, a row per slice and probe. One stage for all runs: scoring takes less
time than a process's start.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import write_csv
from textbcs.dataset.slice_store import Shard, read_shard
from textbcs.evaluation.metrics.answer_scores import score_answers
from textbcs.evaluation.metrics.slice_scores import score
from textbcs.evaluation.statistics.runs import EVALUATION, run_names
from textbcs.prediction.answers import files_of, read_answers
from textbcs.prediction.files import PREDICTIONS, read_exact
from textbcs.stage.pool import allowed_jobs, each

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


@dataclass(frozen=True)
class Task:
    """A run that is to be scored, small enough to travel to another process.

    Attributes:
        probability: the file of its probabilities.
        answers: the table and the masks of its answers to other prompts, if it was asked.
        slices: the table and the arrays of the test slices.
        rules: the parameters `evaluation`.
        smallest_mm2: smaller components are no lesions.
        sides: what left and right are.
    """

    probability: Path
    answers: tuple[Path, Path] | None
    slices: tuple[Path, Path]
    rules: Mapping[str, Any]
    smallest_mm2: float
    sides: str


def run(stage: "Stage") -> None:
    """Score every run that the parameters name; several at once if allowed.

    Raises:
        InputError: an input is missing or damaged, or holds other slices than the test split.
    """
    names, tasks = run_names(stage.params), _tasks(stage)
    with closing(each(score_task, tasks, allowed_jobs())) as found:
        bar = stage.progress(found, total=len(tasks), desc="runs")
        for name, (rows, answered) in zip(names, bar, strict=True):
            write_csv(stage.output(EVALUATION / name / "slices.csv"), rows)
            if answered is not None:
                write_csv(stage.output(EVALUATION / name / "prompts.csv"), answered)


def _tasks(stage: "Stage") -> list[Task]:
    """What has to be scored, in the order of `run_names`."""
    folder = Path("data/slices/test")
    slices = stage.input(folder / "slices.csv"), stage.input(folder / "slices.safetensors")
    asked = {
        f"{method}-s{seed}"
        for method in stage.params["robustness"]["methods"]
        for seed in stage.params["seeds"]
    }
    rules = stage.params["evaluation"]
    smallest = float(stage.params["slices"]["minimum_component_mm2"])
    sides = str(stage.params["cohort"]["sides"])
    tasks = []
    for name in run_names(stage.params):
        probability = stage.input(PREDICTIONS / name / "probability.safetensors")
        answers = None
        if name in asked:
            table, masks = files_of(name)
            answers = stage.input(table), stage.input(masks)
        tasks.append(Task(probability, answers, slices, rules, smallest, sides))
    return tasks


def score_task(task: Task) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
    """The rows of one run, and those of its answers."""
    shard = _shard(task.slices)
    true, swapped = read_exact(task.probability, len(shard.table))
    rows = score(shard, true, swapped, task.rules, task.smallest_mm2, task.sides)
    if task.answers is None:
        return rows, None
    return rows, score_answers(read_answers(*task.answers, shard), shard.masks)


@cache
def _shard(files: tuple[Path, Path]) -> Shard:
    """The test slices, read once a process."""
    return read_shard(*files)
