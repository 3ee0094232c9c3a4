"""How sure a map of probabilities is that there is something: its surest voxels."""

import numpy as np
from numpy.typing import NDArray

PEAK_MM3 = 2000.0  # of the surest voxels that count: a lesion of 16 mm
_FAINTEST = 1 / 512  # half a step of a coded map: less is no news


def peak_voxels(voxel_mm3: float) -> int:
    """How many voxels are `PEAK_MM3`, at least one."""
    return max(1, round(PEAK_MM3 / voxel_mm3))


def peak(probability: NDArray[np.floating], voxels: int) -> float:
    """Mean log-odds of the surest voxels of a map of any shape, within about -6.2 and 6.2.

    Args:
        probability: in [0, 1]; an empty map has the log-odds of 0.
        voxels: how many count; all where there are fewer.
    """
    values = np.asarray(probability, dtype=np.float64).ravel()
    if not values.size:
        values = np.zeros(1)
    most = min(voxels, values.size)
    surest = np.sort(np.partition(values, values.size - most)[-most:])
    return float(np.mean(np.log((surest + _FAINTEST) / (1 - surest + _FAINTEST))))


def columns_of_left(columns: int, size: int, midline_column: float) -> NDArray[np.bool_]:
    """Which columns of a map lie beyond the midline, on the patient's left: (columns,).

    Args:
        columns: of the map, which may be coarser than the image.
        size: columns of the image.
        midline_column: of the image, fractional.
    """
    middle = (np.arange(columns) + 0.5) * size / columns - 0.5
    return np.asarray(middle > midline_column)
