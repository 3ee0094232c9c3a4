"""Numbers of a stage's outputs, as (name, value, step): curves, grid points, scores, counts.

Step is the epoch of a history and the point of a grid, from 1; elsewhere 0. What is not finite or is
missing is left out. Scores of test slices are those of `evaluation.statistics.aggregates`, under the same
names.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from textbcs.base.io import existing, read_csv
from textbcs.lineage.records.bounded import read_record

Point = tuple[str, float, int]


def measures(paths: Sequence[str]) -> Iterator[Point]:
    """Every number that the view shows of the outputs `paths` of one stage.

    A stage with several JSON files or several runs' slices has the file's or the run's name before
    each measure, such as `unet-s1.brier`.

    Raises:
        InputError: a file cannot be read.
    """
    alike: dict[str, int] = {}
    for path in paths:
        alike[_kind(path)] = alike.get(_kind(path), 0) + 1
    for path in paths:
        prefix = f"{_subject(path)}." if alike[_kind(path)] > 1 else ""
        for name, value, step in READERS.get(_kind(path), lambda _: iter(()))(path):
            if math.isfinite(value):
                yield prefix + name, value, step


def history(path: str) -> Iterator[Point]:
    """Each column of a training's history, a step an epoch."""
    for row in _rows(path):
        step = int(row["epoch"])
        for name, text in row.items():
            if name != "epoch" and text:
                yield name, float(text), step


def grid(path: str) -> Iterator[Point]:
    """Each column of a search's grid, a step a point, from 1."""
    for step, row in enumerate(_rows(path), start=1):
        for name, text in row.items():
            if text:
                yield f"grid.{name}", float(text), step


def leaves(path: str) -> Iterator[Point]:
    """The numbers of a JSON file by their dotted names; lists are left out."""
    yield from _leaves(read_record(path), "")


def scores(path: str) -> Iterator[Point]:
    """The aggregates of one run's slices, such as `dice_patient_mean`."""
    from textbcs.evaluation.statistics.aggregates import PER_SLICE, aggregate

    table = read_csv(path)
    columns = [name for name in table.columns if name in PER_SLICE or name.startswith("nsd_")]
    for name, found in aggregate(table, columns, {}).items():
        yield name, found.value, 0


READERS = {"history.csv": history, "grid.csv": grid, "json": leaves, "slices.csv": scores}


def _kind(path: str) -> str:
    name = PurePosixPath(path)
    return "json" if name.suffix == ".json" else name.name


def _subject(path: str) -> str:
    name = PurePosixPath(path)
    return name.stem if name.suffix == ".json" else name.parent.name


def _rows(path: str) -> list[dict[str, str]]:
    with existing(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _leaves(value: Any, name: str) -> Iterator[Point]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value), 0
