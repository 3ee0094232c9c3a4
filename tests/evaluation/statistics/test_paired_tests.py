"""Tests and effect sizes against scipy, enumeration and values worked out elsewhere."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from textbcs.evaluation.statistics.intervals import bca, mean_interval
from textbcs.evaluation.statistics.paired_tests import (
    cliffs_delta,
    cohen_dz,
    holm,
    paired_t,
    sign_flip,
    wilcoxon,
    win_share,
)

RNG = np.random.default_rng(0)
ONE = RNG.beta(6, 2, 30)
TWO = np.clip(ONE - RNG.normal(0.03, 0.08, 30), 0, 1)


def test_t_and_wilcoxon_are_scipys_on_the_pairs() -> None:
    assert paired_t(ONE - TWO) == pytest.approx(stats.ttest_rel(ONE, TWO).pvalue)
    assert wilcoxon(ONE - TWO) == pytest.approx(stats.wilcoxon(ONE, TWO).pvalue)


def test_t_by_hand() -> None:
    # d = 1, 2, 3: t = 2 sqrt(3) with 2 degrees of freedom; p = 1 - t / sqrt(t^2 + 2).
    assert paired_t(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 - math.sqrt(12 / 14))


def test_no_difference_has_no_p_value() -> None:
    zeros = np.zeros(5)
    assert math.isnan(paired_t(zeros))
    assert math.isnan(wilcoxon(zeros))
    assert sign_flip(zeros, 10_000, 1) == 1
    assert math.isnan(paired_t(np.full(5, 0.1)))


@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_sign_flip_of_few_patients_is_an_enumeration(n: int) -> None:
    values = np.round(np.random.default_rng(n).normal(0.3, 1, n), 1)
    sums = [
        sum(s * v for s, v in zip(c, values, strict=True))
        for c in itertools.product((1, -1), repeat=n)
    ]
    extreme = sum(abs(s) >= abs(values.sum()) - 1e-9 for s in sums)
    assert sign_flip(values, 10_000, 0) == pytest.approx(extreme / 2**n)


def test_sign_flip_is_scipys_permutation_test() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 12)
    found = stats.permutation_test(
        (values, np.zeros(12)),
        lambda a, b: np.mean(a - b),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert sign_flip(values, 10_000, 0) == pytest.approx(found.pvalue)


def test_random_sign_flips_approach_the_enumeration() -> None:
    values = np.random.default_rng(4).normal(0.5, 1, 14)
    exact = sign_flip(values, 2**14, 0)
    random = sign_flip(values, 2**14 - 1, 7)
    assert random == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 2**14))
    assert random == sign_flip(values, 2**14 - 1, 7)
    # However large the effect, p stays above 0.
    assert sign_flip(np.ones(40), 10_000, 0) == pytest.approx(1 / 10_001)


def test_a_large_sample_makes_all_tests_agree() -> None:
    values = np.random.default_rng(5).normal(0.15, 1, 200)
    assert sign_flip(values, 20_000, 0) == pytest.approx(paired_t(values), abs=0.01)


def test_holm_by_hand_and_with_the_values_of_statsmodels() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    # statsmodels 0.15: multipletests(p, method="holm")[1].
    p = [0.001, 0.2, 0.013, 0.04, 0.011, 0.9]
    assert holm(p) == pytest.approx([0.006, 0.4, 0.055, 0.12, 0.055, 0.9])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_holm_leaves_out_what_has_no_p_value() -> None:
    found = holm([0.01, math.nan, 0.03])
    assert math.isnan(found[1])
    assert [found[0], found[2]] == pytest.approx([0.02, 0.03])


def test_bca_is_scipys_on_the_same_samples() -> None:
    values = np.random.default_rng(6).beta(5, 1.5, 25)
    for statistic in (np.mean, np.median, np.std):
        found = stats.bootstrap(
            (values,), statistic, n_resamples=1999, method="BCa", rng=np.random.default_rng(1)
        )
        left_out = [statistic(np.delete(values, i)) for i in range(25)]
        limits = bca(statistic(values), found.bootstrap_distribution, left_out, 0.95)
        assert limits == pytest.approx(
            [found.confidence_interval.low, found.confidence_interval.high], abs=1e-12
        )


def test_bca_of_many_samples_at_once() -> None:
    rng = np.random.default_rng(7)
    values, samples, left_out = rng.random(3), rng.random((3, 99)), rng.random((3, 8))
    together = bca(values, samples, left_out, 0.9)
    for row in range(3):
        alone = bca(values[row], samples[row], left_out[row], 0.9)
        np.testing.assert_array_equal(together[row], alone)


def test_bca_of_a_single_value_has_no_limits() -> None:
    assert np.isnan(bca(0.5, np.full(99, 0.5), np.full(9, 0.5), 0.95)).all()


def test_cohens_dz_and_its_interval() -> None:
    difference = ONE - TWO
    found = cohen_dz(difference, 9999, 1, 0.95)
    # dz is the t statistic over sqrt(n).
    assert found.value == pytest.approx(stats.ttest_rel(ONE, TWO).statistic / math.sqrt(30))

    def dz(sample: np.ndarray, axis: int = -1) -> np.ndarray:
        return sample.mean(axis=axis) / sample.std(axis=axis, ddof=1)

    other = stats.bootstrap(
        (difference,), dz, n_resamples=9999, rng=np.random.default_rng(2)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.03)


@pytest.mark.parametrize("n", [3, 4, 5])
def test_dz_over_few_patients_is_no_matter_of_rounding(n: int) -> None:
    """In other units it is the same: samples of one patient alone have no dz, others may tie with it."""
    difference = np.random.default_rng(n).normal(-1, 0.7, n)
    wanted = cohen_dz(difference, 499, 31, 0.95)
    for unit in (0.01, 0.1, 1 / 3, 3.0, 7.0, 1e5):
        found = cohen_dz(difference * unit, 499, 31, 0.95)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-6)


def test_cliffs_delta_counts_pairs_and_its_interval_resamples_them() -> None:
    found = cliffs_delta(ONE, TWO, 9999, 1, 0.95)
    pairs = [np.sign(a - b) for a in ONE for b in TWO]
    assert found.value == pytest.approx(np.mean(pairs))
    # Mann and Whitney's U says the same.
    u = stats.mannwhitneyu(ONE, TWO).statistic
    assert found.value == pytest.approx(2 * u / 900 - 1)

    def delta(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sign(a[:, None] - b[None, :]).mean())

    other = stats.bootstrap(
        (ONE, TWO),
        delta,
        paired=True,
        vectorized=False,
        n_resamples=1999,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.03)


def test_effects_at_their_ends() -> None:
    high = cliffs_delta(np.arange(5.0) + 10, np.arange(5.0), 999, 1, 0.95)
    # Every sample says 1: no width is no certainty, so there are no limits.
    assert high.value == 1
    assert np.isnan([high.low, high.high]).all()
    assert math.isnan(cohen_dz(np.full(9, 0.2), 999, 1, 0.95).value)
    assert win_share(np.array([0.1, 0.0, -0.2, 0.3])) == 0.625


def test_the_interval_of_the_mean_is_scipys_bca_on_patient_means() -> None:
    found = mean_interval(ONE, 999, 5, 0.95)
    other = stats.bootstrap(
        (ONE,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(5)
    ).confidence_interval
    assert (found.low, found.high) == (other.low, other.high)
