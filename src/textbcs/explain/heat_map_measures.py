"""How well a heat map points at the lesion.

Localisation inside the mask is partly trivial for a segmentation network, whose heat map is drawn for
the mask it found. So the energy is held against the lesion's share of the image (its *lift*), stages
are compared with one another, and a network with random weights gives the level of no knowledge. A map
that is zero everywhere points nowhere: it is a miss with no energy inside. Leaving it out would favour the
network whose maps are empty.
"""

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.floating]


def has_heat(heat: Map) -> bool:
    """Whether a heat map is above zero anywhere."""
    return bool(np.any(heat > 0))


def pointing_hit(heat: Map, mask: NDArray[np.generic], tolerance_px: float) -> float:
    """Pointing game (Zhang et al. 2018): whether the hottest pixel lies in or near the lesion.

    Args:
        heat: (H, W), >= 0.
        mask: (H, W), non-zero inside lesions.
        tolerance_px: a pixel this far from the lesion still counts.

    Returns:
        1.0 or 0.0, this also for a map that is zero everywhere; NaN where there is no lesion. Of
        equally hot pixels the first in reading order counts.
    """
    from scipy.ndimage import distance_transform_edt

    inside = np.asarray(mask) > 0
    if not inside.any():
        return float("nan")
    if not has_heat(heat):
        return 0.0
    place = np.unravel_index(int(np.argmax(heat)), heat.shape)
    distance = distance_transform_edt(~inside)
    return float(distance[place] <= tolerance_px)


def energy_inside(heat: Map, mask: NDArray[np.generic]) -> float:
    """Share of the heat that lies in the lesion (energy-based pointing game, Wang et al. 2020).

    Returns:
        In [0, 1]; 0 where there is no heat, NaN where there is no lesion.
    """
    inside = np.asarray(mask) > 0
    if not inside.any():
        return float("nan")
    return float(heat[inside].sum()) / float(heat.sum()) if has_heat(heat) else 0.0


def lift(energy: float, mask: NDArray[np.generic]) -> float:
    """Energy inside the lesion over the lesion's share of the image; 1 for an even heat map."""
    share = float(np.mean(np.asarray(mask) > 0))
    return energy / share if share else float("nan")


def rank_correlation(first: Map, second: Map) -> float:
    """Spearman's correlation of two maps' pixels, in [-1, 1]; NaN where one of them is even.

    Near 1 for a map that does not depend on what was changed between the two. It keeps its sign: a map
    that is turned round is another map.
    """
    from scipy.stats import rankdata

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    ranks = [rankdata(heat.ravel()) for heat in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
