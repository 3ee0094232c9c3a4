"""A mask carried onto the grid of its images, or why it does not fit."""

import numpy as np
import pytest

from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import Volume
from textbcs.masks.fitting import MisfitError, fit_volume

SHAPE = (6, 10, 8)
AFFINE = np.diag([0.8, 0.8, 2.0, 1.0])
GRID = Grid(AFFINE, SHAPE, ("",) * 6, tuple(range(1, 7)), ("",) * 6, "")


def mask() -> np.ndarray:
    inside = np.zeros(SHAPE, np.uint8)
    inside[2:4, 3:6, 2:5] = 1
    return inside


def test_the_same_voxels_however_they_are_stored() -> None:
    flipped = AFFINE.copy()
    flipped[:3, 1:3] *= -1
    flipped[:3, 3] = AFFINE[:3, :3] @ [0, SHAPE[1] - 1, SHAPE[0] - 1]
    for volume in (Volume(mask(), AFFINE), Volume(mask()[::-1, ::-1], flipped)):
        np.testing.assert_array_equal(fit_volume(volume, GRID, 0.0), mask())


def test_a_mask_of_another_grid() -> None:
    """Twice as fine in each direction: every voxel of the images is hit eight times."""
    fine = mask().repeat(2, 0).repeat(2, 1).repeat(2, 2)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = AFFINE[:3, :3] @ [-0.25, -0.25, -0.25]
    np.testing.assert_array_equal(fit_volume(Volume(fine, affine), GRID, 0.0), mask())


def test_what_does_not_fit_says_why() -> None:
    away = AFFINE.copy()
    away[0, 3] = 999.0
    partly = AFFINE.copy()
    partly[2, 3] = 6.0
    for affine, words in ((away, "does not overlap"), (partly, "50% of the mask")):
        for most in (0.0, 0.1, 0.49):
            with pytest.raises(MisfitError, match=words):
                fit_volume(Volume(mask(), affine), GRID, most)
    assert fit_volume(Volume(mask(), partly), GRID, 0.5).sum() == 9


def test_an_empty_mask_stays_empty_and_a_full_one_is_refused() -> None:
    assert not fit_volume(Volume(np.zeros(SHAPE, np.uint8), AFFINE), GRID, 0.0).any()
    with pytest.raises(MisfitError, match="covers all of its series"):
        fit_volume(Volume(np.ones(SHAPE, np.uint8), AFFINE), GRID, 0.0)
    # A small file that is full, as a box around a lesion, is no mask of everything.
    box = Volume(np.ones((2, 3, 3), np.uint8), AFFINE)
    assert fit_volume(box, GRID, 0.0).sum() == 18
