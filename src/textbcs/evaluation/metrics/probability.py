"""Scores of probabilities: Brier and negative log-likelihood."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]
Flags = NDArray[np.bool_]
_SMALLEST = 1e-7  # a probability nearer to 0 or 1 counts as this near, so that NLL is finite


def brier(probability: Values, truth: Flags) -> float:
    """Mean squared error of the foreground probability, in [0, 1]."""
    p, y = pixels(probability, truth)
    return float(np.mean((p - y) ** 2))


def negative_log_likelihood(probability: Values, truth: Flags) -> float:
    """Mean -ln of the probability of the true class, nats; probabilities at least 1e-7 from 0 and 1."""
    return float(surprise(*pixels(probability, truth)).mean())


def surprise(probability: Values, truth: NDArray[Any]) -> NDArray[np.float64]:
    """-ln of the probability of the true class, nats, pixel by pixel; `truth` is above 0 inside."""
    p = np.clip(np.asarray(probability, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-np.where(truth > 0, np.log(p), np.log1p(-p)))


def pixels(values: Values, truth: Flags) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and truth, one entry a pixel.

    Raises:
        ValueError: shapes that differ, or no pixel.
    """
    if np.shape(values) != np.shape(truth):
        raise ValueError(f"values {np.shape(values)} and truth {np.shape(truth)} differ in shape")
    if not np.size(values):
        raise ValueError("no pixel to compare")
    flat = np.asarray(values, dtype=np.float64).ravel()
    return flat, (np.asarray(truth).ravel() > 0).astype(np.float64)
