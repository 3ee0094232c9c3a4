"""The temperature of a network's probabilities, fitted on the coded maps of whole validation volumes.

A code holds a probability to 1/256, so the voxels of the first and the last code, which are nearly all of a
volume, say only that the network is sure: their log-odds are not known. The temperature is fitted on the
others, those on which it is not sure. A head with evidence has none, because a temperature of its mean would
leave the Dirichlet behind.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from textbcs.volumes.coded_maps import LEVELS, Codes

UNCHANGED = 1.0
_RANGE = (0.02, 50.0)  # as for slices
_DIGITS = 6
Counts = NDArray[np.int64]


def count(cases: Iterable[tuple[Codes, NDArray[np.bool_]]]) -> Counts:
    """Voxels by truth and code, (2, 256), over some maps (z, S, S) and their reference masks."""
    counts = np.zeros((2, LEVELS), dtype=np.int64)
    for codes, mask in cases:
        counts[0] += np.bincount(codes[~mask], minlength=LEVELS)
        counts[1] += np.bincount(codes[mask], minlength=LEVELS)
    return counts


def fit(counts: Counts) -> float:
    """The T for which sigmoid(log-odds / T) has the smallest NLL over the voxels that are not sure.

    Args:
        counts: (2, 256), as `count` gives them.

    Returns:
        Between 0.02 and 50; 1 where the voxels are all tumour or all background, or there is none.
    """
    from scipy.optimize import minimize_scalar

    unsure = counts[:, 1:-1]
    if not unsure.sum(axis=1).all():
        return UNCHANGED
    codes = np.arange(1, LEVELS - 1) + 0.5
    odds = np.log(codes / (LEVELS - codes))
    away = np.stack([odds, -odds])  # -ln p of the true class is softplus(away / T)

    def loss(log_temperature: float) -> float:
        nll = np.logaddexp(0, away * np.exp(-log_temperature))
        return float((unsure * nll).sum() / unsure.sum())

    bounds = (float(np.log(_RANGE[0])), float(np.log(_RANGE[1])))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return round(float(np.exp(found.x)), _DIGITS)
