"""Distances between the outlines of two masks of one slice, or volume, in mm: NSD, HD95 and ASSD.

Definitions, the same as MetricsReloaded's and as MONAI's without sub-pixels:

- A mask's *boundary* is its pixels with a 4-neighbour outside it, in a volume its voxels with a
  6-neighbour outside it; beyond the image is outside.
- A boundary pixel's *distance* is that of its centre to the nearest boundary centre of the other mask,
  in the plane of the slice or in the volume, with the grid's true spacing.
- *NSD* at a tolerance t: the share of all boundary pixels, of both masks, at a distance of at most t.
- *HD95*: the greater of the two directions' 95th percentiles (linear interpolation). Toolboxes that
  pool both directions before the percentile usually give smaller values, but not always.
- *ASSD*: the mean distance over all boundary pixels of both masks (not the mean of two means).

DeepMind's surface-distance differs in all three. Its outline is made of the corners between pixels, half
a pixel outside ours: a corner belongs to it where the 2 x 2 pixels around it are neither all inside nor
all outside, and distances are from corner to corner. A corner counts by the length of the contour within
those 2 x 2 pixels: the spacing along it where two neighbours are inside, half the pixel's diagonal where
one or three are, the whole diagonal where two opposite ones are; here every boundary pixel counts 1.
HD95 is there the distance at which 95 % of a direction's length is reached, without interpolation, and the
mean distance is given for each direction.

Empty masks follow `metrics.empty_rule`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.overlap import empty_rule

_SLACK = 1e-9  # a distance of exactly the tolerance is within it, whatever the last bits say

Spacing = tuple[float, ...]
Distances = tuple[NDArray[np.float64], NDArray[np.float64]]
Measure = Callable[[NDArray[np.bool_], NDArray[np.bool_], Spacing], Distances]


@dataclass(frozen=True)
class Surfaces:
    """The outline agreement of one slice or volume.

    Attributes:
        nsd: one value in [0, 1] per tolerance; NaN where both masks are empty.
        hd95_mm: NaN where the reference is empty.
        assd_mm: likewise.
        replaced: the distances are the image's or volume's diagonal, because nothing was predicted.
    """

    nsd: tuple[float, ...]
    hd95_mm: float
    assd_mm: float
    replaced: bool


def nsd_columns(tolerances_mm: Sequence[float]) -> list[str]:
    """Names of the columns with the NSD, the tolerance in each: `nsd_2mm`."""
    return [f"nsd_{tolerance:g}mm" for tolerance in tolerances_mm]


def boundary_distances(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing_mm: Spacing
) -> Distances:
    """Distance of each boundary pixel of `first` to the boundary of `second`, and the other way, mm."""
    from scipy.ndimage import distance_transform_edt

    # No distance needs a pixel outside the box that holds both masks.
    box = bounding_box(first | second)
    one, two = boundary(first[box]), boundary(second[box])
    to_second = distance_transform_edt(~two, sampling=spacing_mm)[one]
    to_first = distance_transform_edt(~one, sampling=spacing_mm)[two]
    return to_second, to_first


def surfaces(
    predicted: NDArray[np.generic],
    reference: NDArray[np.generic],
    spacing_mm: Spacing,
    tolerances_mm: Sequence[float],
    distances: Measure = boundary_distances,
) -> Surfaces:
    """Compare two masks (H, W) or (z, H, W), non-zero inside.

    Args:
        predicted: the mask that was found.
        reference: the true mask, of the same shape.
        spacing_mm: of the grid, a value for each axis.
        tolerances_mm: of the NSD.
        distances: how the boundaries' distances are found.
    """
    found, there = np.asarray(predicted) > 0, np.asarray(reference) > 0
    if found.shape != there.shape:
        raise ValueError(f"prediction {found.shape} and reference {there.shape} differ in shape")
    rule = empty_rule(not there.any(), not found.any())
    if rule is not None:
        replaced = rule.distance == "diagonal"
        distance = diagonal(found.shape, spacing_mm) if replaced else float("nan")
        return Surfaces(tuple(rule.nsd for _ in tolerances_mm), distance, distance, replaced)
    to_reference, to_prediction = distances(found, there, spacing_mm)
    both = np.concatenate([to_reference, to_prediction])
    return Surfaces(
        nsd=tuple(float((both <= t * (1 + _SLACK)).mean()) for t in tolerances_mm),
        hd95_mm=percentile_95(to_reference, to_prediction),
        assd_mm=float(both.mean()),
        replaced=False,
    )


def percentile_95(one_way: NDArray[np.float64], other_way: NDArray[np.float64]) -> float:
    """The greater of two directions' 95th percentiles, with linear interpolation."""
    return float(max(np.percentile(one_way, 95), np.percentile(other_way, 95)))


def diagonal(shape: tuple[int, ...], spacing_mm: Spacing) -> float:
    """The diagonal of a slice or volume in mm."""
    return math.hypot(*(n * step for n, step in zip(shape, spacing_mm, strict=True)))


def boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that have a 4-neighbour (6-neighbour) outside it or lie at the image's edge."""
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask), dtype=bool)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds all that a mask marks; empty where it marks nothing."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        marked = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(marked[0]), int(marked[-1]) + 1) if marked.size else slice(0, 0))
    return tuple(box)


def boundary_band(
    mask: NDArray[np.generic], spacing_mm: tuple[float, float], width_mm: float
) -> NDArray[np.bool_]:
    """The pixels (H, W) within `width_mm` of a mask's outline, on both sides of it.

    Outside, a pixel counts whose centre is that near to a pixel of the mask; inside, one that is that
    near to a pixel outside. Empty where the mask is empty.
    """
    from scipy.ndimage import distance_transform_edt

    inside = np.asarray(mask) > 0
    if not inside.any():
        return np.zeros(inside.shape, dtype=bool)
    outward = distance_transform_edt(~inside, sampling=spacing_mm)
    padded = np.pad(inside, 1)  # beyond the image is outside, also for a mask that fills it
    inward = distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1]
    limit = width_mm * (1 + _SLACK)
    return np.asarray(np.where(inside, inward, outward) <= limit, dtype=bool)
