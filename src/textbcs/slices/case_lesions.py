"""The lesions of a whole volume, as a reader would describe the case: number, and side, size and shape of the
largest.

Measured on the square grid of the slices, so that a mask that a network found is measured as the true one is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import minimum_voxels
from textbcs.slices.laterality import IMAGE, NO_SIDES, PATIENT


@dataclass(frozen=True)
class Case:
    """What a volume's mask says of its lesions.

    Attributes:
        number: lesions of at least the stated volume.
        volume_mm3: of the largest.
        side: `left` or `right` as `cohort.sides` means them, of the largest's centroid; "" without sides.
        solidity: of the largest lesion's largest cross-section: its area over that of its convex hull, in
            (0, 1].
        eccentricity: of the ellipse with that cross-section's second moments, in [0, 1).
    """

    number: int
    volume_mm3: float
    side: str
    solidity: float
    eccentricity: float


def measure_case(
    mask: NDArray[np.generic],
    spacing_mm: Sequence[float],
    midline_column: float,
    minimum_mm3: float,
    sides: str = PATIENT,
) -> Case | None:
    """Measure the lesions of a volume.

    Args:
        mask: (z, H, W), non-zero inside lesions, LPS.
        spacing_mm: of slices, rows and columns.
        midline_column: what divides left and right; the patient's left is at larger columns.
        minimum_mm3: smaller 26-connected components are not counted.
        sides: `cohort.sides`.

    Returns:
        The facts, or None where no component is large enough.
    """
    from scipy.ndimage import label

    labels, _ = label(mask != 0, structure=np.ones((3, 3, 3), dtype=bool))
    voxels = np.bincount(labels.ravel())[1:]
    voxel_mm3 = float(np.prod(np.asarray(spacing_mm, dtype=np.float64)))
    counted = voxels >= minimum_voxels(minimum_mm3, voxel_mm3)
    if not counted.any():
        return None
    # Of two equally large ones the first in reading order, so that the choice is deterministic.
    largest = int(voxels.argmax())
    own = labels == largest + 1
    solidity, eccentricity = _shape(own[int(own.sum(axis=(1, 2)).argmax())])
    return Case(
        number=int(counted.sum()),
        volume_mm3=float(voxels[largest] * voxel_mm3),
        side=_side(own, midline_column, sides),
        solidity=solidity,
        eccentricity=eccentricity,
    )


def _side(lesion: NDArray[np.bool_], midline_column: float, sides: str) -> str:
    if sides == NO_SIDES:
        return ""
    counts = lesion.sum(axis=(0, 1), dtype=np.int64)
    centre = float((counts * np.arange(len(counts))).sum() / counts.sum())
    greater = centre > midline_column
    return "left" if greater != (sides == IMAGE) else "right"


def _shape(section: NDArray[np.bool_]) -> tuple[float, float]:
    """Solidity and eccentricity of the largest 8-connected part of a cross-section (H, W)."""
    from skimage.measure import label, regionprops

    regions = regionprops(label(section, connectivity=2))
    largest = max(regions, key=lambda region: (region.area, -region.label))
    return float(largest.solidity), float(largest.eccentricity)
