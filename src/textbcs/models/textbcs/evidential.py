"""Evidential head: TextBCS section 3.2, equations 8 to 11; its maps are in evaluation.

The paper's equations are lost from its text; these are the standard ones (Sensoy et al. 2018,
Jøsang's subjective logic), with alpha = evidence + 1. The paper's sentence that the parameters
"must approach 1 for the correct class" is taken as reversed: wrong classes go to 1.

Evidence is softplus(gain * z). The paper has no gain (1); with few training steps the evidence
grows too slowly without one.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

# Evidence of tumour before anything is learnt: next to none, but with a slope that can be descended.
FIRST_EVIDENCE = 0.04


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


def first_biases(share: float, gain: float) -> Tensor:
    """Biases (background, foreground) with which the first expected probability is `share`.

    The paper does not say how its head starts. Alike, both classes begin at one half everywhere; tumours
    are a hundredth of the pixels, and the first epochs are then spent on the background, longer in some
    trainings than in others (docs/explanation/recipe.md).

    Args:
        share: expected foreground probability, in (0, 0.5].
        gain: of `evidence_of`.
    """
    background = (1 + FIRST_EVIDENCE) * (1 - share) / share - 1
    return torch.tensor([_raw(background) / gain, _raw(FIRST_EVIDENCE) / gain])


def _raw(evidence: float) -> float:
    """The value whose softplus is `evidence`, above 0."""
    return evidence + math.log(-math.expm1(-evidence))
