import numpy as np
import pytest

from textbcs.evaluation.statistics.stability import rank_probabilities, ranks, split_variance


def test_known_variances_are_found_again() -> None:
    rng = np.random.default_rng(0)
    found = [
        split_variance(
            rng.normal(0, 3, (60, 1)) + rng.normal(0, 1, (1, 5)) + rng.normal(0, 2, (60, 5))
        )
        for _ in range(300)
    ]
    assert np.mean([one.patient for one in found]) == pytest.approx(9, rel=0.05)
    assert np.mean([one.seed for one in found]) == pytest.approx(1, rel=0.15)
    assert np.mean([one.residual for one in found]) == pytest.approx(4, rel=0.05)


def test_the_run_to_run_spread_is_that_of_means_of_new_runs() -> None:
    rng = np.random.default_rng(1)
    patients = rng.normal(0, 3, (40, 1))
    many = patients + rng.normal(0, 1, (1, 4000)) + rng.normal(0, 2, (40, 4000))
    found = split_variance(many)
    assert found.run_to_run_sd == pytest.approx(many.mean(axis=0).std(), rel=0.01)


def test_the_moments_by_hand() -> None:
    # Rows differ by 2, columns by 1, nothing else: no residual.
    found = split_variance(np.array([[0.0, 1.0], [2.0, 3.0]]))
    assert (found.patient, found.seed, found.residual) == pytest.approx((2, 0.5, 0))


def test_a_variance_is_never_negative() -> None:
    found = split_variance(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (found.patient, found.seed, found.residual) == (0, 0, 4)
    with pytest.raises(ValueError, match="two of each"):
        split_variance(np.ones((5, 1)))


def test_ranks() -> None:
    assert ranks(np.array([0.2, 0.9, 0.5])).tolist() == [3, 1, 2]
    assert ranks(np.array([[0.5, 0.5, 0.1]])).tolist() == [[1, 1, 3]]


def test_a_clear_ranking_is_firm_and_a_tie_is_not() -> None:
    rng = np.random.default_rng(2)
    base = rng.random((50, 1))
    clear = rank_probabilities(base + np.array([0.0, 0.2, 0.1]), 500, 3)
    assert clear.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    noisy = rank_probabilities(rng.random((50, 2)), 4000, 3)
    assert noisy.sum(axis=1) == pytest.approx([1, 1])


def test_the_probability_of_a_win_is_the_bootstraps_own() -> None:
    # Two patients with differences +1 and -3: the mean is positive only when the first comes twice.
    values = np.array([[1.0, 0.0], [0.0, 3.0]])
    found = rank_probabilities(values, 40_000, 1)
    assert found[0, 0] == pytest.approx(0.25, abs=0.01)


def test_equal_methods_share_every_rank() -> None:
    values = np.random.default_rng(3).random((32, 1)) * np.ones((1, 5))
    found = rank_probabilities(values, 300, 1)
    assert found[:, 0].tolist() == [1] * 5
