"""Which evaluated runs stand behind a cell of a table, and how a cell follows from per-slice rows.

A table's stage names in its receipt every file that it read. Which of them belong to a row is derived:
a row's name is that of its runs, `results/evaluation/<name>-s<seed>/`. A table whose rows are named
otherwise says so in a file beside it, `reports/tables/<table>.cells.json`, an output of the same stage:

    {"rows": {"<first column>": ["results/evaluation/x-s1/slices.csv", ...]},
     "cells": {"<first column>": {"<column>": ["results/search/x/grid.csv"]}}}

Both parts are optional, and paths are those of the receipt. The aggregations are written here once more,
apart from the package that printed them; a column's name says which one it is.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.graph import Graph, Item, Receipt
from textbcs.lineage.tracing import rules, volume_cells
from textbcs.lineage.tracing.effects import mean_limits, settings

if TYPE_CHECKING:
    import pandas as pd

TABLES = "reports/tables"
STATISTICS = "results/statistics/"
RUN = re.compile(r"results/evaluation/(?P<name>.+)-s(?P<seed>\d+)/slices\.csv")
CURVES = re.compile(r"results/runs/(?P<name>.+)-s(?P<seed>\d+)/history\.csv")
_NAMES = ("method", "variant", "run", "minuend", "subtrahend")


def run_of(path: str) -> str:
    """The name (without the seed) of the run that a file of per-slice metrics belongs to; else ""."""
    match = RUN.fullmatch(path)
    return match["name"] if match else ""


def locate(graph: Graph, name: str) -> str:
    """A file of the pipeline as dvc.yaml writes it: by its path, relative or absolute, or a table by its
    name alone, `table1` or `table1.csv`.

    Raises:
        InputError: nothing has run here.
    """
    if not graph.receipts:
        raise InputError(
            "results/receipts: no receipt here; run snakemake --cores all, or dvc pull, first"
        )
    path = os.path.relpath(name) if Path(name).is_absolute() else os.path.normpath(name)
    for candidate in (path, f"{TABLES}/{path}", f"{TABLES}/{path}.csv"):
        if graph.makers.of(candidate):
            return candidate
    return path


def find_table(graph: Graph, name: str) -> tuple[str, Receipt]:
    """A table by path or name (`table1`), and the receipt of the stage that wrote it.

    Raises:
        InputError: no stage has written such a table.
    """
    path = locate(graph, name)
    if graph.makers.of(path) and not path.endswith(".csv"):
        raise InputError(f"{path}: has no cells; name the table's .csv")
    receipt = graph.receipts.get(graph.makers.of(path) or "")
    if receipt is None or receipt.output(path) is None:
        known = sorted(
            item.path
            for one in graph.active()
            for item in one.outputs
            if item.path.startswith(TABLES) and item.path.endswith(".csv")
        )
        raise InputError(f"{path}: no stage has written it; there are {', '.join(known) or 'none'}")
    return path, receipt


def read_table(path: str | Path) -> "pd.DataFrame":
    """A table with its cells as they are printed, as text."""
    table = read_csv(path)
    return read_csv(path, dtype=dict.fromkeys(table.columns, str)).fillna("")


def find_row(table: "pd.DataFrame", path: str, row: str) -> int:
    """The place of a row: by its name in any case (in `method` or `label`, say; or the texts of its
    first columns, `textbcs lambda_evidence`, where one is not enough), or by its number from 1, `#2`
    where a name could be a number too.

    Raises:
        InputError: no row or several have that name.
    """
    if table.empty:
        raise InputError(f"{path}: has no row")
    names = [column for column in (*_NAMES, "label", table.columns[0]) if column in table.columns]
    for column in dict.fromkeys(names):
        found = table.index[table[column].str.casefold() == row.casefold()]
        if len(found) == 1:
            return int(found[0])
    for width in range(2, min(5, table.shape[1] + 1)):
        texts = table.iloc[:, :width].agg(" ".join, axis=1).str.casefold()
        found = table.index[texts == row.casefold()]
        if len(found) == 1:
            return int(found[0])
    number = row.removeprefix("#")
    if number.isdigit() and 1 <= int(number) <= len(table):
        return int(number) - 1
    known = ", ".join(f"{number + 1} {name}" for number, name in enumerate(table.iloc[:, 0]))
    raise InputError(f"{path}: no single row {row!r}; there are {known}")


def sources(receipt: Receipt, path: str, row: Mapping[str, str], column: str) -> list[Item]:
    """The inputs of a table's stage on which a cell rests; all of them where nothing narrower is known.

    Args:
        receipt: of the table's stage.
        path: the table.
        row: its cells by column.
        column: the cell's column.
    """
    inputs = {item.path: item for item in receipt.inputs}
    said = _said(path, next(iter(row.values())), column)
    if said is not None:
        return [inputs[name] for name in said if name in inputs]
    whole = volume_cells.sources(path, row, column, inputs.values())
    if whole:
        return whole
    names = [row[key] for key in _NAMES if row.get(key)]
    if column == "validation_dice":
        found = [item for name, item in inputs.items() if _curves_of(name) in names]
        return found or list(inputs.values())
    names += rules.compared_with(Path(path).stem, column, receipt.params)
    seed = row.get("seed", "")
    runs = []
    for name, item in inputs.items():
        match = RUN.fullmatch(name)
        if match and match["name"] in names and seed in ("", match["seed"]):
            runs.append(item)
    others = [
        item
        for name, item in inputs.items()
        if item not in runs
        and (name.startswith(STATISTICS) or any(part in names for part in _words(name)))
    ]
    if column in FROM_RUNS or column in rules.GAINS:
        return runs or others or list(inputs.values())
    return [*others, *runs] or list(inputs.values())


def _curves_of(path: str) -> str:
    match = CURVES.fullmatch(path)
    return match["name"] if match else ""


def _words(path: str) -> list[str]:
    return [Path(part).stem for part in Path(path).parts]


def _said(path: str, row: str, column: str) -> list[str] | None:
    """What `<table>.cells.json` says of a cell, or None."""
    beside = Path(path).with_suffix(".cells.json")
    if not beside.is_file():
        return None
    said = read_record(beside)
    found = said.get("cells", {}).get(row, {}).get(column) or said.get("rows", {}).get(row)
    return [str(name) for name in found] if found else None


def recompute(
    column: str, runs: Sequence["pd.DataFrame"], params: Mapping[str, Any]
) -> tuple[float | str, ...]:
    """A cell once more from its runs' per-slice rows; nothing for a column without a rule here.

    Args:
        column: the cell's column; its name says over what it is a mean.
        runs: per-slice metrics of each run of the row, one a seed.
        params: parameters of the table's stage, by dotted key.

    Returns:
        The values that the cell may have: the mean over the runs, of shares in percent.
    """
    import numpy as np

    try:
        if column == "dice_patient_interval":
            return _interval(_over_seeds(runs), params)
        if column == "seeds":
            return (float(len(runs)),)
        if column not in FORMULAS:
            return ()
        average = float(np.mean([FORMULAS[column](one) for one in runs]))
        return (average if column in COUNTED else 100 * average,)
    except KeyError:
        return ()  # the runs lack what the rule needs


def _over_seeds(runs: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """One table with each slice's mean over the runs, sorted by slice, NaN where a run has none."""
    tables = [run.set_index("slice_id").sort_index() for run in runs]
    numbers = list(tables[0].select_dtypes("number").columns)
    total = tables[0][numbers].astype(float)
    for table in tables[1:]:
        total = total + table[numbers].astype(float)
    return tables[0][["patient", "kind"]].join(total / len(tables)).reset_index()


