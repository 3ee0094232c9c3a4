"""The evidential head: evidence from raw values, and the Dirichlet's mean."""

import math

import pytest
import torch

from textbcs.models.textbcs.evidential import evidence_of, expected_probability


def test_belief_and_vacuity_sum_to_one_and_mean_is_alpha_over_strength():
    """Equation 10, and p = b + u / C."""
    evidence = evidence_of(torch.randn(2, 2, 3, 3), gain=4.0)
    strength = (evidence + 1).sum(1)
    vacuity = 2 / strength
    torch.testing.assert_close((evidence / strength[:, None]).sum(1) + vacuity, torch.ones(2, 3, 3))
    p = expected_probability(evidence)
    torch.testing.assert_close(p, evidence / strength[:, None] + vacuity[:, None] / 2)


def test_gain_multiplies_before_softplus():
    z = torch.tensor([-200.0, 0.0, 200.0])
    assert evidence_of(z, 8.0).tolist() == pytest.approx([0.0, math.log(2), 1600.0])
    assert evidence_of(z.to(torch.bfloat16), 8.0).dtype == torch.float32
