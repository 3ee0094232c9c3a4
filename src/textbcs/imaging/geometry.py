"""Where a voxel lies in the patient: affines, orientation, nearest-neighbour resampling.

Coordinates are LPS millimetres: +x towards the patient's left, +y posterior, +z superior (DICOM PS3.3
C.7.6.2). Arrays are indexed (z, y, x); an affine maps the voxel index in the order (x, y, z), so
`affine @ (i, j, k, 1)` is the centre of `array[k, j, i]`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Affine = NDArray[np.float64]

# Indices within this distance of a half are the same half: an affine that went through a file
# must not round to another voxel than the one it came from.
_TIE = 1e-6
_SLAB = 1 << 21


@dataclass(frozen=True)
class Volume:
    """An image and where it lies.

    Attributes:
        array: (z, y, x), any dtype.
        affine: 4x4, voxel index (x, y, z) to LPS millimetres.
    """

    array: NDArray[np.generic]
    affine: Affine

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or self.affine.shape != (4, 4):
            shapes = f"{self.array.shape} and {self.affine.shape}"
            raise ValueError(f"a volume needs three axes and a 4x4 affine, not {shapes}")


@dataclass(frozen=True)
class Orientation:
    """How to bring an array (z, y, x) to LPS: first transpose it, then reverse axes.

    Attributes:
        axes: the array axis that becomes axis 0 (S), 1 (P) and 2 (L).
        reverse: whether the new axis 0, 1, 2 is reversed.
    """

    axes: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]

    def apply(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The array (z, y, x) with axes rising along S, P, L; a view of the same data."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.reverse)
        return array.transpose(self.axes)[steps]

    def undo(self, array: NDArray[Any]) -> NDArray[Any]:
        """The view of `array` whose `apply` is `array`: write the old axes there, find it in LPS."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.reverse)
        return array[steps].transpose(np.argsort(self.axes))


def dicom_affine(
    orientation: ArrayLike, position: ArrayLike, spacing: ArrayLike, step: ArrayLike
) -> Affine:
    """Affine of a stack of DICOM planes (PS3.3 C.7.6.2.1.1, eq. C.7.6.2.1-1).

    Args:
        orientation: ImageOrientationPatient, 6 cosines: along a row, then along a column.
        position: ImagePositionPatient of the first plane, LPS mm.
        spacing: PixelSpacing, mm: between rows, then between columns.
        step: vector from one plane's position to the next one's, LPS mm.
    """
    cosines = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = np.asarray(spacing, dtype=np.float64)
    affine = np.eye(4)
    affine[:3, 0] = cosines[0] * between_columns
    affine[:3, 1] = cosines[1] * between_rows
    affine[:3, 2] = step
    affine[:3, 3] = position
    return affine


def spacing(affine: Affine) -> NDArray[np.float64]:
    """Voxel size along x, y, z in mm."""
    sizes: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    return sizes


def voxel_volume(affine: Affine) -> float:
    """Volume of a voxel in mm³."""
    return float(abs(np.linalg.det(affine[:3, :3])))


def minimum_pixels(minimum_mm2: float, spacing_mm: Sequence[float]) -> int:
    """The fewest pixels whose area is at least `minimum_mm2`: areas are compared in whole pixels.

    The one place where a least area meets a pixel's; room for the last bits of both, so that 1.8 mm²
    of 0.6 mm pixels are 5, and not 6 by rounding.

    Args:
        minimum_mm2: area in mm², at least 0.
        spacing_mm: row and column spacing.
    """
    return math.ceil(minimum_mm2 / (spacing_mm[0] * spacing_mm[1]) - _TIE)


def minimum_voxels(minimum_mm3: float, voxel_mm3: float) -> int:
    """The fewest voxels whose volume is at least `minimum_mm3`: as `minimum_pixels`, of a volume.

    Args:
        minimum_mm3: volume in mm³, at least 0.
        voxel_mm3: of a voxel, mm³.
    """
    return math.ceil(minimum_mm3 / voxel_mm3 - _TIE)


def transform(affine: Affine, points: ArrayLike) -> NDArray[np.float64]:
    """Map points (..., 3) by an affine: voxel indices (x, y, z) to LPS mm; back by the inverse."""
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ affine[:3, :3].T + affine[:3, 3]
    return moved


def lps_orientation(affine: Affine) -> Orientation:
    """The transposition and reversals that make every array axis rise along +S, +P, +L.

    Each patient axis gets the voxel axis that runs along it best (oblique stacks included).
    """
    cosines = affine[:3, :3] / spacing(affine)
    voxel_axis = max(
        permutations(range(3)), key=lambda axes: sum(abs(cosines[i, axes[i]]) for i in range(3))
    )
    # Patient axes x, y, z belong to array axes 2, 1, 0, and so do voxel axes.
    axes = (2 - voxel_axis[2], 2 - voxel_axis[1], 2 - voxel_axis[0])
    reverse = tuple(bool(cosines[i, voxel_axis[i]] < 0) for i in (2, 1, 0))
    return Orientation(axes, (reverse[0], reverse[1], reverse[2]))


