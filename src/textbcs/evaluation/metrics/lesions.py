"""Whether each lesion of a slice, or volume, was found, and what was found that is no lesion.

A lesion, and a prediction, is an 8-connected component of at least a stated area, in a volume a
26-connected one of at least a stated volume: the prompts count the same way. A lesion is *found* where the
prediction covers a stated share of it (0: a single pixel, MetricsReloaded's rule). A predicted component is
*false* where it touches no reference pixel, a too small one included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.surfaces import bounding_box


@dataclass(frozen=True)
class LesionCounts:
    """The components of one slice or volume.

    Attributes:
        lesions: components of the reference.
        lesions_found: those that the prediction covers enough.
        components: predicted components.
        false_components: those that touch no reference pixel.
    """

    lesions: int
    lesions_found: int
    components: int
    false_components: int


@dataclass(frozen=True)
class Components:
    """A mask's parts that touch, by a corner too.

    Attributes:
        labels: of the mask's shape: 0 outside, then 1 to n.
        pixels: (n,), of each.
    """

    labels: NDArray[np.int32]
    pixels: NDArray[np.int64]


def find_components(mask: NDArray[np.bool_]) -> Components:
    """The components of a mask (H, W) or (z, H, W)."""
    from scipy.ndimage import label

    box = bounding_box(mask)  # of a whole volume it is usually a small part
    found, number = label(mask[box], structure=np.ones((3,) * mask.ndim, dtype=bool))
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[box] = found
    pixels = np.bincount(found.ravel(), minlength=number + 1)[1:]
    return Components(labels, pixels.astype(np.int64))


def count_lesions(
    predicted: NDArray[np.generic],
    reference: NDArray[np.generic],
    minimum_pixels: int,
    minimum_covered: float,
) -> LesionCounts:
    """Count the components of two masks (H, W) or (z, H, W), non-zero inside.

    Args:
        predicted: the mask that was found.
        reference: the true mask, of the same shape.
        minimum_pixels: smaller components of either mask are not counted.
        minimum_covered: share of a lesion in [0, 1] that must be predicted; always at least a pixel.
    """
    found, there = (find_components(np.asarray(mask) > 0) for mask in (predicted, reference))
    return compare_components(found, there, minimum_pixels, minimum_covered)


def compare_components(
    found: Components, there: Components, minimum_pixels: int, minimum_covered: float
) -> LesionCounts:
    """The same from the components of the prediction and of the reference."""
    covered, touching = _shared(there, found), _shared(found, there)
    lesions, components = (each.pixels >= minimum_pixels for each in (there, found))
    enough = (covered > 0) & (covered >= minimum_covered * there.pixels)
    return LesionCounts(
        lesions=int(lesions.sum()),
        lesions_found=int((lesions & enough).sum()),
        components=int(components.sum()),
        false_components=int((components & (touching == 0)).sum()),
    )


def _shared(own: Components, other: Components) -> NDArray[np.int64]:
    """How many pixels of each component lie in the other mask."""
    inside = own.labels[other.labels > 0]
    return np.bincount(inside, minlength=len(own.pixels) + 1)[1:].astype(np.int64)
