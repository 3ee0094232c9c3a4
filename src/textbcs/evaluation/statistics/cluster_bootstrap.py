"""Scores of pooled pixels when patients are resampled: slices and pixels of one patient stay together.

Each score is a function of how often every patient counts, so the sample, its bootstrap samples and the
samples without one patient are the rows of one matrix, and what is drawn is shared by all scores: their
differences are paired by patient. A patient's pixels are summed, or counted by score, once. Limits are
BCa.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textbcs.evaluation.statistics.intervals import CONFIDENCE, Interval, bca

Array = NDArray[np.float64]
_ROWS = 2000  # samples at a time where each needs a value per level
_FEWEST = 3  # patients; two have a skewness that is always 0
_ENOUGH = 500_000
LEVELS = 512  # of a score; see `levels`


@dataclass(frozen=True)
class Draws:
    """How often each patient counts.

    Attributes:
        weights: (1 + B + n, n): once each, then B bootstrap samples, then without each of the n.
        resamples: B.
        confidence: of the limits.
    """

    weights: Array
    resamples: int
    confidence: float

    @property
    def patients(self) -> int:
        """n."""
        return int(self.weights.shape[1])


def draw(patients: int, resamples: int, seed: int, confidence: float = CONFIDENCE) -> Draws:
    """The samples that scipy's `bootstrap` draws from the same seed, as weights."""
    places = np.random.default_rng(seed).integers(0, patients, (resamples, patients))
    rows = np.arange(resamples)[:, None] * patients + places
    drawn = np.bincount(rows.ravel(), minlength=resamples * patients).reshape(resamples, patients)
    weights = np.concatenate([np.ones((1, patients)), drawn, 1 - np.eye(patients)])
    return Draws(weights, resamples, confidence)


def interval(values: Array, draws: Draws) -> Interval:
    """A score's value and BCa limits from its value in every sample (1 + B + n,).

    The limits are NaN where resampling says nothing: a bootstrap sample has no value, all have the same
    one, or there are fewer than three patients.
    """
    own, end = float(values[0]), 1 + draws.resamples
    drawn = values[1:end]
    if draws.patients < _FEWEST or not np.ptp(drawn) > 1e-12 * abs(own):
        return Interval(own, math.nan, math.nan, draws.patients)
    low, high = bca(own, drawn, values[end:], draws.confidence)
    return Interval(own, float(low), float(high), draws.patients)


def by_patient(values: ArrayLike, owner: NDArray[np.intp], patients: int) -> Array:
    """Sums (patients, ...) of the slices' values (slices, ...)."""
    each = np.asarray(values, dtype=np.float64)
    total = np.zeros((patients, *each.shape[1:]))
    np.add.at(total, owner, each)
    return total


def mean(draws: Draws, total: Array, count: Array) -> Array:
    """Mean over pixels, or patients, in every sample, from each patient's sum (n,) and number (n,)."""
    return _divide(draws.weights @ total, draws.weights @ count)


def shares(draws: Draws, total: Array, count: Array) -> Array:
    """The same for each bin, (1 + B + n, bins), from (n, bins); NaN where a sample leaves a bin empty."""
    return _divide(draws.weights @ total, draws.weights @ count)


def calibration_error(draws: Draws, probability: Array, truth: Array, count: Array) -> Array:
    """ECE in every sample, from each patient's sums per bin (n, bins); the bins stay the sample's."""
    gap = np.abs(draws.weights @ (probability - truth))
    return _divide(gap.sum(axis=1), (draws.weights @ count).sum(axis=1))


