"""Methods against rows that no network made: numbers that follow from how the runs were made."""

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics.against_trivial import against_trivial
from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.evaluation.statistics.runs import Run

BOOTSTRAP = {"resamples": 999, "seed": 1}
# Patients with 1, 2, 3, 2 slices, so that a mean over slices is another number.
SIZES = {"a": 1, "b": 2, "c": 3, "d": 2}


def run(name: str, dice: dict[str, float], seed: int = 1) -> list[Run]:
    rows = [
        {"slice_id": f"{patient}{z}", "patient": patient, "kind": "tumour", "dice": dice[patient]}
        for patient, size in SIZES.items()
        for z in range(size)
    ]
    rows.append({"slice_id": "a9", "patient": "a", "kind": "negative", "dice": 0.0})
    return [Run(name, seed, pd.DataFrame(rows))]


EMPTY = run("empty", dict.fromkeys(SIZES, 0.0), 0)
PRIOR = run("prior", {"a": 0.1, "b": 0.3, "c": 0.2, "d": 0.2}, 0)
GOOD = {"a": 0.5, "b": 0.9, "c": 0.7, "d": 0.6}


def found(dice: dict[str, float]) -> pd.DataFrame:
    table = against_trivial({"one": run("one", dice)}, {"empty": EMPTY, "prior": PRIOR}, BOOTSTRAP)
    return table.set_index("trivial")


def test_the_difference_is_over_patients_and_paired() -> None:
    table = found(GOOD)
    assert table["patients"].tolist() == [4, 4]
    assert table["slices"].tolist() == [8, 8]
    assert table.loc["empty", "difference"] == pytest.approx((0.5 + 0.9 + 0.7 + 0.6) / 4)
    gaps = np.array([0.4, 0.6, 0.5, 0.4])
    assert table.loc["prior", "difference"] == pytest.approx(gaps.mean())
    expected = mean_interval(gaps, **BOOTSTRAP)
    assert table.loc["prior", "low"] == pytest.approx(expected.low)
    assert table["above"].all()


def test_an_empty_prediction_is_above_nothing() -> None:
    table = found(dict.fromkeys(SIZES, 0.0))
    assert table["above"].tolist() == [False, False]
    assert table.loc["empty", "difference"] == 0
    assert table.loc["empty", ["low", "high"]].isna().all()


def test_the_lower_limit_decides_not_the_mean() -> None:
    # Better on the mean, but one patient's loss keeps zero within the interval.
    table = found({"a": 0.9, "b": 0.35, "c": 0.0, "d": 0.2})
    assert table.loc["prior", "difference"] > 0
    assert not table.loc["prior", "above"]
    assert table.loc["empty", "above"]


def test_seeds_are_averaged() -> None:
    seeds = run("one", GOOD) + run("one", dict.fromkeys(SIZES, 0.1), 2)
    table = against_trivial({"one": seeds}, {"empty": EMPTY}, BOOTSTRAP)
    assert table.loc[0, "seeds"] == 2
    assert table.loc[0, "dice"] == pytest.approx((0.675 + 0.1) / 2)
