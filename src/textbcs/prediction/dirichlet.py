"""Four maps of what a network does not know, from the evidence of its Dirichlet (TextBCS eq. 8 to 11).

With alpha = evidence + 1, S = sum alpha and C classes. None of these losses rewards a faithful
epistemic uncertainty, so the maps are read relative to one another within a network: vacuity and mutual
information fall with evidence, while at a blurred outline the expected entropy (conflict) stays. A head
without evidence has the entropy alone; several networks have all but vacuity. Everything is computed in
float64, in nats.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Greatest evidence that float16 holds; more than that and S would be infinite.
GREATEST = 6.0e4


@dataclass(frozen=True)
class Uncertainty:
    """What a Dirichlet says about its pixel, each of the evidence's shape without the class axis.

    Attributes:
        vacuity: C / S in (0, 1], the mass that no evidence claims (eq. 11).
        entropy: H[p], of the expected probabilities, in [0, ln C].
        expected_entropy: E[H], the part that more evidence would not remove (conflict).
        mutual_information: H[p] - E[H] >= 0, the part that it would.
    """

    vacuity: NDArray[np.float32]
    entropy: NDArray[np.float32]
    expected_entropy: NDArray[np.float32]
    mutual_information: NDArray[np.float32]


def expected_probability(evidence: Any) -> NDArray[np.float64]:
    """Mean of the Dirichlet, alpha / S (not the belief mass e / S).

    Args:
        evidence: (n, C, ...) >= 0, an array or a tensor.

    Returns:
        (n, C, ...), sums to 1 over the classes.
    """
    alpha = np.asarray(evidence, dtype=np.float64) + 1
    return np.asarray(alpha / alpha.sum(axis=1, keepdims=True))


def uncertainty(evidence: Any) -> Uncertainty:
    """The four maps of the evidence (n, C, ...), an array or a tensor on the CPU; (n, ...) float32."""
    from scipy.special import digamma

    alpha = np.asarray(evidence, dtype=np.float64) + 1
    strength = alpha.sum(axis=1)
    p = alpha / strength[:, None]
    whole = _entropy(p)
    # E[-sum p ln p] under Dirichlet(alpha), e.g. Malinin and Gales 2018, appendix C
    expected = (p * (digamma(strength + 1)[:, None] - digamma(alpha + 1))).sum(axis=1)
    return Uncertainty(
        vacuity=(alpha.shape[1] / strength).astype(np.float32),
        entropy=whole.astype(np.float32),
        expected_entropy=expected.astype(np.float32),
        mutual_information=np.maximum(whole - expected, 0).astype(np.float32),
    )


def binary_entropy(probability: ArrayLike) -> NDArray[np.float32]:
    """Entropy of a foreground probability (n, ...), in [0, ln 2]: all that a sigmoid head gives."""
    p = np.asarray(probability, dtype=np.float64)
    return _entropy(np.stack([1 - p, p], axis=1)).astype(np.float32)


def ensemble(probabilities: ArrayLike) -> dict[str, NDArray[np.float32]]:
    """Entropy, expected entropy and mutual information of several networks, or dropout samples.

    Args:
        probabilities: (members, n, ...), foreground probabilities.

    Returns:
        Each map by name, (n, ...).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    whole = binary_entropy(p.mean(axis=0)).astype(np.float64)
    expected = np.mean([binary_entropy(member) for member in p], axis=0, dtype=np.float64)
    return {
        "entropy": whole.astype(np.float32),
        "expected_entropy": np.asarray(expected, dtype=np.float32),
        "mutual_information": np.asarray(np.maximum(whole - expected, 0), dtype=np.float32),
    }


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """-sum p ln p over axis 1, with 0 ln 0 = 0."""
    from scipy.special import xlogy

    return np.asarray(-xlogy(p, p).sum(axis=1) + 0.0)
