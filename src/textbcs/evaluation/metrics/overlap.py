"""Overlap metrics of a slice, from its four pixel counts; the rules for empty masks stand here alone.

| reference | prediction | overlap | NSD | distances |
|---|---|---|---|---|
| empty | empty | NaN, a true negative | NaN | NaN |
| empty | not | 0, a false alarm (its area is a column) | 0 | NaN |
| not | empty | 0 | 0 | the image's diagonal |

A replaced distance is marked in a column of its own, so that a mean over measured ones is possible.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Counts:
    """Pixels of one slice, or the sum over many: what every overlap metric needs."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


@dataclass(frozen=True)
class EmptyRule:
    """What a slice scores where a mask is empty.

    Attributes:
        overlap: Dice and IoU; the formulas give the same.
        nsd: normalised surface distance.
        distance: HD95 and ASSD: undefined, or the worst that the image allows.
    """

    overlap: float
    nsd: float
    distance: Literal["undefined", "diagonal"]


_NAN = float("nan")
_EMPTY = {
    (True, True): EmptyRule(_NAN, _NAN, "undefined"),
    (True, False): EmptyRule(0.0, 0.0, "undefined"),
    (False, True): EmptyRule(0.0, 0.0, "diagonal"),
}


def empty_rule(reference_empty: bool, prediction_empty: bool) -> EmptyRule | None:
    """The rule that applies, or None where both masks have pixels."""
    return _EMPTY.get((reference_empty, prediction_empty))


def count(predicted: NDArray[np.generic], reference: NDArray[np.generic]) -> Counts:
    """Count the pixels of a binary prediction against a binary reference of the same shape."""
    found, there = np.asarray(predicted) > 0, np.asarray(reference) > 0
    if found.shape != there.shape:
        raise ValueError(f"prediction {found.shape} and reference {there.shape} differ in shape")
    both = int(np.count_nonzero(found & there))
    found_only = int(np.count_nonzero(found)) - both
    there_only = int(np.count_nonzero(there)) - both
    return Counts(both, found_only, there_only, found.size - both - found_only - there_only)


def dice(counts: Counts) -> float:
    """Dice of the foreground, 2 TP / (2 TP + FP + FN); NaN where both masks are empty."""
    size = 2 * counts.true_positive + counts.false_positive + counts.false_negative
    return 2 * counts.true_positive / size if size else float("nan")


def iou(counts: Counts) -> float:
    """Intersection over union of the foreground, TP / (TP + FP + FN); NaN where both are empty."""
    union = counts.true_positive + counts.false_positive + counts.false_negative
    return counts.true_positive / union if union else float("nan")


def two_class(metric: float, background: float) -> float:
    """Macro mean of foreground and background, as "mIoU over C categories" may be read (TextBCS §4.2)."""
    return (metric + background) / 2


def background(counts: Counts) -> Counts:
    """The same slice with the roles of foreground and background exchanged."""
    return Counts(
        counts.true_negative, counts.false_negative, counts.false_positive, counts.true_positive
    )


def pooled(counts: ArrayLike) -> Counts:
    """Sum of (n, 4) counts: the metric of all pixels together, not a mean of slices."""
    total = np.asarray(counts, dtype=np.int64).reshape(-1, 4).sum(axis=0)
    return Counts(*(int(value) for value in total))
