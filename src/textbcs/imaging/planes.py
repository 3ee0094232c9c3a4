"""Planes of a series in space: are they one regular axial stack, and in which order?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import Affine, dicom_affine

_COSINE_TOLERANCE = 1e-3
_OFFSET_TOLERANCE_MM = 0.1
_SAME_MM = 0.02


class SeriesError(Exception):
    """A series that cannot be made a volume, with the reason to exclude its patient."""


@dataclass(frozen=True)
class Plane:
    """Where an image lies: ImageOrientationPatient, ImagePositionPatient, PixelSpacing, size."""

    orientation: tuple[float, ...]
    position: tuple[float, float, float]
    spacing: tuple[float, float]
    rows: int
    columns: int


def check_planes(planes: Sequence[Plane], tolerance: float) -> NDArray[np.int64]:
    """Order planes along their normal and check that they are one regular axial stack.

    Returns:
        Indices of the planes by rising distance along the normal.

    Raises:
        SeriesError: fewer than two planes, mixed orientation, size or spacing, several planes at one
            place, planes that drift sideways, unequal distances (a missing slice), or sagittal or
            coronal ones.
    """
    if len(planes) < 2:
        raise SeriesError("fewer than two slices")
    _check_equal(planes)
    cosines = np.asarray(planes[0].orientation).reshape(2, 3)
    normal = np.cross(cosines[0], cosines[1])
    if not np.isclose(np.linalg.norm(normal), 1, atol=0.01):
        raise SeriesError("ImageOrientationPatient is not two orthogonal unit vectors")
    if (across := int(np.argmax(np.abs(normal)))) != 2:
        raise SeriesError(f"{('sagittal', 'coronal')[across]}: only axial series are read")
    positions = np.asarray([plane.position for plane in planes], dtype=np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    _check_distinct(gaps, usual)
    if np.abs(gaps - usual).max() > tolerance * usual:
        raise SeriesError(f"missing slice or uneven distance: {gaps.max():.2f} mm, not {usual:.2f}")
    sideways = positions - positions[0] - np.outer((positions - positions[0]) @ normal, normal)
    if np.abs(sideways).max() > _OFFSET_TOLERANCE_MM + tolerance * usual:
        raise SeriesError("slices are shifted against each other in their plane")
    return order.astype(np.int64)


def stack_affine(planes: Sequence[Plane]) -> Affine:
    """Affine of planes in order: the step is the mean one, so that rounding does not add up."""
    first, last = np.asarray(planes[0].position), np.asarray(planes[-1].position)
    step = (last - first) / max(len(planes) - 1, 1)
    return dicom_affine(planes[0].orientation, planes[0].position, planes[0].spacing, step)


def _check_distinct(gaps: NDArray[np.float64], usual: float) -> None:
    """SeriesError where slices lie at one position; `gaps` are their distances in order, in mm."""
    same = gaps < max(0.01 * usual, _SAME_MM)
    if not same.any():
        return
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    counts = np.diff(np.append(starts, len(gaps) + 1))
    if counts.min() == counts.max():
        raise SeriesError(
            f"several phases in one series: {counts[0]} slices at each of {len(counts)} positions"
        )
    raise SeriesError(
        f"several slices at one position ({np.count_nonzero(counts > 1)} of {len(counts)} positions)"
    )


def _check_equal(planes: Sequence[Plane]) -> None:
    """SeriesError where orientation, size or spacing is not that of the first plane."""
    first = planes[0]
    for plane in planes[1:]:
        if not np.allclose(plane.orientation, first.orientation, atol=_COSINE_TOLERANCE):
            raise SeriesError("mixed orientations in one series")
        if (plane.rows, plane.columns) != (first.rows, first.columns):
            raise SeriesError("mixed image sizes in one series")
        if not np.allclose(plane.spacing, first.spacing, rtol=1e-3):
            raise SeriesError("mixed pixel spacings in one series")
