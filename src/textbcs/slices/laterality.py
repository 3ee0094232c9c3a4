"""Which breast a lesion is in: the patient's own left and right, from the image alone.

`cohort.sides` says what left and right are: the patient's (the default), the image's as it is seen, which an
image of one breast may need, or nothing at all, for another organ.
"""

import numpy as np
from numpy.typing import NDArray

BOTH = "both"
PATIENT, IMAGE, NO_SIDES = "patient", "image", "none"


def midline(volume: NDArray[np.floating]) -> float:
    """Column of the patient's midline.

    The middle of the body's lateral extent. Foreground is what Otsu's threshold separates from air;
    the body spans the columns that hold at least a fifth of the foreground of the fullest one, so
    that noise above the threshold does not widen it.

    Args:
        volume: (z, y, x) in LPS orientation, scaled to [0, 1].

    Returns:
        A fractional column index; the patient's left is at larger columns.
    """
    from skimage.filters import threshold_otsu

    if float(volume.max()) <= float(volume.min()):
        return float(volume.shape[2] - 1) / 2
    # The square root brings fat-suppressed tissue above air, which Otsu would else miss.
    values = np.sqrt(np.clip(volume, 0, None))
    profile = (values > float(threshold_otsu(values))).sum(axis=(0, 1)).astype(np.float64)
    body = np.flatnonzero(profile >= profile.max() / 5)
    return float(body[0] + body[-1]) / 2


def middle(volume: NDArray[np.floating], sides: str) -> float:
    """Column that divides left and right; NaN where nothing does.

    Args:
        volume: as `midline` takes it.
        sides: `cohort.sides`.
    """
    if sides == NO_SIDES:
        return float("nan")
    return midline(volume) if sides == PATIENT else float(volume.shape[2] - 1) / 2


def lesion_side(
    mask: NDArray[np.generic], midline_column: float, minimum_pixels: int, sides: str = PATIENT
) -> str | None:
    """The side of a slice's lesions.

    Args:
        mask: (H, W) in LPS orientation.
        midline_column: the midline on this grid.
        minimum_pixels: smaller 8-connected components do not count.
        sides: `cohort.sides`.

    Returns:
        `left`, `right`, `both`, or None where no component counts; "" without sides. A component belongs
        to the side of its centroid.
    """
    from skimage.measure import label, regionprops

    greater, smaller = ("right", "left") if sides == IMAGE else ("left", "right")
    found = {
        greater if region.centroid[1] > midline_column else smaller
        for region in regionprops(label(mask != 0, connectivity=2))
        if region.area >= minimum_pixels
    }
    if not found:
        return None
    if sides == NO_SIDES:
        return ""
    return BOTH if len(found) == 2 else found.pop()