def levels(score: NDArray[np.floating], wrong: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The place of each pixel's score among at most `LEVELS` levels, of its shape.

    Half of the levels' limits are quantiles of the wrong pixels' scores, half of the others'; so each
    level holds less than a percent of either, unless they share one value.
    """
    steps = np.linspace(0, 1, LEVELS // 2 + 1)[1:-1]
    kinds = [own for own in (score[wrong], score[~wrong]) if own.size]
    # Every so many pixels are enough for limits; the pixels themselves are all counted.
    limits = [np.quantile(own[:: 1 + own.size // _ENOUGH], steps) for own in kinds]
    edges = np.unique(np.concatenate(limits)) if limits else np.zeros(0)
    return np.searchsorted(edges, score, side="left")


def histograms(
    level: NDArray[np.intp], flags: NDArray[np.bool_], owner: NDArray[np.intp], patients: int
) -> tuple[Array, Array]:
    """Each patient's flagged and other pixels per level, (n, LEVELS) each, from flat arrays."""
    place = owner * LEVELS + level
    size = patients * LEVELS
    found = (np.bincount(place[own], minlength=size) for own in (flags, ~flags))
    flagged, rest = (each.reshape(patients, LEVELS).astype(np.float64) for each in found)
    return flagged, rest


def auroc(draws: Draws, positive: Array, negative: Array) -> Array:
    """Probability in every sample that a positive's level exceeds a negative's, ties half.

    Args:
        draws: the samples.
        positive: (n, levels), each patient's pixels.
        negative: likewise.
    """
    below = np.cumsum(negative, axis=1) - negative / 2
    wins = positive @ below.T  # of each patient's positives over each patient's negatives
    weights = draws.weights
    pairs = (weights @ positive.sum(axis=1)) * (weights @ negative.sum(axis=1))
    return _divide(((weights @ wins) * weights).sum(axis=1), pairs)


def average_precision(draws: Draws, positive: Array, negative: Array) -> Array:
    """Area under precision and recall in every sample, as `calibration.average_precision`'s.

    Args:
        draws: the samples.
        positive: (n, levels), each patient's pixels.
        negative: likewise.
    """

    def area(weights: Array) -> Array:
        found = weights @ positive[:, ::-1]
        taken = np.cumsum(found + weights @ negative[:, ::-1], axis=1)
        precision = np.cumsum(found, axis=1) / np.maximum(taken, 1)
        return _divide((precision * found).sum(axis=1), found.sum(axis=1))

    return _in_pieces(area, draws)


def aurc(draws: Draws, risk: Array, doubt: Array, owner: NDArray[np.intp]) -> Array:
    """Area under the risk-coverage curve in every sample, as `calibration.aurc`'s.

    Args:
        draws: the samples.
        risk: (m,), of cases: slices, or patients.
        doubt: (m,).
        owner: (m,), the patient of each case.
    """
    _, group = np.unique(doubt, return_inverse=True)
    cases = np.zeros((draws.patients, group.max() + 1))
    np.add.at(cases, (owner, group), 1)
    risks = np.zeros(cases.shape)
    np.add.at(risks, (owner, group), risk)
    # The mean risk of the k most certain, summed over the cases of a group of equally doubtful ones:
    # before them c cases with a risk of s in sum, each of them with the group's mean.
    most = int(draws.weights.sum(axis=1).max() * cases.sum(axis=1).max())
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, most + 1))])

    def area(weights: Array) -> Array:
        own, total = weights @ cases, weights @ risks
        ends = np.rint(np.cumsum(own, axis=1)).astype(np.int64)
        starts = ends - np.rint(own).astype(np.int64)
        average = total / np.maximum(own, 1)
        before = np.cumsum(total, axis=1) - total
        steps = harmonic[ends] - harmonic[starts]
        curve = own * average + (before - starts * average) * steps
        return _divide(curve.sum(axis=1), own.sum(axis=1))

    return _in_pieces(area, draws)


def _in_pieces(function: Callable[[Array], Array], draws: Draws) -> Array:
    weights = draws.weights
    pieces = [function(weights[at : at + _ROWS]) for at in range(0, len(weights), _ROWS)]
    return np.concatenate(pieces)


def _divide(one: Array, other: Array) -> Array:
    """NaN where there is nothing to divide by."""
    nothing = np.full(np.broadcast_shapes(one.shape, other.shape), math.nan)
    return np.asarray(np.divide(one, other, out=nothing, where=np.asarray(other) != 0))
