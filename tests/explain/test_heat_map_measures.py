"""Localisation of a heat map, by hand."""

import numpy as np
import pytest

from textbcs.explain import heat_map_measures

MASK = np.zeros((8, 8), np.uint8)
MASK[2:4, 2:4] = 1


def heat_at(*places: tuple[int, int, float]) -> np.ndarray:
    heat = np.zeros((8, 8))
    for row, column, value in places:
        heat[row, column] = value
    return heat


@pytest.mark.parametrize(
    ("place", "tolerance", "expected"),
    [
        ((2, 3), 0, 1),
        ((2, 4), 0, 0),
        ((2, 4), 1, 1),
        ((2, 5), 1, 0),
        ((5, 5), 2.83, 1),
        ((5, 5), 2.8, 0),
    ],
)
def test_pointing_game_with_its_tolerance(place, tolerance, expected):
    assert (
        heat_map_measures.pointing_hit(heat_at((*place, 3.0), (2, 2, 1.0)), MASK, tolerance)
        == expected
    )


def test_energy_and_lift():
    heat = heat_at((2, 2, 3.0), (7, 7, 1.0))
    energy = heat_map_measures.energy_inside(heat, MASK)
    assert energy == 0.75
    assert heat_map_measures.lift(energy, MASK) == pytest.approx(0.75 * 64 / 4)
    even = np.ones((8, 8))
    assert heat_map_measures.lift(
        heat_map_measures.energy_inside(even, MASK), MASK
    ) == pytest.approx(1)


def test_a_map_without_heat_is_a_miss_and_no_lesion_is_undefined():
    empty, none = np.zeros((8, 8)), np.zeros((8, 8), np.uint8)
    assert not heat_map_measures.has_heat(empty)
    # Not even a tolerance as wide as the slice makes a hit of the first pixel of an empty map.
    assert heat_map_measures.pointing_hit(empty, MASK, 99) == 0
    assert heat_map_measures.energy_inside(empty, MASK) == 0
    assert heat_map_measures.lift(heat_map_measures.energy_inside(empty, MASK), MASK) == 0
    assert np.isnan(heat_map_measures.pointing_hit(heat_at((1, 1, 1.0)), none, 1))
    assert np.isnan(heat_map_measures.energy_inside(heat_at((1, 1, 1.0)), none))
    assert np.isnan(heat_map_measures.rank_correlation(empty, heat_at((1, 1, 1.0))))


def test_rank_correlation_sees_order_only_and_keeps_its_sign():
    rng = np.random.default_rng(0)
    heat = rng.random((8, 8))
    assert heat_map_measures.rank_correlation(heat, np.exp(5 * heat)) == pytest.approx(1)
    assert heat_map_measures.rank_correlation(heat, -heat) == pytest.approx(-1)
    assert abs(heat_map_measures.rank_correlation(heat, rng.random((8, 8)))) < 0.4
