"""Where the frames of a DICOM SEG object lie in a patient's images, as one volume."""

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import Volume, dicom_affine
from textbcs.imaging.planes import Plane
from textbcs.imaging.segmentation import Frame, Segmentation

_ON_A_SLICE = 0.1
_ON_A_PLACE = 0.05
_COARSER = 1.5
_PARALLEL = 2e-3
_MOST_VOXELS = 1 << 31


def placed(segmentation: Segmentation, grid: Grid) -> Volume | None:
    """The frames as a volume that spans from the first to the last of them; None where there are none.

    Frames that lie on slices of the images mark these slices alone, whatever thickness they state,
    unless the object says that its slices are coarser and refers to no single image. Others need a
    stated distance (SpacingBetweenSlices, else SliceThickness).

    Args:
        segmentation: what was read.
        grid: the LPS grid of the images.

    Raises:
        InputError: a frame without a place, frames of mixed orientation or size of pixels or shifted
            against each other, no stated distance where one is needed, or frames on no regular grid.
    """
    if not segmentation.frames:
        return None
    planes = [_plane(frame, grid, segmentation) for frame in segmentation.frames]
    first = planes[0]
    cosines = np.asarray(first.orientation).reshape(2, 3)
    normal = np.cross(cosines[0], cosines[1])
    positions = np.asarray([plane.position for plane in planes], np.float64)
    _check_equal(planes, segmentation)
    step, slots = _slots(segmentation, grid, normal, positions)
    lowest = int(np.argmin(slots))
    _check_shifts(positions, positions[lowest] + np.outer(slots, step), normal, first, segmentation)
    mask = np.zeros((int(slots.max()) + 1, first.rows, first.columns), np.uint8)
    for frame, slot in zip(segmentation.frames, slots, strict=True):
        mask[slot] |= frame.pixels
    return Volume(mask, dicom_affine(first.orientation, positions[lowest], first.spacing, step))


def _plane(frame: Frame, grid: Grid, segmentation: Segmentation) -> Plane:
    """A frame's own place, or that of the one image of the grid that it refers to."""
    if frame.plane is not None:
        return frame.plane
    found = [
        plane
        for uid, plane in zip(grid.sop_uids, grid.planes, strict=False)
        if uid and uid in frame.images
    ]
    if len(found) != 1:
        raise InputError(
            f"{segmentation.path}: a frame without ImagePositionPatient, ImageOrientationPatient or "
            f"PixelSpacing that refers to {len(found) or 'no'} images of the series: it cannot be placed"
        )
    if (found[0].rows, found[0].columns) != frame.pixels.shape:
        raise InputError(
            f"{segmentation.path}: a frame of another size than the image that it refers to, and "
            "without a place of its own: it cannot be placed"
        )
    return found[0]


def _check_equal(planes: list[Plane], segmentation: Segmentation) -> None:
    """InputError where frames differ in what one volume needs to be equal."""
    for plane in planes[1:]:
        if not np.allclose(plane.orientation, planes[0].orientation, atol=_PARALLEL):
            raise InputError(
                f"{segmentation.path}: frames of mixed orientation; the mask cannot be placed"
            )
        if not np.allclose(plane.spacing, planes[0].spacing, rtol=1e-3):
            raise InputError(
                f"{segmentation.path}: frames of mixed PixelSpacing; the mask cannot be placed"
            )


def _slots(
    segmentation: Segmentation,
    grid: Grid,
    normal: NDArray[np.float64],
    positions: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The step from one plane of the volume to the next, LPS mm, and every frame's plane from 0."""
    upward = grid.affine[:3, 2]
    apart = float(upward @ normal)
    index = (np.linalg.inv(grid.affine) @ np.c_[positions, np.ones(len(positions))].T)[2]
    across = np.cross(grid.affine[:3, 0], grid.affine[:3, 1])
    across /= np.linalg.norm(across)
    parallel = np.linalg.norm(np.cross(across, normal)) < _PARALLEL
    on_slices = parallel and np.abs(index - np.round(index)).max() <= _ON_A_SLICE
    if on_slices and not _coarser(segmentation, abs(apart)):
        step = upward if apart > 0 else -upward
        slots = np.round(index) * (1 if apart > 0 else -1)
    else:
        distance = segmentation.distance_mm or segmentation.thickness_mm
        if not distance:
            raise InputError(
                f"{segmentation.path}: frames that lie on no slices of the series, and state neither "
                "SpacingBetweenSlices nor SliceThickness; the mask cannot be placed"
            )
        along = positions @ normal
        places = (along - along.min()) / distance
        if np.abs(places - np.round(places)).max() > _ON_A_PLACE:
            raise InputError(
                f"{segmentation.path}: frames lie on no regular grid; the mask cannot be placed"
            )
        step, slots = normal * distance, np.round(places)
    slots = slots - slots.min()
    if (slots.max() + 1) * segmentation.frames[0].pixels.size > _MOST_VOXELS:
        raise InputError(f"{segmentation.path}: frames lie {slots.max():.0f} slices apart; damaged")
    return step, slots.astype(np.int64)


def _coarser(segmentation: Segmentation, slice_mm: float) -> bool:
    """Whether the object's own slices are thicker than the images', so that one covers several."""
    single = all(len(frame.images) == 1 for frame in segmentation.frames)
    thick = segmentation.thickness_mm or segmentation.distance_mm
    wide = segmentation.distance_mm or segmentation.thickness_mm
    return not single and min(thick, wide) > _COARSER * slice_mm


def _check_shifts(
    positions: NDArray[np.float64],
    expected: NDArray[np.float64],
    normal: NDArray[np.float64],
    plane: Plane,
    segmentation: Segmentation,
) -> None:
    """InputError where frames are shifted in their plane by more than half a pixel."""
    off = positions - expected
    sideways = off - np.outer(off @ normal, normal)
    if np.linalg.norm(sideways, axis=1).max() > min(plane.spacing) / 2:
        raise InputError(
            f"{segmentation.path}: frames are shifted against each other in their plane; the mask "
            "cannot be placed"
        )
