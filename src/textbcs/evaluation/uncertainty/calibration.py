"""How far a probability can be believed, and whether uncertainty points at the errors.

The background is most of a slice and easy, so it flatters every mean over the whole image; the callers
also give the region of interest and the band around the outline.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.probability import Flags, Values, pixels

_TEMPERATURES = (0.02, 50.0)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: bins of about equally many pixels.

    Attributes:
        probability: (k,) mean foreground probability in each bin.
        frequency: (k,) share of foreground in it.
        count: (k,) its pixels.
    """

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean |frequency - probability|, weighted by pixels."""
        gap = np.abs(self.frequency - self.probability)
        return float(np.sum(self.count * gap) / np.sum(self.count))


def reliability(probability: Values, truth: Flags, bins: int) -> Reliability:
    """Bin foreground probabilities (any shape) at their own quantiles.

    Equal values share a bin whatever their order, so there may be fewer bins than asked for.

    Raises:
        ValueError: no pixel.
    """
    p, y = pixels(probability, truth)
    place, number = places(p, bins)
    count = np.bincount(place, minlength=number)
    filled = count > 0
    total_p = np.bincount(place, weights=p, minlength=len(count))[filled]
    total_y = np.bincount(place, weights=y, minlength=len(count))[filled]
    count = count[filled]
    return Reliability(total_p / count, total_y / count, count)


def places(values: Values, bins: int) -> tuple[NDArray[np.intp], int]:
    """The bin of each value (m,) between the values' own quantiles, and the number of bins.

    A bin between two quantiles may be empty.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left"), len(edges) + 1


def auroc(score: Values, positive: Flags) -> float:
    """Probability that a positive's score exceeds a negative's, ties half; NaN without both.

    By ranks (Mann and Whitney).
    """
    from scipy.stats import rankdata

    flags = np.asarray(positive, dtype=bool).ravel()
    positives = int(np.count_nonzero(flags))
    negatives = flags.size - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(np.asarray(score).ravel())
    wins = float(ranks[flags].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def average_precision(score: Values, positive: Flags) -> float:
    """Area under precision and recall as a step function; ties enter together; NaN without both."""
    flags = np.asarray(positive, dtype=bool).ravel()
    if not flags.any() or flags.all():
        return float("nan")
    values = np.asarray(score).ravel()
    order = np.argsort(-values, kind="stable")
    found = np.cumsum(flags[order])
    last = np.append(np.flatnonzero(np.diff(values[order])), flags.size - 1)
    precision = found[last] / (last + 1)
    gained = np.diff(found[last], prepend=0)
    return float(np.sum(precision * gained) / found[-1])


def risk_coverage(risk: Values, uncertainty: Values) -> NDArray[np.float64]:
    """Mean risk of the k most certain cases, for k = 1 to n.

    Cases of equal uncertainty come in random order; this is the expectation over it.

    Args:
        risk: (n,), such as 1 - Dice.
        uncertainty: (n,).
    """
    order = np.argsort(uncertainty, kind="stable")
    ordered = np.asarray(risk, dtype=np.float64)[order]
    _, group = np.unique(np.asarray(uncertainty)[order], return_inverse=True)
    shared = np.bincount(group, weights=ordered) / np.bincount(group)
    return np.asarray(np.cumsum(shared[group]) / np.arange(1, len(ordered) + 1))


def aurc(risk: Values, uncertainty: Values) -> float:
    """Area under the risk-coverage curve, the mean over coverages; lower is better; NaN for no case."""
    return float(risk_coverage(risk, uncertainty).mean()) if len(risk) else float("nan")


def excess_aurc(risk: Values, uncertainty: Values) -> float:
    """AURC less that of the perfect order, which is the risk's own (E-AURC)."""
    return aurc(risk, uncertainty) - aurc(risk, risk)


def fit_temperature(log_odds: Values, truth: Flags) -> float:
    """The T for which sigmoid(log_odds / T) has the smallest NLL (Guo et al. 2017).

    To be fitted on validation slices only. Between 0.02 and 50; 1 changes nothing.

    Args:
        log_odds: of the foreground, any shape: a sigmoid's logit or a softmax's difference.
        truth: of the same shape.
    """
    from scipy.optimize import minimize_scalar

    z, y = pixels(log_odds, truth)
    away = np.where(y > 0, -z, z)  # -ln p of the true class is softplus(away / T)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, away * np.exp(-log_temperature)).mean())

    bounds = (float(np.log(_TEMPERATURES[0])), float(np.log(_TEMPERATURES[1])))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled(log_odds: Values, temperature: float) -> NDArray[np.float64]:
    """Foreground probability at a temperature, any shape."""
    from scipy.special import expit

    return np.asarray(expit(np.asarray(log_odds, dtype=np.float64) / temperature))
