"""From a network's map to findings: the threshold and the smallest component that is kept.

Both are chosen on validation volumes, never on test: the pair with the greatest mean Dice of whole volumes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import minimum_voxels
from textbcs.volumes.coded_maps import Codes, above

# A coded map (z, S, S), the reference mask of its shape, and the volume of a voxel in mm³.
MarkedCase = tuple[Codes, NDArray[np.bool_], float]


@dataclass(frozen=True)
class OperatingPoint:
    """Where a network's map is a finding.

    Attributes:
        threshold: foreground where the probability is at least this, a multiple of 1/256.
        smallest_mm3: smaller 26-connected components are removed, mm³.
        dice: mean Dice of the volumes on which it was chosen, on the square grid.
    """

    threshold: float
    smallest_mm3: float
    dice: float


def components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """The 26-connected components of a mask (z, H, W): labels from 1 on, 0 outside, and their number."""
    from scipy.ndimage import label

    labels, number = label(mask, structure=np.ones((3, 3, 3), dtype=bool))
    return labels, int(number)


def apply(codes: Codes, point: OperatingPoint, voxel_mm3: float) -> NDArray[np.bool_]:
    """The findings of a network in a volume.

    Args:
        codes: (z, S, S), the coded probability.
        point: threshold and smallest component.
        voxel_mm3: volume of a voxel, mm³.

    Returns:
        (z, S, S).
    """
    findings = above(codes, point.threshold)
    box = _box(findings)
    labels, number = components(findings[box])
    voxels = np.bincount(labels.ravel(), minlength=number + 1)
    kept = voxels >= minimum_voxels(point.smallest_mm3, voxel_mm3)
    kept[0] = False
    findings[box] = kept[labels]
    return findings


def choose(
    cases: Iterable[MarkedCase], thresholds: Sequence[float], smallest_mm3: Sequence[float]
) -> OperatingPoint:
    """The pair with the greatest mean Dice over the cases.

    Of ties the higher threshold, then the greater component.

    A case whose reference is empty (its lesions are lost on the square grid) counts 1 where nothing is found,
    else 0.

    Args:
        cases: one at a time, in a fixed order; a network that reads text gives a case for each source.
        thresholds: candidates, multiples of 1/256.
        smallest_mm3: candidates for the smallest component that is kept, mm³.

    Raises:
        ValueError: there is no case or no candidate, or a threshold is no multiple of 1/256.
    """
    thresholds, smallest_mm3 = sorted(thresholds), sorted(smallest_mm3)
    total = np.zeros((len(thresholds), len(smallest_mm3)))
    count = 0
    for codes, reference, voxel_mm3 in cases:
        total += _dice(codes, reference, voxel_mm3, thresholds, smallest_mm3)
        count += 1
    if not count or not total.size:
        raise ValueError("no volume to choose on, or nothing to choose from")
    # Of equal sums the last in ascending order: the higher threshold, then the greater component.
    place = total.size - 1 - int(total.ravel()[::-1].argmax())
    row, column = divmod(place, len(smallest_mm3))
    dice = float(total[row, column]) / count
    return OperatingPoint(float(thresholds[row]), float(smallest_mm3[column]), dice)


def _dice(
    codes: Codes,
    reference: NDArray[np.bool_],
    voxel_mm3: float,
    thresholds: Sequence[float],
    smallest_mm3: Sequence[float],
) -> NDArray[np.float64]:
    """Dice of a case, a row per threshold (ascending), a column per smallest component."""
    least = [minimum_voxels(smallest, voxel_mm3) for smallest in smallest_mm3]
    there = int(np.count_nonzero(reference))
    # What is found at a higher threshold lies within what is found at the lowest.
    box = _box(above(codes, thresholds[0]))
    codes, reference = codes[box], reference[box]
    scores = np.empty((len(thresholds), len(least)))
    for row, threshold in enumerate(thresholds):
        labels, number = components(above(codes, threshold))
        voxels = np.bincount(labels.ravel(), minlength=number + 1)[1:]
        right = np.bincount(labels[reference], minlength=number + 1)[1:]
        for column, smallest in enumerate(least):
            kept = voxels >= smallest
            size = int(voxels[kept].sum()) + there
            scores[row, column] = 2 * int(right[kept].sum()) / size if size else 1.0
    return scores


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around what a mask marks; empty where it marks nothing."""
    from scipy.ndimage import find_objects

    (found,) = find_objects(mask.astype(np.uint8), max_label=1)
    return (slice(0, 0),) * mask.ndim if found is None else found
