"""Pad a slice to a square and resize it; and the way back for a prediction.

The physical extent decides, not the pixel count: the resized grid is isotropic and covers the longer
side of the slice, which lies in its middle. Everything is reckoned in native pixels, so that the same
slice at another spacing gives the same result; images and masks are sampled around the same points. A
mask's pixel is lesion where lesions cover most of it, so no lesion grows by interpolation
(LViT's code resizes masks bilinearly and dilates them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Shares are sums of products of floats: what is one half may miss it by some last bits.
_TIE = 1e-9


@dataclass(frozen=True)
class SquareGrid:
    """A size x size grid over a native slice.

    Attributes:
        native_shape: rows and columns of the slice.
        native_spacing: row and column spacing, mm.
        size: pixels a side of the square.
    """

    native_shape: tuple[int, int]
    native_spacing: tuple[float, float]
    size: int

    @property
    def spacing(self) -> float:
        """Pixel size of the square grid in mm, the same along rows and columns."""
        return (
            max(n * step for n, step in zip(self.native_shape, self.native_spacing, strict=True))
            / self.size
        )

    def _step(self, axis: int) -> float:
        """Native pixels to a square pixel; spacings enter as their ratio alone."""
        own = self.native_spacing[axis]
        sides = zip(self.native_shape, self.native_spacing, strict=True)
        return max(n * (step / own) for n, step in sides) / self.size

    def _native_index(self, axis: int, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional native index of fractional square rows (axis 0) or columns (axis 1)."""
        from_middle = (place + 0.5 - self.size / 2) * self._step(axis)
        return np.asarray(from_middle + self.native_shape[axis] / 2 - 0.5, dtype=np.float64)

    def _square_index(self, axis: int, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional square index of fractional native rows (axis 0) or columns (axis 1)."""
        from_middle = (place + 0.5 - self.native_shape[axis] / 2) / self._step(axis)
        return np.asarray(from_middle + self.size / 2 - 0.5, dtype=np.float64)

    def column(self, native: float) -> float:
        """Fractional square column of a fractional native column."""
        return float(self._square_index(1, np.asarray(native)))

    def image(self, native: NDArray[np.floating]) -> NDArray[np.float32]:
        """Resize an image (rows, cols): smoothed against aliasing, then linear; 0 outside.

        Between the middle of the outermost pixels and the slice's edge their value holds.
        """
        from scipy.ndimage import gaussian_filter, map_coordinates

        # Half a pixel of the coarse grid, the usual width against aliasing (as scikit-image's resize).
        sigma = [max(0.0, (self._step(axis) - 1) / 2) for axis in (0, 1)]
        smooth = gaussian_filter(native.astype(np.float32), sigma, mode="nearest")
        pixels = np.arange(self.size, dtype=np.float64)
        rows, cols = (self._native_index(axis, pixels) for axis in (0, 1))
        places = np.meshgrid(rows, cols, indexing="ij")
        resized = map_coordinates(smooth, places, order=1, mode="nearest")
        inside = np.logical_and.outer(self._inside(0, rows), self._inside(1, cols))
        return np.where(inside, resized, 0).astype(np.float32)

    def _inside(self, axis: int, index: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which fractional native indices lie on the slice, its outermost pixels in full."""
        half = self.native_shape[axis] / 2
        # The tolerance is that of a ratio of spacings that no float holds.
        return np.abs(index - (half - 0.5)) <= half + _TIE * self.native_shape[axis]

    def mask(self, native: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Resize a mask (rows, cols): lesion where most of a pixel is; 0 outside.

        A pixel that is covered by half goes with the square twice as wide around it, and where that is
        a tie as well it is lesion. So areas are kept on average at every ratio of the two grids, and a
        mirrored mask gives the mirrored result.
        """
        there = (native != 0).astype(np.float64)
        covered = self._covered(there, 1)
        tie = np.abs(covered - 0.5) <= _TIE
        around = self._covered(there, 2) >= 0.5 - _TIE if tie.any() else tie
        return np.where(tie, around, covered > 0.5).astype(np.uint8)

    def _covered(self, there: NDArray[np.float64], width: int) -> NDArray[np.float64]:
        """Share of a square of `width` pixels around each square pixel that `there` covers."""
        across_rows, across_cols = (self._overlap(axis, width) for axis in (0, 1))
        return np.asarray(across_rows @ there @ across_cols.T)

    def _overlap(self, axis: int, width: int) -> NDArray[np.float64]:
        """Share of `width` square rows or columns around each that a native one is, (size, native)."""
        middle = self._native_index(axis, np.arange(self.size, dtype=np.float64))[:, None]
        reach = width * self._step(axis)
        native = np.arange(self.native_shape[axis]) - 0.5
        first = np.maximum(middle - reach / 2, native)
        last = np.minimum(middle + reach / 2, native + 1)
        return np.asarray(np.maximum(last - first, 0) / reach)

    def to_native(self, square: NDArray[np.floating]) -> NDArray[np.float32]:
        """Bring a map (size, size), such as a probability, to the native grid by linear interpolation."""
        from scipy.ndimage import map_coordinates

        rows, cols = (
            self._square_index(axis, np.arange(self.native_shape[axis], dtype=np.float64))
            for axis in (0, 1)
        )
        places = np.meshgrid(rows, cols, indexing="ij")
        native = map_coordinates(square.astype(np.float32), places, order=1, mode="nearest")
        return np.asarray(native, dtype=np.float32)


def clip_to_unit(volume: NDArray[np.generic], percentiles: Sequence[float]) -> NDArray[np.float32]:
    """Scale a whole volume to [0, 1] between two of its own percentiles.

    A patient's own volume alone sets the limits, so nothing leaks between patients. A constant volume
    becomes zero.
    """
    values = np.asarray(volume, dtype=np.float32)
    low, high = np.percentile(values, list(percentiles))
    if high <= low:
        return np.zeros_like(values)
    scaled = np.empty_like(values)
    for z, plane in enumerate(values):  # in float64; a whole volume of that would be large
        scaled[z] = np.clip((plane - low) / (high - low), 0, 1)
    return scaled
