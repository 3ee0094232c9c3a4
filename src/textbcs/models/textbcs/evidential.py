"""Evidential head and its uncertainty maps: TextBCS section 3.2, equations 8 to 11.

The paper's equations are lost from its text; these are the standard ones (Sensoy et al. 2018,
Jøsang's subjective logic), with alpha = evidence + 1. The paper's sentence that the parameters
"must approach 1 for the correct class" is taken as reversed: wrong classes go to 1.

Evidence is softplus(gain * z). The paper has no gain (1); with few training steps the evidence
grows too slowly without one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Uncertainty:
    """What a Dirichlet says about its pixel; each (B, H, W), in nats where it is an entropy.

    Attributes:
        vacuity: C / S in (0, 1], the mass that no evidence claims (eq. 11).
        entropy: H[p], of the expected probabilities, in [0, ln C].
        expected_entropy: E[H], the part that more evidence would not remove (conflict).
        mutual_information: H[p] - E[H] >= 0, the part that it would.
    """

    vacuity: Tensor
    entropy: Tensor
    expected_entropy: Tensor
    mutual_information: Tensor


def evidence_of(logits: Tensor, gain: float) -> Tensor:
    """Evidence of the head's raw values: softplus(gain * z), float32, >= 0, any shape."""
    return functional.softplus(gain * logits.float())


def expected_probability(evidence: Tensor) -> Tensor:
    """Mean of the Dirichlet, alpha / S (not the belief mass e / S).

    Args:
        evidence: (B, C, H, W), >= 0.

    Returns:
        (B, C, H, W), sums to 1 over the classes.
    """
    alpha = evidence + 1
    return alpha / alpha.sum(1, keepdim=True)


def uncertainty(evidence: Tensor) -> Uncertainty:
    """The four maps of the evidence (B, C, H, W), computed in float64, returned as float32."""
    alpha = evidence.double() + 1
    strength = alpha.sum(1)
    p = alpha / strength[:, None]
    entropy = -torch.special.xlogy(p, p).sum(1)
    # E[-sum p ln p] under Dirichlet(alpha), e.g. Malinin and Gales 2018, appendix C
    expected = (p * (torch.digamma(strength + 1)[:, None] - torch.digamma(alpha + 1))).sum(1)
    return Uncertainty(
        vacuity=(alpha.shape[1] / strength).float(),
        entropy=entropy.float(),
        expected_entropy=expected.float(),
        mutual_information=(entropy - expected).clamp_min(0).float(),
    )
