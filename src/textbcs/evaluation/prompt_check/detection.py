"""How well a detector tells wrong words from right ones, by patient."""

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.statistics.cluster_bootstrap import Draws, auroc, interval
from textbcs.evaluation.statistics.intervals import Interval

Array = NDArray[np.float64]


def detection(wrong: Array, right: Array, draws: Draws) -> Interval:
    """Area under the ROC curve: how often a wrong one scores higher than a right one, ties half.

    Words or prompts are held against those of all patients, not against the same patient's alone: in use
    nobody knows the right one. A patient is drawn with all that is hers.

    Args:
        wrong: (n, k), scores of each patient's wrong words or prompts.
        right: (n, m), of her right ones.
        draws: the bootstrap samples of the n patients.

    Returns:
        The area with BCa limits; without limits where every sample has the same.
    """
    _, level = np.unique(np.concatenate([wrong.ravel(), right.ravel()]), return_inverse=True)
    levels = int(level.max()) + 1
    parts = (level[: wrong.size].reshape(wrong.shape), level[wrong.size :].reshape(right.shape))
    return interval(auroc(draws, *(_counts(part, levels) for part in parts)), draws)


def _counts(level: NDArray[np.intp], levels: int) -> Array:
    """How many scores each patient has at each level, (n, levels)."""
    counts = np.zeros((len(level), levels))
    np.add.at(counts, (np.arange(len(level))[:, None], level), 1)
    return counts
