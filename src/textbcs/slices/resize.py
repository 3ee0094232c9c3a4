"""Pad a slice to a square and resize it; and the way back for a prediction.

The physical extent decides, not the pixel count: the resized grid is isotropic and covers the longer
side of the slice, which lies in its middle. Masks go by nearest neighbour, so no lesion grows by
interpolation (LViT's code resizes masks bilinearly and dilates them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
        return max(self._extent) / self.size

    @property
    def _extent(self) -> tuple[float, float]:
        rows, cols = self.native_shape
        return rows * self.native_spacing[0], cols * self.native_spacing[1]

    def _native_index(self, axis: int) -> NDArray[np.float64]:
        """Fractional native index of each square row (axis 0) or column (axis 1)."""
        centre_mm = (np.arange(self.size, dtype=np.float64) + 0.5 - self.size / 2) * self.spacing
        return (centre_mm + self._extent[axis] / 2) / self.native_spacing[axis] - 0.5

    def _square_index(self, axis: int) -> NDArray[np.float64]:
        """Fractional square index of each native row (axis 0) or column (axis 1)."""
        pixels = np.arange(self.native_shape[axis], dtype=np.float64)
        centre_mm = (pixels + 0.5) * self.native_spacing[axis]
        return (centre_mm - self._extent[axis] / 2) / self.spacing + self.size / 2 - 0.5

    def column(self, native: float) -> float:
        """Fractional square column of a fractional native column."""
        millimetres = (native + 0.5) * self.native_spacing[1] - self._extent[1] / 2
        return millimetres / self.spacing + self.size / 2 - 0.5

    def image(self, native: NDArray[np.floating]) -> NDArray[np.float32]:
        """Resize an image (rows, cols): smoothed against aliasing, then linear; 0 outside."""
        from scipy.ndimage import gaussian_filter, map_coordinates

        # Half a pixel of the coarse grid, the usual width against aliasing (as scikit-image's resize).
        sigma = [max(0.0, (self.spacing / step - 1) / 2) for step in self.native_spacing]
        smooth = gaussian_filter(native.astype(np.float32), sigma, mode="nearest")
        rows, cols = np.meshgrid(self._native_index(0), self._native_index(1), indexing="ij")
        resized = map_coordinates(smooth, [rows, cols], order=1, mode="constant", cval=0.0)
        return np.asarray(resized, dtype=np.float32)

    def mask(self, native: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Resize a mask (rows, cols) by nearest neighbour; 0 outside."""
        rows, cols = (
            _nearest(self._native_index(axis), self.native_shape[axis]) for axis in (0, 1)
        )
        inside = (rows >= 0)[:, None] & (cols >= 0)[None, :]
        there = native[np.ix_(np.maximum(rows, 0), np.maximum(cols, 0))] != 0
        return np.asarray(inside & there, dtype=np.uint8)

    def to_native(self, square: NDArray[np.floating]) -> NDArray[np.float32]:
        """Bring a map (size, size), such as a probability, to the native grid by linear interpolation."""
        from scipy.ndimage import map_coordinates

        rows, cols = np.meshgrid(self._square_index(0), self._square_index(1), indexing="ij")
        native = map_coordinates(square.astype(np.float32), [rows, cols], order=1, mode="nearest")
        return np.asarray(native, dtype=np.float32)


def _nearest(index: NDArray[np.float64], length: int) -> NDArray[np.int64]:
    """Nearest whole index, -1 outside."""
    nearest = np.floor(index + 0.5).astype(np.int64)
    return np.where((nearest >= 0) & (nearest < length), nearest, -1)


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
