"""Scores over resampled patients against the same scores of pixels that are repeated by hand."""

import numpy as np
import pytest

from textbcs.evaluation.statistics import cluster_bootstrap
from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.evaluation.uncertainty import calibration

PATIENTS = 7


@pytest.fixture
def draws() -> cluster_bootstrap.Draws:
    return cluster_bootstrap.draw(PATIENTS, 40, 3, 0.95)


def pixels(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score in few levels, with ties, flag and patient of 300 pixels."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, PATIENTS, 300)
    flag = rng.random(300) < 0.2 + 0.05 * owner
    return np.round(rng.normal(flag, 1.0), 1), flag, owner


def repeated(draws: cluster_bootstrap.Draws, owner: np.ndarray) -> list[np.ndarray]:
    """For each sample the places of its pixels, each as often as its patient was drawn."""
    places = np.arange(len(owner))
    return [np.repeat(places, row[owner].astype(int)) for row in draws.weights]


def test_the_samples_are_scipys_and_so_are_the_limits() -> None:
    values = np.random.default_rng(1).gamma(2, 1, 12)
    draws = cluster_bootstrap.draw(12, 999, 5, 0.9)
    found = cluster_bootstrap.interval(cluster_bootstrap.mean(draws, values, np.ones(12)), draws)
    wanted = mean_interval(values, 999, 5, 0.9)
    assert (found.mean, found.patients) == (pytest.approx(wanted.mean), 12)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_there_are_no_limits_where_resampling_says_nothing(draws: cluster_bootstrap.Draws) -> None:
    found = cluster_bootstrap.interval(np.full(len(draws.weights), 0.3), draws)
    assert found.mean == 0.3
    assert np.isnan([found.low, found.high]).all()
    nothing = cluster_bootstrap.interval(np.full(len(draws.weights), np.nan), draws)
    assert np.isnan([nothing.low, nothing.mean, nothing.high]).all()
    two = cluster_bootstrap.draw(2, 40, 3, 0.95)
    assert np.isnan(
        cluster_bootstrap.interval(cluster_bootstrap.mean(two, np.arange(2.0), np.ones(2)), two).low
    )


def test_ranking_scores_are_those_of_the_repeated_pixels(draws: cluster_bootstrap.Draws) -> None:
    score, flag, owner = pixels()
    level = cluster_bootstrap.levels(score, flag)
    counts = cluster_bootstrap.histograms(level, flag, owner, PATIENTS)
    found = (
        cluster_bootstrap.auroc(draws, *counts),
        cluster_bootstrap.average_precision(draws, *counts),
    )
    for number, places in enumerate(repeated(draws, owner)):
        wanted = (
            calibration.auroc(score[places], flag[places]),
            calibration.average_precision(score[places], flag[places]),
        )
        assert (found[0][number], found[1][number]) == pytest.approx(wanted, nan_ok=True), number


def test_a_level_keeps_the_order_and_holds_little(draws: cluster_bootstrap.Draws) -> None:
    rng = np.random.default_rng(4)
    flag = rng.random(60_000) < 0.01
    score = rng.normal(flag, 1.0)
    level = cluster_bootstrap.levels(score, flag)
    assert (np.diff(level[np.argsort(score)]) >= 0).all()
    assert level.min() >= 0
    assert level.max() < cluster_bootstrap.LEVELS
    for own in (flag, ~flag):
        assert np.bincount(level[own]).max() < 0.01 * own.sum()
    owner = rng.integers(0, PATIENTS, len(score))
    found = cluster_bootstrap.auroc(
        draws, *cluster_bootstrap.histograms(level, flag, owner, PATIENTS)
    )
    assert found[0] == pytest.approx(calibration.auroc(score, flag), abs=1e-3)


@pytest.mark.parametrize("unit", ["slices", "patients"])
def test_risk_coverage_is_that_of_the_repeated_cases(
    draws: cluster_bootstrap.Draws, unit: str
) -> None:
    rng = np.random.default_rng(2)
    owner = np.arange(PATIENTS) if unit == "patients" else rng.integers(0, PATIENTS, 20)
    risk, doubt = rng.random(len(owner)), rng.integers(0, 4, len(owner)) / 4
    found = cluster_bootstrap.aurc(draws, risk, doubt, owner)
    for number, places in enumerate(repeated(draws, owner)):
        assert found[number] == pytest.approx(calibration.aurc(risk[places], doubt[places])), number


def test_means_and_calibration_error_weigh_pixels(draws: cluster_bootstrap.Draws) -> None:
    rng = np.random.default_rng(6)
    owner, place = rng.integers(0, PATIENTS, 200), rng.integers(0, 3, 200)
    p, y = rng.random(200), (rng.random(200) < 0.4).astype(float)

    def table(weights: np.ndarray) -> np.ndarray:
        found = np.zeros((PATIENTS, 3))
        np.add.at(found, (owner, place), weights)
        return found

    count, of_p, of_y = (table(weights) for weights in (np.ones(200), p, y))
    error = cluster_bootstrap.calibration_error(draws, of_p, of_y, count)
    share = cluster_bootstrap.shares(draws, of_y, count)
    mean = cluster_bootstrap.mean(draws, of_p.sum(axis=1), count.sum(axis=1))
    for number, places in enumerate(repeated(draws, owner)):
        gaps = 0.0
        for own in range(3):
            held = places[place[places] == own]
            gaps += abs(y[held].sum() - p[held].sum())
            wanted = y[held].mean() if len(held) else np.nan
            assert share[number, own] == pytest.approx(wanted, nan_ok=True)
        assert error[number] == pytest.approx(gaps / len(places))
        assert mean[number] == pytest.approx(p[places].mean())
