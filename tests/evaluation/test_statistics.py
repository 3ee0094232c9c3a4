import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics import mean_interval, paired_difference, patient_means

BOOTSTRAP = {"resamples": 1999, "seed": 5, "confidence": 0.95}


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


def test_equal_values_have_no_width() -> None:
    found = mean_interval(np.full(7, 0.25), **BOOTSTRAP)
    assert (found.low, found.high, found.patients) == (0.25, 0.25, 7)


def test_the_rounding_of_means_is_no_width() -> None:
    values = np.array([np.mean([0.1] * n) for n in (1, 3, 6, 7, 10)])
    assert np.ptp(values) > 0
    found = mean_interval(values, **BOOTSTRAP)
    assert (found.low, found.high) == (found.mean, found.mean)


def test_differences_are_paired_by_slice_whatever_the_order() -> None:
    one = table({"a": [0.9, 0.5], "b": [0.8, 0.4], "c": [0.6, 0.1]})
    two = one.assign(dice=one["dice"] - [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]).sample(
        frac=1, random_state=1
    )
    found = paired_difference(one, two, "dice", **BOOTSTRAP)
    assert found.mean == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_other_slices_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same slices"):
        paired_difference(table({"a": [1.0]}), table({"b": [1.0]}), "dice", **BOOTSTRAP)
