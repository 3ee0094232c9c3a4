"""Distances between the outlines of two masks of one volume.

The definitions are those of `metrics.surfaces`. There a transform gives every pixel its distance; of a whole
volume that takes gigabytes, while the boundaries alone are few voxels: a tree of these finds the same.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.surfaces import (
    Distances,
    Spacing,
    Surfaces,
    boundary,
    bounding_box,
    surfaces,
)


def volume_surfaces(
    predicted: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_mm: Spacing,
    tolerances_mm: Sequence[float],
) -> Surfaces:
    """NSD, HD95 and ASSD of two masks (z, H, W).

    Args:
        predicted: the mask that was found.
        reference: the true mask, of the same shape.
        spacing_mm: of slices, rows and columns.
        tolerances_mm: of the NSD.
    """
    return surfaces(predicted, reference, spacing_mm, tolerances_mm, boundary_distances)


def boundary_distances(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing_mm: Spacing
) -> Distances:
    """Distance of each boundary voxel of `first` to the boundary of `second`, and the other way, mm.

    In the order of the voxels; neither mask may be empty.
    """
    box = bounding_box(first | second)
    one, two = (np.argwhere(boundary(mask[box])) for mask in (first, second))
    return nearest(one, two, spacing_mm), nearest(two, one, spacing_mm)


def nearest(
    points: NDArray[np.int64], others: NDArray[np.int64], spacing_mm: Spacing
) -> NDArray[np.float64]:
    """The distance of each point (n, 3) to the nearest of the others (m, 3), by indices of a grid, mm."""
    from scipy.spatial import cKDTree

    steps = np.asarray(spacing_mm, dtype=np.float64)
    _, place = cKDTree(others * steps).query(points * steps)
    # From whole voxels, so that equal steps give equal distances wherever they lie.
    away = (points - others[place]) * steps
    return np.asarray(np.sqrt((away**2).sum(axis=1)), dtype=np.float64)
