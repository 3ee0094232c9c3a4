"""Means over patients and their uncertainty: slices of one patient are not independent.

The estimand is the mean over patients of each patient's mean over slices. Patients are resampled,
their slices kept together (a cluster bootstrap), with bias-corrected and accelerated limits
(BCa, Efron 1987), as scipy computes them.

Where resampling can say nothing there are no limits, rather than limits of no width: for fewer than
`FEWEST` patients, and where all patients have the same value (a perfect score, say), as every resample
is then the sample. `limits_text` prints the two cases in words.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95  # of every interval: headings of tables and figures say 95 %
FEWEST = 3  # two patients have three resamples, and a skewness that is always 0
ALL_EQUAL = "all equal"


@dataclass(frozen=True)
class Interval:
    """A mean over patients with its confidence limits (NaN: none) and the number of patients."""

    mean: float
    low: float
    high: float
    patients: int


def patient_means(slices: "pd.DataFrame", column: str) -> NDArray[np.float64]:
    """Each patient's mean of a column, over the slices that have a value, sorted by patient."""
    means = slices.groupby("patient")[column].mean().dropna().sort_index()
    return means.to_numpy(dtype=np.float64)


def all_same(values: NDArray[np.float64]) -> bool:
    """Whether values differ by no more than the rounding of their means."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def mean_interval(
    values: NDArray[np.float64], resamples: int, seed: int, confidence: float = CONFIDENCE
) -> Interval:
    """Mean of patient values with a BCa bootstrap interval.

    Args:
        values: (patients,), one value a patient: a mean, or a paired difference of means.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: coverage.

    Returns:
        The interval; its limits are NaN for fewer than `FEWEST` values and where all are the same.
    """
    from scipy.stats import bootstrap

    mean = float(np.mean(values)) if len(values) else math.nan
    if len(values) < FEWEST or all_same(values):
        return Interval(mean, math.nan, math.nan, len(values))
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(values))


def limits_text(low: float, high: float, patients: int, digits: int = 2) -> str:
    """Limits as they are printed; in words why there are none.

    Args:
        low: lower limit in the printed unit, or NaN.
        high: upper limit, likewise.
        patients: on which they rest.
        digits: after the point.
    """
    if low == low and high == high:
        return f"{low:z.{digits}f} to {high:z.{digits}f}"
    return ALL_EQUAL if patients >= FEWEST else "–"


def percent_limits(found: Interval) -> str:
    """Limits of a fraction as they are printed, in percent or points."""
    return limits_text(100 * found.low, 100 * found.high, found.patients)


def bca(
    observed: ArrayLike,
    resampled: ArrayLike,
    jackknife: ArrayLike,
    confidence: float = CONFIDENCE,
) -> NDArray[np.float64]:
    """BCa limits of any statistic from its bootstrap distribution (Efron 1987), as scipy's.

    For statistics that scipy's `bootstrap` cannot vectorise, and for many samples at a time.

    Args:
        observed: (...), the statistic of the sample.
        resampled: (..., B), that of the bootstrap samples.
        jackknife: (..., n), that of the sample without each of its members.
        confidence: coverage.

    Returns:
        (..., 2), the limits; NaN where the distribution is a single value or holds a NaN.
    """
    from scipy.special import ndtr, ndtri

    value, samples = np.asarray(observed, np.float64), np.asarray(resampled, np.float64)
    left_out = np.asarray(jackknife, np.float64)
    below = (samples < value[..., None]).mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Half of the ties count as below, as in scipy's percentile of a score.
        bias = ndtri(below + (samples == value[..., None]).mean(axis=-1) / 2)[..., None]
        influence = left_out.mean(axis=-1, keepdims=True) - left_out
        skew = (influence**3).sum(axis=-1) / (6 * ((influence**2).sum(axis=-1)) ** 1.5)
        tail = (1 - confidence) / 2
        z = bias + ndtri([tail, 1 - tail])
        shares = np.asarray(ndtr(bias + z / (1 - skew[..., None] * z)))
    usable = np.isfinite(shares) & np.isfinite(samples).all(axis=-1, keepdims=True)
    ordered = np.sort(samples, axis=-1)
    place = np.where(usable, shares, 0) * (samples.shape[-1] - 1)
    under = np.floor(place).astype(np.int64)
    over = np.minimum(under + 1, samples.shape[-1] - 1)
    low, high = (np.take_along_axis(ordered, index, axis=-1) for index in (under, over))
    return np.where(usable, low + (place - under) * (high - low), np.nan)
