"""A weak tumour mask grown inside an annotation box from the contrast enhancement.

What it is worth is measured in docs/how-to/masks.md: good where one lesion fills the box, poor where a
box spans several.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

from textbcs.masks.fitting import MisfitError

Span = tuple[slice, slice, slice]


def grow(
    enhancement: NDArray[np.float32],
    box: Span,
    spacing_mm: tuple[float, float, float],
    level: float,
    peak_percentile: float,
    margin_mm: float,
    smallest_mm3: float,
) -> NDArray[np.uint8]:
    """Voxels of a box that enhance by more than a share of its peak.

    The threshold lies between what surrounds the box (median of a shell of `margin_mm`) and the peak
    inside (`peak_percentile` of the box), `level` of the way up: at 0.5 a blurred edge is cut where it
    truly runs. Pieces under `smallest_mm3` are dropped, holes of a slice are filled.

    Args:
        enhancement: (z, y, x), first post-contrast phase minus pre-contrast one.
        box: the box, as slices of that array.
        spacing_mm: of its axes z, y, x.
        level: in (0, 1).

    Returns:
        A mask of the array's shape, empty outside of the box.

    Raises:
        MisfitError: nothing in the box enhances more than what surrounds it.
    """
    inside = enhancement[box]
    around = _around(enhancement, box, spacing_mm, margin_mm)
    base = float(np.median(around)) if around.size else float(inside.min())
    peak = float(np.percentile(inside, peak_percentile))
    if peak <= base:
        raise MisfitError("nothing in the box enhances more than what surrounds it")
    grown = _pieces(
        inside > base + level * (peak - base), smallest_mm3 / float(np.prod(spacing_mm))
    )
    mask = np.zeros(enhancement.shape, np.uint8)
    mask[box] = np.stack([binary_fill_holes(plane) for plane in grown])
    return mask


def _around(
    values: NDArray[Any], box: Span, spacing_mm: tuple[float, float, float], margin_mm: float
) -> NDArray[Any]:
    """The values of a shell around a box, at least one voxel thick."""
    margins = [max(1, round(margin_mm / step)) for step in spacing_mm]
    outer = tuple(
        slice(max(0, span.start - margin), span.stop + margin)
        for span, margin in zip(box, margins, strict=True)
    )
    shell = np.ones(values.shape, dtype=bool)
    shell[box] = False
    found: NDArray[Any] = values[outer][shell[outer]]
    return found


def _pieces(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """The 26-connected pieces of at least `smallest` voxels; the largest one if none is."""
    labels, count = label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    keep = sizes >= min(smallest, sizes.max())
    keep[0] = False
    kept: NDArray[np.bool_] = keep[labels]
    return kept
