"""Calibration metrics against brute force, closed forms and simulated truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import mannwhitneyu

from textbcs.evaluation.metrics.probability import brier, negative_log_likelihood
from textbcs.evaluation.uncertainty.calibration import (
    aurc,
    auroc,
    average_precision,
    excess_aurc,
    fit_temperature,
    reliability,
    risk_coverage,
    scaled,
)

SCORED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=12
)


@given(SCORED)
def test_auroc_counts_pairs(pairs: list[tuple[float, bool]]) -> None:
    score, flag = (np.array(column) for column in zip(*pairs, strict=True))
    wins = [(a > b) + (a == b) / 2 for a in score[flag] for b in score[~flag]]
    assert auroc(score, flag) == pytest.approx(np.mean(wins) if wins else math.nan, nan_ok=True)


def test_auroc_is_scipys_u_statistic() -> None:
    rng = np.random.default_rng(0)
    score, flag = rng.integers(0, 30, 500) / 30, rng.random(500) > 0.8
    statistic = mannwhitneyu(score[flag], score[~flag]).statistic
    assert auroc(score, flag) == pytest.approx(statistic / (flag.sum() * (~flag).sum()))


@given(SCORED)
def test_average_precision_walks_down_the_thresholds(pairs: list[tuple[float, bool]]) -> None:
    score, flag = (np.array(column) for column in zip(*pairs, strict=True))
    if flag.all() or not flag.any():
        assert math.isnan(average_precision(score, flag))
        return
    area, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        taken = score >= threshold
        recall = (taken & flag).sum() / flag.sum()
        area += (recall - before) * (taken & flag).sum() / taken.sum()
        before = recall
    assert average_precision(score, flag) == pytest.approx(area)


def test_average_precision_of_an_example_of_scikit_learn() -> None:
    # The docstring of sklearn.metrics.average_precision_score.
    assert average_precision(
        np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    ) == pytest.approx(0.8333333333)


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(200_000)
    truth = rng.random(p.size) < p
    found = reliability(p, truth, 15)
    assert found.count.tolist() == pytest.approx([p.size / 15] * 15, abs=1)
    assert found.ece < 0.006  # sampling noise alone gives about 0.003
    # Brier of a calibrated uniform forecast: E[p (1 - p)] = 1/6; NLL: E[H(p)] = 1/2 nat.
    assert brier(p, truth) == pytest.approx(1 / 6, abs=0.002)
    assert negative_log_likelihood(p, truth) == pytest.approx(0.5, abs=0.005)


def test_overconfidence_is_seen_by_its_amount() -> None:
    # Says 0.9 and 0.1 where 0.7 and 0.3 are true.
    p = np.repeat([0.9, 0.1], 1000)
    truth = np.concatenate([np.arange(1000) < 700, np.arange(1000) < 300])
    found = reliability(p, truth, 15)
    assert found.probability == pytest.approx([0.1, 0.9])
    assert found.frequency == pytest.approx([0.3, 0.7])
    assert found.ece == pytest.approx(0.2)


def test_the_order_of_equal_pixels_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    p = np.round(rng.random(2000) ** 6, 2)
    truth = rng.random(2000) < p
    order = rng.permutation(2000)
    one, two = reliability(p, truth, 15), reliability(p[order], truth[order], 15)
    assert one.ece == pytest.approx(two.ece, abs=1e-12)
    assert one.count.tolist() == two.count.tolist()
    assert one.count.sum() == 2000


def test_one_value_is_one_bin() -> None:
    found = reliability(np.full((4, 5), 0.25), np.zeros((4, 5), bool), 15)
    assert (len(found.count), found.ece) == (1, 0.25)


def test_brier_and_likelihood_by_hand() -> None:
    p, truth = np.array([0.8, 0.4, 1.0]), np.array([True, False, False])
    assert brier(p, truth) == pytest.approx((0.04 + 0.16 + 1) / 3)
    expected = -(math.log(0.8) + math.log(0.6) + math.log(1e-7)) / 3
    assert negative_log_likelihood(p, truth) == pytest.approx(expected, rel=1e-6)


def test_risk_coverage_by_hand() -> None:
    risk, doubt = np.array([0.1, 0.9, 0.2, 0.4]), np.array([1, 4, 2, 3])
    curve = [0.1, 0.15, 0.7 / 3, 0.4]
    assert risk_coverage(risk, doubt) == pytest.approx(curve)
    assert aurc(risk, doubt) == pytest.approx(np.mean(curve))
    assert excess_aurc(risk, doubt) == pytest.approx(0)
    assert excess_aurc(risk, -doubt) > 0.2


def test_equal_doubts_give_the_mean_over_all_orders() -> None:
    rng = np.random.default_rng(3)
    risk, doubt = rng.random(12), rng.integers(0, 3, 12)
    random = []
    for _ in range(4000):
        order = rng.permutation(12)
        ranks = np.lexsort((order, doubt))
        random.append(np.mean(np.cumsum(risk[ranks]) / np.arange(1, 13)))
    error = 4 * np.std(random) / math.sqrt(len(random))
    assert aurc(risk, doubt) == pytest.approx(np.mean(random), abs=error)
    # All equally certain: every coverage has the mean risk.
    assert aurc(risk, np.zeros(12)) == pytest.approx(risk.mean())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(-1, 4, 100_000)
    truth = rng.random(z.size) < expit(z / temperature)
    assert fit_temperature(z, truth) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_is_a_minimum_and_keeps_every_decision() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(0, 6, (3, 40, 40))
    truth = rng.random(z.shape) < expit(z / 2.5)
    best = fit_temperature(z, truth)
    losses = [negative_log_likelihood(scaled(z, best * f), truth) for f in (0.97, 1, 1.03)]
    assert losses[1] == min(losses)
    assert ((scaled(z, best) > 0.5) == (z > 0)).all()
    assert reliability(scaled(z, best), truth, 15).ece < reliability(expit(z), truth, 15).ece


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        brier(np.zeros(3), np.zeros(4, bool))
    with pytest.raises(ValueError, match="no pixel"):
        brier(np.zeros(0), np.zeros(0, bool))
