"""Is there a body in the image at all? Told from the voxels alone, before a network is asked.

Noise has no neighbours: where voxels say nothing of those beside them, there is no image. How much of the
image is body is told as `slices.laterality` tells body from air.
"""

import numpy as np
from numpy.typing import NDArray

_PLANES = 16  # that are looked at, evenly spread
_LEAST_ALIKE = 0.3  # correlation of neighbours; noise has 0, the noisiest images of a body over 0.6
_LEAST_BODY, _MOST_BODY = 0.05, 0.95  # share of voxels


def body_fault(volume: NDArray[np.generic]) -> str:
    """Why an image shows no body, as part of a line; "" if it may show one.

    Args:
        volume: (z, y, x), the phase that is shown.
    """
    planes = _planes(volume)
    if float(planes.max()) <= float(planes.min()):
        return "no breast in it: all voxels have one value; name another series with --series"
    if _alike(planes) < _LEAST_ALIKE:
        return "no breast in it: nothing but noise; name another series with --series"
    return ""


def body_doubts(volume: NDArray[np.generic]) -> list[str]:
    """What is unusual in how much of the image a body covers, a sentence each."""
    from skimage.filters import threshold_otsu

    planes = _planes(volume)
    values = np.sqrt(np.clip(planes - planes.min(), 0, None))
    share = float((values > float(threshold_otsu(values))).mean())
    if share < _LEAST_BODY:
        return [f"the body covers {share:.1%} of the image, hardly any of it: is a breast in it?"]
    if share > _MOST_BODY:
        return [f"the body covers {share:.0%} of the image and no air is left: is a breast in it?"]
    return []


def _planes(volume: NDArray[np.generic]) -> NDArray[np.float32]:
    """Some slices of a volume, evenly spread."""
    places = np.unique(np.linspace(0, len(volume) - 1, _PLANES).round().astype(int))
    return np.asarray(volume[places], np.float32)


def _alike(planes: NDArray[np.float32]) -> float:
    """Correlation of each voxel with the next one along a row."""
    left, right = planes[:, :, :-1].ravel(), planes[:, :, 1:].ravel()
    if left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])
