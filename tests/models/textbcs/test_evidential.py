"""The evidential head: evidence from raw values, and the Dirichlet's mean."""

import math

import pytest
import torch

from textbcs.models.textbcs.evidential import evidence_of, expected_probability, first_biases


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


@pytest.mark.parametrize("share", [0.5, 0.1, 0.016, 0.01, 0.001])
@pytest.mark.parametrize("gain", [1.0, 32.0])
def test_first_biases_give_the_share_with_next_to_no_evidence_of_tumour(share, gain):
    evidence = evidence_of(first_biases(share, gain), gain)
    assert evidence[1].item() == pytest.approx(0.04, rel=1e-4)
    p = expected_probability(evidence.view(1, 2, 1, 1))[0, 1, 0, 0]
    assert p.item() == pytest.approx(share, rel=1e-4)
