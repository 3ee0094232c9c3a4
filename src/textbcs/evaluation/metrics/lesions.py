"""Whether each lesion of a slice was found, and what was found that is no lesion.

A lesion, and a prediction, is an 8-connected component of at least a stated area: the prompts count the
same way. A lesion is *found* where the prediction covers a stated share of it (0: a single pixel,
MetricsReloaded's rule). A predicted component is *false* where it touches no reference pixel, a too
small one included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LesionCounts:
    """One slice's components.

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


def count_lesions(
    predicted: NDArray[np.generic],
    reference: NDArray[np.generic],
    minimum_pixels: int,
    minimum_covered: float,
) -> LesionCounts:
    """Count the components of two masks (H, W), non-zero inside.

    Args:
        predicted: the mask that was found.
        reference: the true mask, of the same shape.
        minimum_pixels: smaller components of either mask are not counted.
        minimum_covered: share of a lesion in [0, 1] that must be predicted; always at least a pixel.
    """
    found, there = np.asarray(predicted) > 0, np.asarray(reference) > 0
    lesion_pixels, covered = _components(there, found)
    found_pixels, touching = _components(found, there)
    lesions, components = lesion_pixels >= minimum_pixels, found_pixels >= minimum_pixels
    enough = (covered > 0) & (covered >= minimum_covered * lesion_pixels)
    return LesionCounts(
        lesions=int(lesions.sum()),
        lesions_found=int((lesions & enough).sum()),
        components=int(components.sum()),
        false_components=int((components & (touching == 0)).sum()),
    )


def _components(
    mask: NDArray[np.bool_], other: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each component of `mask`, and how many of them `other` shares."""
    from scipy.ndimage import label

    labels, number = label(mask, structure=np.ones((3, 3), dtype=bool))
    pixels = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    shared = np.bincount(labels[other], minlength=number + 1)[1:]
    return pixels, shared
