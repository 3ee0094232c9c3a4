"""The prompt-only prior: where lesions of such words lay in other slices. It sees no image.

A slice's words are a chain from the closest to the most general: of the first that the prior has learned,
the mean mask is cut at the one threshold that was best where it learned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = tuple[str, ...]
Chain = Sequence[Words]
STEPS = 100  # thresholds 0, 0.01, ..., 0.99 are tried


@dataclass(frozen=True)
class Prior:
    """Where lesions lay.

    Attributes:
        means: (H, W) float64 in [0, 1] by words, the share of their slices whose mask covers the pixel.
        threshold: a pixel is foreground where the share is greater.
        dice: mean Dice of the slices that it learned from, at that threshold.
    """

    means: Mapping[Words, NDArray[np.float64]]
    threshold: float
    dice: float

    def mask(self, chain: Chain) -> NDArray[np.bool_]:
        """The mask (H, W) of the first words of a chain that were learned; the last always are."""
        known = next(words for words in chain if words in self.means)
        return np.asarray(self.means[known] > self.threshold)


def learn(masks: NDArray[np.uint8], chains: Sequence[Chain], fewest: int = 1) -> Prior:
    """Average the masks of all words, and find the one threshold with the best mean Dice.

    Args:
        masks: (n, H, W), 0 or 1, n > 0.
        chains: n chains, all of one length and with one last member, which holds all slices.
        fewest: words of fewer slices are not learned, but for the last.

    Returns:
        The prior; of thresholds with equal Dice the lowest.
    """
    rows: dict[Words, list[int]] = {}
    for row, chain in enumerate(chains):
        for words in dict.fromkeys(chain):
            rows.setdefault(words, []).append(row)
    last = chains[0][-1]
    learned = {words for words, own in rows.items() if len(own) >= fewest or words == last}
    closest = [next(words for words in chain if words in learned) for chain in chains]
    means = {
        words: masks[own].mean(axis=0, dtype=np.float64)
        for words, own in rows.items()
        if words in learned
    }
    thresholds = np.arange(STEPS) / STEPS
    total = np.zeros(STEPS)
    for words in sorted(set(closest)):
        own = [row for row, found in enumerate(closest) if found == words]
        total += _dice_sums(masks[own], means[words], thresholds)
    best = int(total.argmax())
    return Prior(means, float(thresholds[best]), float(total[best]) / len(chains))


def _dice_sums(
    masks: NDArray[np.uint8], mean: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of the Dice of masks (n, H, W) and a mean mask (H, W) cut at each of k thresholds: (k,)."""
    cut = (mean.reshape(-1, 1) > thresholds).astype(np.float32)
    there = masks.reshape(len(masks), -1).astype(np.float32)
    overlap = (there @ cut).astype(np.float64)
    size = there.sum(axis=1, dtype=np.float64)[:, None] + cut.sum(axis=0, dtype=np.float64)
    return np.asarray((2 * overlap / np.maximum(size, 1)).sum(axis=0))