def oriented_affine(affine: Affine, shape: Sequence[int], orientation: Orientation) -> Affine:
    """The affine of `orientation.apply(array)`, where `shape` is the (z, y, x) of `array`."""
    result = np.eye(4)
    origin = affine[:3, 3].copy()
    for new_axis in range(3):
        old_axis = orientation.axes[new_axis]
        step = affine[:3, 2 - old_axis]
        if orientation.reverse[new_axis]:
            origin += step * (shape[old_axis] - 1)
            step = -step
        result[:3, 2 - new_axis] = step
    result[:3, 3] = origin
    return result + 0.0  # no negative zeros: they would be other bytes of the same grid


def to_lps(volume: Volume) -> Volume:
    """The same voxels with array axes rising along +S, +P, +L. No interpolation, C-ordered."""
    orientation = lps_orientation(volume.affine)
    array = np.ascontiguousarray(orientation.apply(volume.array))
    return Volume(array, oriented_affine(volume.affine, volume.array.shape, orientation))


def to_ras(affine: Affine) -> Affine:
    """LPS affine to the RAS one that NIfTI stores, or back (the map is its own inverse)."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine + 0.0


def resample_nearest(volume: Volume, affine: Affine, shape: Sequence[int]) -> NDArray[np.generic]:
    """Values of `volume` at the voxel centres of another grid, nearest neighbour, 0 outside.

    Args:
        volume: source, usually a mask; its dtype is kept.
        affine: the target grid.
        shape: (z, y, x) of the target grid.
    """
    mapping = np.linalg.inv(volume.affine) @ affine
    result = np.zeros(tuple(shape), dtype=volume.array.dtype)
    owner = _axis_owners(mapping, shape)
    if owner is not None:
        _resample_axes(volume.array, mapping, owner, result)
        return result
    planes = max(1, _SLAB // max(1, int(shape[1]) * int(shape[2])))
    for start in range(0, int(shape[0]), planes):
        _resample_slab(volume.array, mapping, result, start, min(start + planes, int(shape[0])))
    return result


def _nearest(index: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to the nearest index, halves upwards, with room for the last bits of an affine."""
    return np.floor(index + 0.5 + _TIE).astype(np.int64)


def _axis_owners(mapping: Affine, shape: Sequence[int]) -> list[int] | None:
    """For each source axis (x, y, z) the one target axis that moves it; None if several do."""
    reach = np.abs(mapping[:3, :3]) * np.array([shape[2], shape[1], shape[0]], dtype=np.float64)
    owner = np.argmax(np.abs(mapping[:3, :3]), axis=1)
    mixed = reach.copy()
    mixed[np.arange(3), owner] = 0
    return None if len(set(owner.tolist())) < 3 or (mixed > _TIE).any() else list(map(int, owner))


def _resample_axes(
    source: NDArray[np.generic],
    mapping: Affine,
    owner: list[int],
    result: NDArray[np.generic],
) -> None:
    """Fast path: one index list per axis instead of one triple per voxel."""
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * 3
    valid: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * 3
    for axis in range(3):  # source axes x, y, z
        target = owner[axis]
        steps = np.arange(result.shape[2 - target], dtype=np.float64)
        index = _nearest(mapping[axis, target] * steps + mapping[axis, 3])
        inside = np.flatnonzero((index >= 0) & (index < source.shape[2 - axis]))
        found[axis], valid[target] = index[inside], inside
    picked = source[np.ix_(found[2], found[1], found[0])]
    # `picked` is in source axis order; the result wants the target's.
    picked = picked.transpose([2 - owner.index(2 - k) for k in range(3)])
    result[np.ix_(valid[2], valid[1], valid[0])] = picked


def _resample_slab(
    source: NDArray[np.generic],
    mapping: Affine,
    result: NDArray[np.generic],
    start: int,
    stop: int,
) -> None:
    """General path for planes `start` to `stop` of the target: any rotation or shear."""
    depth, height, width = stop - start, result.shape[1], result.shape[2]
    k, j, i = np.meshgrid(
        np.arange(start, stop, dtype=np.float64),
        np.arange(height, dtype=np.float64),
        np.arange(width, dtype=np.float64),
        indexing="ij",
    )
    index = [
        _nearest(mapping[a, 0] * i + mapping[a, 1] * j + mapping[a, 2] * k + mapping[a, 3])
        for a in range(3)
    ]
    inside = np.ones((depth, height, width), dtype=bool)
    for axis in range(3):
        inside &= (index[axis] >= 0) & (index[axis] < source.shape[2 - axis])
    result[start:stop][inside] = source[index[2][inside], index[1][inside], index[0][inside]]
