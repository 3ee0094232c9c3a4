"""Differences are paired by slice and averaged over patients."""

import pandas as pd
import pytest

from textbcs.evaluation.statistics.paired_differences import (
    difference_interval,
    paired_difference,
)
from textbcs.evaluation.statistics.runs import Run

BOOTSTRAP = {"resamples": 1999, "seed": 5}


def table(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(f"{p}-{i}", p, v) for p, many in values.items() for i, v in enumerate(many)]
    return pd.DataFrame(rows, columns=["slice_id", "patient", "dice"])


def test_differences_are_paired_by_slice_whatever_the_order() -> None:
    one = table({"a": [0.9, 0.5], "b": [0.8, 0.4], "c": [0.6, 0.1]})
    two = one.assign(dice=one["dice"] - [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]).sample(
        frac=1, random_state=1
    )
    found = difference_interval(one, two, "dice", BOOTSTRAP)
    assert found.mean == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_other_slices_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same slices"):
        difference_interval(table({"a": [1.0]}), table({"b": [1.0]}), "dice", BOOTSTRAP)


def test_seeds_are_averaged_first_and_tumour_free_slices_left_out() -> None:
    one = table({"a": [0.9, 0.5], "b": [0.8, 0.4], "c": [0.6, 0.1]}).assign(kind="tumour")
    free = pd.DataFrame([{"slice_id": "c-9", "patient": "c", "dice": 0.0, "kind": "negative"}])
    tables = [pd.concat([one.assign(dice=one["dice"] + shift), free]) for shift in (0.0, 0.2)]
    ours = [Run("x", seed, own) for seed, own in enumerate(tables, start=1)]
    found = paired_difference(ours, [Run("y", 1, tables[0])], BOOTSTRAP)
    assert found.mean == pytest.approx(0.1)
    assert found.patients == 3
