"""The four uncertainty maps against Monte Carlo, scipy and the equations' identities."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet, entropy

from textbcs.models.textbcs.evidential import evidence_of, expected_probability, uncertainty


def maps(*alpha: float):
    evidence = torch.tensor(alpha, dtype=torch.float64).reshape(1, -1, 1, 1) - 1
    return {name: float(value) for name, value in vars(uncertainty(evidence)).items()}


@pytest.mark.parametrize("alpha", [(1.0, 1.0), (1.0, 4.0), (2.5, 1.0, 7.0), (30.0, 50.0)])
def test_maps_equal_monte_carlo(alpha):
    rng = np.random.default_rng(3)
    samples = rng.dirichlet(alpha, 200_000)
    found = maps(*alpha)
    assert found["entropy"] == pytest.approx(entropy(dirichlet.mean(alpha)), abs=1e-6)
    assert found["expected_entropy"] == pytest.approx(entropy(samples.T).mean(), abs=3e-3)
    gain = found["entropy"] - found["expected_entropy"]
    assert found["mutual_information"] == pytest.approx(gain, abs=1e-6)
    assert found["vacuity"] == pytest.approx(len(alpha) / sum(alpha))


def test_no_evidence_is_full_vacuity():
    """alpha = 1: u = 1 (eq. 11), and the entropy of a coin; E[H] of a uniform Beta is 1/2 nat."""
    found = maps(1.0, 1.0)
    assert found["vacuity"] == 1
    assert found["entropy"] == pytest.approx(math.log(2))
    assert found["expected_entropy"] == pytest.approx(0.5)


def test_conflict_keeps_entropy_and_loses_vacuity():
    found = maps(5001.0, 5001.0)
    assert found["vacuity"] < 1e-3
    assert found["entropy"] == pytest.approx(math.log(2))
    assert found["mutual_information"] < 1e-3


def test_maps_are_finite_and_not_negative_at_any_evidence():
    evidence = torch.tensor([0.0, 1e-6, 1.0, 1e4, 1e8])
    grid = torch.stack(torch.meshgrid(evidence, evidence, indexing="ij"))[None]
    for name, values in vars(uncertainty(grid)).items():
        assert values.dtype == torch.float32
        assert values.isfinite().all(), name
        assert (values >= 0).all(), name


def test_belief_and_vacuity_sum_to_one_and_mean_is_alpha_over_strength():
    """Equation 10, and p = b + u / C."""
    evidence = evidence_of(torch.randn(2, 2, 3, 3), gain=4.0)
    strength = (evidence + 1).sum(1)
    vacuity = uncertainty(evidence).vacuity
    torch.testing.assert_close((evidence / strength[:, None]).sum(1) + vacuity, torch.ones(2, 3, 3))
    p = expected_probability(evidence)
    torch.testing.assert_close(p, evidence / strength[:, None] + vacuity[:, None] / 2)


def test_gain_multiplies_before_softplus():
    z = torch.tensor([-200.0, 0.0, 200.0])
    assert evidence_of(z, 8.0).tolist() == pytest.approx([0.0, math.log(2), 1600.0])
    assert evidence_of(z.to(torch.bfloat16), 8.0).dtype == torch.float32
