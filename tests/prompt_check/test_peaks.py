"""The surest voxels of a map, by sorting all of them."""

import numpy as np
import pytest

from textbcs.prompt_check.peaks import columns_of_left, peak, peak_voxels


def test_the_mean_log_odds_of_the_greatest() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=(3, 7, 5))
    greatest = np.sort(probability.ravel())[-10:]
    expected = np.log((greatest + 1 / 512) / (1 - greatest + 1 / 512)).mean()
    assert peak(probability, 10) == pytest.approx(expected)
    assert peak(rng.permutation(probability.ravel()), 10) == peak(probability, 10)


def test_a_map_has_a_peak_whatever_its_size() -> None:
    assert peak(np.array([0.5, 0.5]), 9) == pytest.approx(0)
    assert peak(np.ones(4), 2) == pytest.approx(np.log(513))
    assert peak(np.zeros(3), 3) == pytest.approx(-np.log(513))
    assert peak(np.zeros((2, 0)), 3) == pytest.approx(-np.log(513))


def test_a_peak_is_as_large_as_a_small_lesion() -> None:
    assert peak_voxels(95.0) == 21
    assert peak_voxels(5000.0) == 1


def test_columns_beyond_the_midline() -> None:
    assert columns_of_left(8, 8, 3.5).tolist() == [False] * 4 + [True] * 4
    assert columns_of_left(8, 8, 4.0).tolist() == [False] * 5 + [True] * 3
    # Tokens of two pixels have their centres at 0.5, 2.5, 4.5 and 6.5.
    assert columns_of_left(4, 8, 2.4).tolist() == [False, True, True, True]
    assert columns_of_left(4, 8, 2.6).tolist() == [False, False, True, True]