def _tumour(slices: "pd.DataFrame") -> "pd.DataFrame":
    return slices[slices["kind"] == "tumour"]


def _slice_mean(metric: str) -> Callable[["pd.DataFrame"], float]:
    return lambda slices: float(_tumour(slices)[metric].mean())


def _patient_means(slices: "pd.DataFrame", metric: str) -> Any:
    means = _tumour(slices).groupby("patient")[metric].mean().dropna().sort_index()
    return means.to_numpy(dtype=float)


def _patient_mean(metric: str) -> Callable[["pd.DataFrame"], float]:
    return lambda slices: float(_patient_means(slices, metric).mean())


def _pooled(weight: int) -> Callable[["pd.DataFrame"], float]:
    """Pooled Dice (`weight` 2) or IoU (1) of all tumour slices' pixels."""

    def pooled(slices: "pd.DataFrame") -> float:
        sums = _tumour(slices)[["true_positive", "false_positive", "false_negative"]].sum()
        hit, false, missed = (int(value) for value in sums)
        return weight * hit / (weight * hit + false + missed)

    return pooled


def _false_alarms(slices: "pd.DataFrame") -> float:
    free = slices[slices["kind"] == "negative"]
    if not len(free):
        return float("nan")
    return float((free["true_positive"] + free["false_positive"] > 0).mean())


def _interval(slices: "pd.DataFrame", params: Mapping[str, Any]) -> rules.Values:
    """The interval of the patients' mean Dice as tables print it; () where settings are missing."""
    values = _patient_means(slices, "dice")
    limits = _limits(values, params)
    if limits is None:
        return ()
    return rules.interval_texts(100 * limits[0], 100 * limits[1], len(values))


def _limits(values: Any, params: Mapping[str, Any]) -> tuple[float, float] | None:
    """BCa limits of a mean over patients; None without the receipt's settings."""
    if settings(params) is None:
        return None
    return mean_limits(values, params)[1:]


def _side_follows_prompt(slices: "pd.DataFrame") -> float:
    """Share of the tumour slices with a prediction that lies on the other side under the other prompt."""
    tumour = _tumour(slices)
    found = tumour[tumour["predicted_side"].notna()]
    if not len(found) or not tumour["dice_swapped"].notna().any():
        return float("nan")
    there = found["predicted_side_swapped"]
    moved = [
        bool(now == now and now != before)
        for before, now in zip(found["predicted_side"], there, strict=True)
    ]
    return sum(moved) / len(moved)


_Formulas = Mapping[str, Callable[["pd.DataFrame"], float]]
COUNTED: _Formulas = {
    "tumour_slices": lambda slices: float(len(_tumour(slices))),
    "tumour_free_slices": lambda slices: float((slices["kind"] == "negative").sum()),
    "patients": lambda slices: float(_tumour(slices)["patient"].nunique()),
}
# Shares of one run, in [0, 1]; tables print them in percent.
SHARES: _Formulas = {
    "dice_slice_mean": _slice_mean("dice"),
    "miou_slice_mean": _slice_mean("iou"),
    "dice_two_class_slice_mean": _slice_mean("dice_two_class"),
    "miou_two_class_slice_mean": _slice_mean("iou_two_class"),
    "dice_native_slice_mean": _slice_mean("dice_native"),
    "dice_patient_mean": _patient_mean("dice"),
    "miou_patient_mean": _patient_mean("iou"),
    "dice_pooled": _pooled(2),
    "miou_pooled": _pooled(1),
    "false_alarm_share": _false_alarms,
    "side_follows_prompt": _side_follows_prompt,
}
FORMULAS: _Formulas = {**COUNTED, **SHARES}
FROM_RUNS = frozenset(FORMULAS) | {"dice_patient_interval", "seeds"}
