"""Outline distances against brute force over all pairs of boundary pixels, and exact shapes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from textbcs.evaluation.metrics.overlap import count, dice, empty_rule
from textbcs.evaluation.metrics.surfaces import (
    boundary,
    boundary_band,
    boundary_distances,
    surfaces,
)

MASKS = arrays(bool, (7, 9))
SPACING = st.tuples(st.sampled_from([0.5, 0.7, 2.7]), st.sampled_from([0.5, 1.1, 3.0]))


def square(row: int, col: int, side: int = 6, shape: tuple[int, int] = (30, 30)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[row : row + side, col : col + side] = True
    return mask


def outline(mask: np.ndarray) -> list[tuple[int, int]]:
    """Written without a library: pixels with one of four neighbours outside."""
    inside = {tuple(map(int, p)) for p in np.argwhere(mask)}
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return [p for p in sorted(inside) if any((p[0] + a, p[1] + b) not in inside for a, b in steps)]


def brute_force(
    first: np.ndarray, second: np.ndarray, spacing: tuple[float, float]
) -> tuple[list[float], list[float]]:
    def gaps(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[float]:
        return [
            min(math.hypot((a - c) * spacing[0], (b - d) * spacing[1]) for c, d in others)
            for a, b in ones
        ]

    one, two = outline(first), outline(second)
    return gaps(one, two), gaps(two, one)


@given(MASKS, MASKS, SPACING, st.sampled_from([0.0, 0.7, 1.1, 3.5]))
def test_all_three_agree_with_brute_force(
    predicted: np.ndarray, reference: np.ndarray, spacing: tuple[float, float], tolerance: float
) -> None:
    if not predicted.any() or not reference.any():
        return
    found = surfaces(predicted, reference, spacing, [tolerance])
    out, back = brute_force(predicted, reference, spacing)
    both = out + back
    within = sum(gap <= tolerance + 1e-9 for gap in both)
    assert found.nsd == (pytest.approx(within / len(both)),)
    assert found.assd_mm == pytest.approx(sum(both) / len(both))
    assert found.hd95_mm == pytest.approx(max(np.percentile(out, 95), np.percentile(back, 95)))
    assert not found.replaced


def test_a_square_against_a_shifted_square_has_exact_answers() -> None:
    # 6 x 6, three columns of 2 mm to the right: 20 boundary pixels each. The left side of the
    # shifted square lies inside the other one: 1 pixel from its top and bottom, 3 from its sides.
    found = surfaces(square(5, 8), square(5, 5), (1.0, 2.0), [0.0, 1.0, 2.0, 6.0])
    # Distances of either outline: 3 columns of top and bottom coincide (6 pixels at 0); the far
    # side's six pixels and two columns of top and bottom are 2, 4 and 6 mm away in the row; the
    # near side's four inner pixels are 1 and 2 rows from top or bottom.
    one_way = [0] * 6 + [2] * 2 + [4] * 2 + [6] * 6 + [1] * 2 + [2] * 2
    assert len(one_way) == 20
    assert found.assd_mm == pytest.approx(sum(one_way) / 20)
    assert found.hd95_mm == pytest.approx(6)
    assert found.nsd == pytest.approx([6 / 20, 8 / 20, 12 / 20, 1])


def test_pooling_both_directions_may_give_a_smaller_or_a_greater_hd95() -> None:
    """Pixels of one row: the distances are (2, 0) in both directions, then (0) and (0, 8)."""
    for first, second, hd95, pooled in (([3, 5], [1, 5], 1.9, 2.0), ([0], [0, 8], 7.6, 7.2)):
        predicted, reference = np.zeros((2, 1, 9), dtype=bool)
        predicted[0, first] = reference[0, second] = True
        assert surfaces(predicted, reference, (1, 1), [1]).hd95_mm == pytest.approx(hd95)
        both = np.concatenate(boundary_distances(predicted, reference, (1, 1)))
        assert np.percentile(both, 95) == pytest.approx(pooled)


def test_far_squares_are_as_far_as_they_were_moved() -> None:
    found = surfaces(square(2, 2, 1), square(5, 6, 1), (1.0, 1.0), [4.9, 5.0])
    assert (found.hd95_mm, found.assd_mm, found.nsd) == (5, 5, (0, 1))


def test_swapping_the_masks_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    one, two = rng.random((2, 20, 20)) > 0.8
    assert surfaces(one, two, (1, 2), [1.5]) == surfaces(two, one, (1, 2), [1.5])


def test_spacing_scales_distances() -> None:
    rng = np.random.default_rng(5)
    one, two = rng.random((2, 20, 20)) > 0.8
    once, thrice = surfaces(one, two, (1, 2), [2]), surfaces(one, two, (3, 6), [6])
    assert thrice.hd95_mm == pytest.approx(3 * once.hd95_mm)
    assert thrice.assd_mm == pytest.approx(3 * once.assd_mm)
    assert thrice.nsd == once.nsd


def test_empty_masks_follow_the_one_table_of_rules() -> None:
    empty, some = np.zeros((30, 40)), square(3, 3, shape=(30, 40))
    none = surfaces(empty, empty, (1, 1), [1, 2])
    assert np.isnan([*none.nsd, none.hd95_mm, none.assd_mm]).all()
    alarm = surfaces(some, empty, (1, 1), [1, 2])
    assert alarm.nsd == (0, 0)
    assert np.isnan([alarm.hd95_mm, alarm.assd_mm]).all()
    missed = surfaces(empty, some, (1, 1), [1, 2])
    assert (missed.nsd, missed.hd95_mm, missed.assd_mm) == ((0, 0), 50, 50)
    assert [none.replaced, alarm.replaced, missed.replaced] == [False, False, True]


def test_the_rule_for_overlap_is_what_its_formula_gives() -> None:
    empty, some = np.zeros((30, 30)), square(3, 3)
    for predicted, reference in ((empty, empty), (some, empty), (empty, some)):
        rule = empty_rule(not reference.any(), not predicted.any())
        assert rule is not None
        assert dice(count(predicted, reference)) == pytest.approx(rule.overlap, nan_ok=True)
    assert empty_rule(False, False) is None


def test_the_images_edge_is_a_boundary() -> None:
    assert boundary(np.ones((4, 4), bool)).sum() == 12


@given(MASKS, SPACING, st.sampled_from([0.5, 1.1, 3.0]))
def test_the_band_agrees_with_brute_force(
    mask: np.ndarray, spacing: tuple[float, float], width: float
) -> None:
    padded = np.pad(mask, 1)
    for (row, col), within in np.ndenumerate(boundary_band(mask, spacing, width)):
        # Outward only pixels of the image count; inward also the frame around it.
        others = (
            [(a - 1, b - 1) for a, b in np.argwhere(~padded)]
            if mask[row, col]
            else list(np.argwhere(mask))
        )
        gaps = [math.hypot((a - row) * spacing[0], (b - col) * spacing[1]) for a, b in others]
        assert within == (min(gaps, default=math.inf) <= width + 1e-9)


def test_the_bands_width_on_a_square() -> None:
    band = boundary_band(square(10, 10, 10), (1.0, 1.0), 2.0)
    # Inside two rings of a 10 x 10 square, outside 2 x 10 on each side and three pixels a corner
    # (distances 1.4, 2.2 and 2.8: only the first counts).
    assert band.sum() == (100 - 36) + 4 * 20 + 4 * 1
