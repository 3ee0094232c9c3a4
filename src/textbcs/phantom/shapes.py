"""The voxel grid of a synthetic patient and the shapes and textures that are painted on it.

Arrays are (z, y, x) in LPS with the midline at x = 0. Shapes are implicit functions in mm with
boundaries softened over a pixel, in place of partial volume. Signals are those of a fat-suppressed
T1-weighted gradient echo, 1 being a typical tumour at its peak.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Unenhanced signal of tissues under fat suppression, and relative enhancement at the peak.
SIGNAL = {"fat": 0.11, "gland": 0.36, "skin": 0.22, "muscle": 0.30, "lung": 0.03, "blood": 0.28}
PEAK = {"skin": 0.55, "muscle": 0.22, "blood": 2.0, "marrow": 0.15}


@dataclass(frozen=True)
class Grid:
    """Voxel centres in mm: x (1, 1, X), y (1, Y, 1), z (Z, 1, 1); pixel and slice distance in mm."""

    x: Array
    y: Array
    z: Array
    pixel: float
    distance: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return self.z.shape[0], self.y.shape[1], self.x.shape[2]


def make_grid(slices: int, matrix: int, field_of_view: float, height: float) -> Grid:
    """The voxel centres of a volume of `height` mm and a square field of view."""
    pixel, distance = field_of_view / matrix, height / slices
    across = ((np.arange(matrix) - (matrix - 1) / 2) * pixel).astype(np.float32)
    along = ((np.arange(slices) - (slices - 1) / 2) * distance).astype(np.float32)
    return Grid(across[None, None], across[None, :, None], along[:, None, None], pixel, distance)


def smooth_noise(grid: Grid, length: float, rng: np.random.Generator) -> Array:
    """A smooth random field of unit variance with structures of about `length` mm (cubic B-spline).

    Written with element-wise operations only: no BLAS, hence no dependence on its threads.
    """
    axes = (grid.z.ravel(), grid.y.ravel(), grid.x.ravel())
    knots = [int(np.ceil(float(axis[-1] - axis[0]) / length)) + 4 for axis in axes]
    field = rng.standard_normal(knots, dtype=np.float32)
    for number in (2, 1, 0):
        axis = axes[number]
        position = (axis - axis[0]) / length
        cell = np.floor(position).astype(np.int64)
        t = (position - cell).astype(np.float32)
        weights = (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        )
        shape = [1, 1, 1]
        shape[number] = len(axis)
        taps = [
            np.take(field, cell + tap, axis=number) * weight.reshape(shape)
            for tap, weight in enumerate(weights)
        ]
        field = taps[0] + taps[1] + taps[2] + taps[3]
    return field / max(float(field.std()), 1e-6)


def soft(distance: Array, width: float) -> Array:
    """Membership of a shape: 1 inside (positive distance in mm), 0 outside, a ramp over `width`."""
    return np.asarray(np.clip(distance / width + 0.5, 0, 1), dtype=np.float32)


def blend(target: Array, membership: Array, value: float | Array) -> None:
    """Paint `value` over `target` where the membership is 1, mix where it is between."""
    target += membership * (value - target)


def ellipsoid(
    grid: Grid, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Array:
    """Approximate depth below an ellipsoid's surface in mm."""
    squares = ((grid.x - centre[0]) / radii[0]) ** 2 + ((grid.y - centre[1]) / radii[1]) ** 2
    squares = squares + ((grid.z - centre[2]) / radii[2]) ** 2
    return np.asarray((1 - np.sqrt(squares)) * min(radii), dtype=np.float32)


def local_box(grid: Grid, point: NDArray[np.float64], reach: float) -> tuple[slice, slice, slice]:
    """Slices (z, y, x) of the voxels within `reach` mm of a point (x, y, z), at least one deep."""
    parts = []
    for axis, middle, step in (
        (grid.z.ravel(), point[2], grid.distance),
        (grid.y.ravel(), point[1], grid.pixel),
        (grid.x.ravel(), point[0], grid.pixel),
    ):
        extent = max(reach, step)
        low = int(np.ceil((middle - extent - float(axis[0])) / step))
        high = int(np.floor((middle + extent - float(axis[0])) / step)) + 1
        parts.append(slice(max(low, 0), min(high, len(axis))))
    return parts[0], parts[1], parts[2]
