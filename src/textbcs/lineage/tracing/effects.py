"""Limits, permutations and effect sizes over patients once more, as scipy computes them.

What is drawn at random is drawn as the stage says (its seed, its generator), and all
else is computed apart from the package that printed it.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

Params = Mapping[str, Any]
CONFIDENCE = 0.95  # of every interval, and 1 minus the level of every test
_SLACK = 1e-12  # the same numbers summed in another order


def settings(params: Params) -> tuple[int, int, float] | None:
    """Resamples and seed of the bootstrap by the receipt, with the confidence; None where one is missing."""
    found = [params.get(f"evaluation.bootstrap.{name}") for name in ("resamples", "seed")]
    if None in found:
        return None
    return int(found[0] or 0), int(found[1] or 0), CONFIDENCE


def mean_limits(values: Any, params: Params) -> tuple[float, float, float]:
    """Mean of (n,) patients with its BCa limits; NaN limits without settings.

    Two patients, or values that differ by rounding alone, have none either: a resample tells nothing.
    """
    import numpy as np
    from scipy.stats import bootstrap

    mean, chosen = float(values.mean()), settings(params)
    if chosen is None:
        return mean, math.nan, math.nan
    if len(values) < 3 or np.ptp(values) <= _SLACK * np.abs(values).max():
        return mean, math.nan, math.nan
    resamples, seed, confidence = chosen
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
        confidence_level=confidence,
        method="BCa",
    ).confidence_interval
    return mean, float(found.low), float(found.high)


def sign_flip(values: Any, params: Params) -> float:
    """Two-sided p of the mean of (n,) differences when each sign is a coin.

    All assignments where there are no more than `resamples`, else as many random ones and the one seen.
    """
    import numpy as np

    resamples, seed = (
        int(params[f"evaluation.permutation.{name}"]) for name in ("resamples", "seed")
    )
    n = len(values)
    is_complete = 2**n <= resamples
    if is_complete:
        signs = np.array(list(itertools.product((-1, 1), repeat=n)))
    else:
        signs = 2 * np.random.default_rng(seed).integers(0, 2, (resamples, n)) - 1
    sums = np.abs((signs * values).sum(axis=1))
    extreme = int((sums >= abs(values.sum()) - _SLACK * np.abs(values).sum()).sum())
    return extreme / len(signs) if is_complete else (extreme + 1) / (resamples + 1)


def cohen_dz(values: Any, params: Params) -> tuple[float, float, float]:
    """Mean over standard deviation of (n,) differences, with BCa limits; NaN where nothing differs.

    Samples without spread, of one patient alone for instance, have no dz and are left out.
    """
    import numpy as np

    n, chosen = len(values), settings(params)
    if chosen is None or n < 3 or np.ptp(values) <= _SLACK * np.abs(values).max():
        return math.nan, math.nan, math.nan
    drawn = values[_drawn(n, *chosen[:2])]
    drawn = drawn[np.ptp(drawn, axis=1) > _SLACK * np.abs(drawn).max(axis=1)]

    def dz(sample: Any, axis: int = -1) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return sample.mean(axis=axis) / sample.std(axis=axis, ddof=1)

    return _limits((values,), dz, dz(drawn), chosen[2])


def cliffs_delta(first: Any, second: Any, params: Params) -> tuple[float, float, float]:
    """P(first > second) - P(first < second) over all pairs of patients, with BCa limits.

    Args:
        first: (n,), a value a patient.
        second: (n,), of the same patients.
        params: parameters of the table's stage, by dotted key.
    """
    import numpy as np

    def delta(one: Any, two: Any, axis: int = -1) -> Any:
        return np.sign(one[..., :, None] - two[..., None, :]).mean(axis=(-2, -1))

    n, chosen = len(first), settings(params)
    if chosen is None or n < 3:
        return float(delta(first, second)) if n else math.nan, math.nan, math.nan
    samples = []
    for places in _drawn(n, *chosen[:2]):
        mine, ordered = first[places], np.sort(second[places])
        below = int(np.searchsorted(ordered, mine, side="left").sum())
        above = n * n - int(np.searchsorted(ordered, mine, side="right").sum())
        samples.append((below - above) / n**2)
    return _limits((first, second), delta, np.array(samples), chosen[2])


def _drawn(n: int, resamples: int, seed: int) -> Any:
    """(resamples, n) places of the patients in each sample, from how often each one is drawn."""
    import numpy as np

    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
    places = np.tile(np.arange(n), resamples)
    return np.repeat(places, counts.ravel()).reshape(resamples, n)


def _limits(
    data: tuple[Any, ...], statistic: Callable[..., Any], samples: Any, confidence: float
) -> tuple[float, float, float]:
    """scipy's BCa limits of a statistic whose bootstrap distribution is given."""
    import warnings

    import numpy as np
    from scipy.stats import bootstrap

    observed = float(statistic(*data))
    # BCa counts ties with what was observed; rounding must not hide them.
    samples = np.where(np.abs(samples - observed) <= _SLACK * abs(observed), observed, samples)
    if np.ptp(samples) == 0:
        return observed, math.nan, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a degenerate distribution gives NaN, and is printed so
        found = bootstrap(
            data,
            statistic,
            n_resamples=0,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=samples),
            paired=len(data) > 1,
            confidence_level=confidence,
            method="BCa",
            vectorized=True,
        ).confidence_interval
    return observed, float(found.low), float(found.high)
