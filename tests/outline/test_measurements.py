"""Diameters against all pairs of surface points, volumes against counts, sides by the midline."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from textbcs.imaging.geometry import transform
from textbcs.outline.measurements import measure

NOWHERE = float("nan")


def surface(mask: NDArray[np.bool_], axes: int = 3) -> NDArray[np.float64]:
    """The middle of every face between a voxel inside and one outside, as x, y, z indices."""
    padded = np.pad(mask, 1)
    found = []
    for z, y, x in np.argwhere(padded):
        for axis, step in itertools.product(range(axes), (-1, 1)):
            moved = [x, y, z]
            moved[axis] += step
            if not padded[moved[2], moved[1], moved[0]]:
                middle = np.array([x, y, z], float) - 1
                middle[axis] += step / 2
                found.append(middle)
    return np.array(found)


def widest(points: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(points[:, None] - points[None], axis=2).max())


@pytest.mark.parametrize("seed", range(4))
def test_diameters_are_those_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((7, 9, 10), bool)
    mask[1:6, 2:8, 2:9] = rng.uniform(size=(5, 6, 7)) > 0.35
    mask[1:6, 4, 4] = True  # holds it together
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag([0.7, 0.9, 2.5])
    affine[:3, 3] = rng.normal(size=3) * 50
    found = measure(mask, affine, 0.0, NOWHERE, "none")
    (largest,) = found.lesions
    expected = widest(transform(affine, surface(mask)))
    assert largest.largest_diameter_mm == pytest.approx(expected, abs=1e-3)
    planes = [plane[None] for plane in mask if plane.any()]
    flat = max(widest(transform(affine, surface(plane, axes=2))) for plane in planes)
    assert largest.largest_in_plane_diameter_mm == pytest.approx(flat, abs=1e-3)
    voxel = abs(np.linalg.det(affine[:3, :3]))
    assert found.volume_ml == pytest.approx(mask.sum() * voxel / 1000, abs=1e-4)
    assert found.side is largest.side is None


def test_a_voxel_and_a_ball_are_as_wide_as_they_are() -> None:
    affine = np.diag([0.7, 0.9, 2.5, 1.0])
    one = np.zeros((3, 3, 3), bool)
    one[1, 1, 1] = True
    found = measure(one, affine, 0.0, NOWHERE, "none").lesions[0]
    assert (found.largest_diameter_mm, found.largest_in_plane_diameter_mm) == (2.5, 0.9)
    assert found.centroid_lps_mm == (0.7, 0.9, 2.5)
    assert found.slices == (2, 2)
    z, y, x = np.indices((41, 41, 41)) - 20
    ball = z**2 + y**2 + x**2 <= 15.25**2
    found = measure(ball, np.eye(4), 0.0, NOWHERE, "none").lesions[0]
    assert found.largest_diameter_mm == pytest.approx(30.5, abs=1.0)
    assert found.largest_in_plane_diameter_mm == pytest.approx(30.5, abs=1.0)
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 15.25**3 / 1000, rel=0.02)


def three() -> NDArray[np.bool_]:
    """18 voxels at larger columns, 8 at smaller ones, 1 in between."""
    mask = np.zeros((6, 8, 20), bool)
    mask[1:3, 1:4, 14:17] = True
    mask[3:5, 4:6, 2:4] = True
    mask[0, 7, 10] = True
    return mask


def test_lesions_are_counted_by_volume_the_largest_first() -> None:
    found = measure(three(), np.eye(4), 2.0, 9.5, "patient")
    assert found.number_of_lesions == len(found.lesions) == 2
    assert [one.volume_ml for one in found.lesions] == [0.018, 0.008]
    assert found.volume_ml == 0.027  # of every voxel that is marked
    assert [one.side for one in found.lesions] == ["left", "right"]
    assert found.side == "both"
    assert [one.slices for one in found.lesions] == [(2, 3), (4, 5)]
    assert found.largest_diameter_mm == found.lesions[0].largest_diameter_mm
    all_small = measure(three(), np.eye(4), 100.0, 9.5, "patient")
    assert all_small.number_of_lesions == 3


def test_whose_left_it_is() -> None:
    mask = three()
    mask[:, :, :12] = False
    assert measure(mask, np.eye(4), 1.0, 9.5, "patient").side == "left"
    assert measure(mask, np.eye(4), 1.0, 9.5, "image").side == "right"
    assert measure(mask, np.eye(4), 1.0, NOWHERE, "none").side is None


def test_nothing_measures_nothing() -> None:
    found = measure(np.zeros((3, 4, 5), bool), np.eye(4), 1.0, 2.0, "patient")
    assert found.to_json() == {
        "volume_ml": 0.0,
        "largest_diameter_mm": None,
        "largest_in_plane_diameter_mm": None,
        "side": None,
        "number_of_lesions": 0,
        "lesions": [],
    }
