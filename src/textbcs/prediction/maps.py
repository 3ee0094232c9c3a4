"""A method's answer for many slices, and its probabilities as log-odds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-7  # a probability in float32 says no more than this


@dataclass
class Prediction:
    """A method's maps on n slices.

    Attributes:
        probability: (n, H, W) float32, of the foreground.
        evidence: (n, 2, H, W) float32 >= 0, or None for a head without.
    """

    probability: NDArray[np.float32]
    evidence: NDArray[np.float32] | None = None


def log_odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """ln p / (1 - p) of a foreground probability of any shape, within about -16 and 16.

    A sigmoid's logit, and the difference of a softmax's two. Taken from the probability, so that it
    belongs to what a method predicts, also where that is a mean of several heads.
    """
    p = np.clip(probability.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))
