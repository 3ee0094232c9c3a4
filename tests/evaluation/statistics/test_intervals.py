import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics.intervals import (
    limits_text,
    mean_interval,
    patient_means,
)

BOOTSTRAP = {"resamples": 1999, "seed": 5}


def table(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(f"{p}-{i}", p, v) for p, many in values.items() for i, v in enumerate(many)]
    return pd.DataFrame(rows, columns=["slice_id", "patient", "dice"])


def test_a_patient_counts_once_however_many_slices_it_has() -> None:
    means = patient_means(table({"a": [1.0] * 9, "b": [0.0]}), "dice")
    assert means.tolist() == [1.0, 0.0]
    assert mean_interval(means, **BOOTSTRAP).mean == 0.5


def test_slices_without_a_value_are_left_out() -> None:
    found = patient_means(table({"a": [1.0, np.nan], "b": [np.nan]}), "dice")
    assert found.tolist() == [1.0]


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    # Simulated: 40 skewed patients, 300 cohorts; binomial limits of a 95 % coverage at 3 sd.
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        values = rng.beta(5, 2, 40)
        found = mean_interval(values, 499, seed, 0.95)
        hits += found.low <= 5 / 7 <= found.high
    assert 0.90 <= hits / 300 <= 0.985


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).random(20)
    assert mean_interval(values, **BOOTSTRAP) == mean_interval(values, **BOOTSTRAP)


@pytest.mark.parametrize("values", [[0.25] * 7, [1.0] * 3, [0.1, 0.9], [0.4], []])
def test_where_resampling_says_nothing_there_are_no_limits(values: list[float]) -> None:
    found = mean_interval(np.array(values), **BOOTSTRAP)
    assert np.isnan([found.low, found.high]).all()
    assert found.patients == len(values)
    if values:
        assert found.mean == pytest.approx(np.mean(values))


def test_three_patients_that_differ_have_limits() -> None:
    found = mean_interval(np.array([0.1, 0.5, 0.6]), **BOOTSTRAP)
    assert 0.1 <= found.low < found.mean < found.high <= 0.6


def test_limits_are_printed_or_why_there_are_none() -> None:
    assert limits_text(-1.234, 5, 28) == "-1.23 to 5.00"
    assert limits_text(-0.001, 0.0, 28) == "0.00 to 0.00"
    assert limits_text(0.12345, 0.5, 28, digits=4) == "0.1235 to 0.5000"
    assert limits_text(np.nan, np.nan, 28) == limits_text(np.nan, np.nan, 3) == "all equal"
    assert limits_text(np.nan, np.nan, 2) == "–"


def test_the_rounding_of_means_is_no_width() -> None:
    values = np.array([np.mean([0.1] * n) for n in (1, 3, 6, 7, 10)])
    assert np.ptp(values) > 0
    found = mean_interval(values, **BOOTSTRAP)
    assert np.isnan([found.low, found.high]).all()
