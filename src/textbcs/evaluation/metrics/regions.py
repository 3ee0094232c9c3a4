"""Where a slice's pixels are looked at: the band around its true outline, and the region of interest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics.surfaces import boundary_band


@dataclass(frozen=True)
class Scopes:
    """Where pixels are looked at, each (n, H, W) bool.

    Attributes:
        band: within a stated distance of the true outline.
        region: the lesion and its band.
    """

    band: NDArray[np.bool_]
    region: NDArray[np.bool_]

    def of(self, places: NDArray[np.intp]) -> "Scopes":
        """Those of some slices."""
        return Scopes(self.band[places], self.region[places])


def find_scopes(shard: Shard, band_mm: float) -> Scopes:
    """The band and the region of each slice, on the square grid."""
    masks = shard.masks > 0
    band = bands(masks, spacing(shard), band_mm)
    return Scopes(band, band | masks)


def spacing(shard: Shard) -> NDArray[np.float64]:
    """(n, 2), millimetres between rows and between columns of each slice."""
    return shard.table[["spacing_row_mm", "spacing_col_mm"]].to_numpy(dtype=np.float64)


def bands(
    masks: NDArray[np.bool_], spacing_mm: NDArray[np.float64], band_mm: float
) -> NDArray[np.bool_]:
    """The pixels within `band_mm` of each mask's outline, (n, H, W)."""
    each = zip(masks, spacing_mm, strict=True)
    return np.stack([boundary_band(mask, (float(r), float(c)), band_mm) for mask, (r, c) in each])
