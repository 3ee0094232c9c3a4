"""Is a paired difference more than chance, and how large is it? The paper's test and better ones.

The paper's Table 4 is a paired t-test whose unit it does not state; on slices it takes slices of a
patient as independent, which they are not. So each test also stands at patient level, where the
sign-flip permutation assumes least: that without an effect a patient's difference could as well have
had the other sign.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.statistics.intervals import CONFIDENCE, all_same, bca

_SLACK = 1e-12  # sums of the same numbers in another order are the same sum
_BATCH = 1024


@dataclass(frozen=True)
class Effect:
    """An effect size with its confidence limits; NaN where it is not defined."""

    value: float
    low: float
    high: float


def paired_t(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the paired t-test on (n,) differences; NaN where they are all the same."""
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or all_same(differences):
        return math.nan
    return float(ttest_1samp(differences, 0).pvalue)


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the signed-rank test on (n,) differences, zeros left out; NaN without others."""
    from scipy.stats import wilcoxon as signed_rank

    if not np.any(differences):
        return math.nan
    return float(signed_rank(differences).pvalue)


def sign_flip(differences: NDArray[np.float64], resamples: int, seed: int) -> float:
    """Two-sided p that a mean this far from 0 arises when each difference's sign is a coin.

    All 2^n assignments where there are no more than `resamples`; otherwise that many random ones, the
    observed one counted as one more, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        differences: (n,), one a patient.
        resamples: random sign assignments, at least 10,000 for a result.
        seed: of the random ones.
    """
    n = len(differences)
    if not n:
        return math.nan
    limit = abs(differences.sum()) - _SLACK * np.abs(differences).sum()
    if 2**n <= resamples:
        codes = np.arange(2**n)[:, None] >> np.arange(n) & 1
        sums = np.where(codes == 1, differences, -differences).sum(axis=1)
        return float(np.mean(np.abs(sums) >= limit))
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, resamples, _BATCH):
        signs = generator.integers(0, 2, (min(_BATCH, resamples - start), n)) * 2.0 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ differences) >= limit))
    return (extreme + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (1979), in the order given; NaN stays and counts for nothing.

    Each is the smallest family-wise error rate at which its hypothesis is rejected.
    """
    adjusted = [math.nan] * len(p_values)
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[index] = highest
    return adjusted


def cohen_dz(
    differences: NDArray[np.float64], resamples: int, seed: int, confidence: float = CONFIDENCE
) -> Effect:
    """Mean over standard deviation of (n,) paired differences, with a BCa interval over patients."""
    n = len(differences)
    if n < 3 or all_same(differences):
        return Effect(math.nan, math.nan, math.nan)
    drawn = _draws(n, resamples, seed)
    # einsum adds in a fixed order, whatever library multiplies matrices here.
    mean = np.einsum("bn,n->b", drawn, differences) / n
    away = differences - mean[:, None]
    spread = np.sqrt(np.einsum("bn,bn->b", drawn, away**2) / (n - 1))
    # A sample of one patient alone has no spread: it says nothing, and rounding must not speak for it.
    varies = spread > 1e-12 * np.abs(mean)
    samples = np.full(len(drawn), np.nan)
    samples[varies] = mean[varies] / spread[varies]
    observed = _dz(differences)
    # A sample with every patient once is the observed one: a tie, which BCa counts as such.
    samples[np.abs(samples - observed) <= 1e-12 * abs(observed)] = observed
    left_out = [_dz(np.delete(differences, i)) for i in range(n)]
    return _effect(observed, samples, np.array(left_out), confidence)


def cliffs_delta(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    resamples: int,
    seed: int,
    confidence: float = CONFIDENCE,
) -> Effect:
    """P(first > second) - P(first < second) over all pairs of patients, with a BCa interval.

    The unpaired form: a patient's first value is held against every patient's second value. How often
    the same patient's is the greater says `win_share`. Patients are resampled, each with both values.

    Args:
        first: (n,), a value a patient.
        second: (n,), of the same patients.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: coverage.
    """
    n = len(first)
    signs = np.sign(first[:, None] - second[None, :])
    observed = float(signs.mean()) if n else math.nan
    if n < 3:
        return Effect(observed, math.nan, math.nan)
    drawn = _draws(n, resamples, seed)
    samples = ((drawn @ signs) * drawn).sum(axis=1) / n**2
    # Without patient i: take its row and its column out of the sum; their crossing left twice.
    rest = signs.sum() - signs.sum(axis=0) - signs.sum(axis=1) + np.diag(signs)
    return _effect(observed, samples, rest / (n - 1) ** 2, confidence)


def win_share(differences: NDArray[np.float64]) -> float:
    """Share of positive differences, ties half."""
    return float(np.mean((differences > 0) + (differences == 0) / 2))


def _dz(differences: NDArray[np.float64]) -> float:
    spread = float(np.std(differences, ddof=1))
    return float(np.mean(differences)) / spread if spread else math.nan


def _draws(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, n): how often each patient is in each bootstrap sample."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples).astype(float)


def _effect(
    observed: float,
    samples: NDArray[np.float64],
    left_out: NDArray[np.float64],
    confidence: float,
) -> Effect:
    """An effect with its BCa interval, from bootstrap samples and leave-one-out values.

    The interval is nan where a value left out is not finite, or where these have no spread.
    """
    if not np.isfinite(left_out).all():
        return Effect(observed, math.nan, math.nan)
    finite = samples[np.isfinite(samples)]
    low, high = bca(observed, finite, left_out, confidence)
    return Effect(observed, float(low), float(high))
