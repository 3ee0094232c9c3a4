"""Distances in volumes: against brute force over all voxels, a transform of the whole, exact shapes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from textbcs.evaluation.metrics import surfaces as shared
from textbcs.evaluation.volumes.surfaces import boundary_distances, volume_surfaces

MASKS = arrays(bool, (4, 5, 6))
STEPS = st.sampled_from([0.5, 0.7, 1.1, 3.0])
SPACING = st.tuples(STEPS, STEPS, STEPS)
SIX = ((0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0))


def outline(mask: np.ndarray) -> list[tuple[int, ...]]:
    """Written without a library: voxels with one of six neighbours outside."""
    inside = {tuple(map(int, p)) for p in np.argwhere(mask)}
    moved = ((p, [tuple(np.add(p, step)) for step in SIX]) for p in sorted(inside))
    return [p for p, near in moved if not inside.issuperset(near)]


def brute_force(
    first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...]
) -> tuple[list[float], list[float]]:
    def gaps(ones: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> list[float]:
        return [
            min(math.dist(np.multiply(a, spacing), np.multiply(b, spacing)) for b in others)
            for a in ones
        ]

    one, two = outline(first), outline(second)
    return gaps(one, two), gaps(two, one)


def whole_volume(
    first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...]
) -> list[np.ndarray]:
    """Both directions by a distance transform of the whole volume, without any box."""
    one, two = shared.boundary(first), shared.boundary(second)
    return [distance_transform_edt(~b, sampling=spacing)[a] for a, b in ((one, two), (two, one))]


def ball(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float) -> np.ndarray:
    away = [(axis - c) ** 2 for axis, c in zip(np.indices(shape), centre, strict=True)]
    return np.asarray(sum(away) <= radius**2)


@given(MASKS, MASKS, SPACING, st.sampled_from([0.0, 0.7, 1.1, 3.5]))
def test_agree_with_brute_force(
    predicted: np.ndarray,
    reference: np.ndarray,
    spacing: tuple[float, float, float],
    tolerance: float,
) -> None:
    if not predicted.any() or not reference.any():
        return
    found = volume_surfaces(predicted, reference, spacing, [tolerance])
    out, back = brute_force(predicted, reference, spacing)
    both = out + back
    within = sum(gap <= tolerance + 1e-9 for gap in both)
    assert found.nsd == (pytest.approx(within / len(both)),)
    assert found.assd_mm == pytest.approx(sum(both) / len(both))
    assert found.hd95_mm == pytest.approx(max(np.percentile(out, 95), np.percentile(back, 95)))
    assert not found.replaced


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.8)])
def test_the_box_and_the_tree_give_what_a_transform_of_the_whole_gives(
    spacing: tuple[float, float, float],
) -> None:
    """The masks touch three faces of the volume and leave room at the others."""
    shape = (12, 30, 26)
    predicted = ball(shape, (2, 6, 5), 6) | ball(shape, (9, 24, 20), 3)
    reference = ball(shape, (3, 8, 5), 6)
    wanted = whole_volume(predicted, reference, spacing)
    for measure in (boundary_distances, shared.boundary_distances):
        for found, expected in zip(measure(predicted, reference, spacing), wanted, strict=True):
            assert np.allclose(found, expected, rtol=1e-14, atol=0)


def test_two_plates_are_as_far_apart_as_their_slices() -> None:
    predicted, reference = np.zeros((2, 9, 8, 8), bool)
    predicted[2, 2:6, 2:6] = reference[5, 2:6, 2:6] = True
    found = volume_surfaces(predicted, reference, (2.0, 0.5, 0.5), [5.9, 6.0])
    assert (found.hd95_mm, found.assd_mm, found.nsd) == (6, 6, (0, 1))


def test_one_slice_is_scored_as_a_slice_but_for_its_boundary() -> None:
    """A single slice has nothing above and below, so that all its voxels are boundary."""
    rng = np.random.default_rng(3)
    mask = rng.random((1, 9, 9)) > 0.4
    assert shared.boundary(mask).sum() == mask.sum() > shared.boundary(mask[0]).sum()


def test_empty_masks_follow_the_table_of_rules() -> None:
    empty, some = np.zeros((4, 6, 3), bool), np.ones((4, 6, 3), bool)
    step = (3.0, 2.0, 3.0)
    none = volume_surfaces(empty, empty, step, [1])
    assert np.isnan([*none.nsd, none.hd95_mm, none.assd_mm]).all()
    alarm = volume_surfaces(some, empty, step, [1])
    assert alarm.nsd == (0,)
    assert np.isnan([alarm.hd95_mm, alarm.assd_mm]).all()
    missed = volume_surfaces(empty, some, step, [1])
    assert (missed.nsd, missed.hd95_mm) == ((0,), pytest.approx(math.sqrt(144 + 144 + 81)))
    assert [none.replaced, alarm.replaced, missed.replaced] == [False, False, True]
