"""Carrying a mask onto the grid of its image series: by geometry, nearest neighbour, or not at all."""

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import Affine, Volume, resample_nearest, voxel_volume
from textbcs.imaging.segmentation import Segmentation
from textbcs.imaging.segmentation_planes import placed

# A tumour never fills the image; a mask that does is inverted, an image, or of the whole breast.
_EVERYTHING = 0.99


class MisfitError(Exception):
    """A mask that does not fit its series, and why."""


def fit_segmentation(
    segmentation: Segmentation, grid: Grid, known_series: set[str], max_outside: float
) -> NDArray[np.uint8]:
    """Carry a DICOM SEG's segment onto a grid.

    Args:
        segmentation: what was read.
        grid: the LPS grid of the image series.
        known_series: UIDs of the patient's image series; the object must refer to one of them.
        max_outside: share of the mask that may lie outside the grid.

    Raises:
        MisfitError: wrong reference, another coordinate system, outside of the grid, or all of it.
        InputError: its frames cannot be placed.
    """
    drawn_on = {image for frame in segmentation.frames for image in frame.images}
    refers = known_series.intersection(segmentation.referenced_series) or drawn_on.intersection(
        uid for uid in grid.sop_uids if uid
    )
    if not refers:
        raise MisfitError("the mask refers to no series of this patient")
    frames = (segmentation.frame_of_reference, grid.frame_of_reference)
    if all(frames) and frames[0] != frames[1]:
        raise MisfitError("the mask has another frame of reference than its series")
    volume = placed(segmentation, grid)
    if volume is None:
        return np.zeros(grid.shape, np.uint8)
    return fit_volume(volume, grid, max_outside)


def fit_volume(source: Volume, grid: Grid, max_outside: float) -> NDArray[np.uint8]:
    """Carry a mask (non-zero inside) onto a grid; an empty one stays empty.

    Raises:
        MisfitError: too much of it lies outside of the grid, or all of it; or it covers the grid.
    """
    if not source.array.any():
        return np.zeros(grid.shape, np.uint8)
    mask = resample_nearest(source, grid.affine, grid.shape).astype(np.uint8)
    there = float(np.count_nonzero(source.array)) * voxel_volume(source.affine)
    inside = _inside(source.array, source.affine, grid)
    if inside == 0 or not mask.any():
        raise MisfitError("the mask does not overlap its series")
    if 1 - inside > max_outside:
        raise MisfitError(f"{1 - inside:.0%} of the mask ({there:.0f} mm³) lies outside its series")
    if np.count_nonzero(mask) > _EVERYTHING * mask.size:
        raise MisfitError("the mask covers all of its series: is it inverted, or an image?")
    return mask


def _inside(array: NDArray[np.generic], affine: Affine, grid: Grid) -> float:
    """Share of a mask's voxels whose centre lies within the grid."""
    z, y, x = np.nonzero(array)
    mapping = np.linalg.inv(grid.affine) @ affine
    index = np.stack([x, y, z], axis=1) @ mapping[:3, :3].T + mapping[:3, 3]
    size = np.asarray(grid.shape[::-1])
    return float(((index > -0.5) & (index < size - 0.5)).all(axis=1).mean())
