"""The uncertainty maps against Monte Carlo, scipy and the equations' identities."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet, entropy

from textbcs.prediction.dirichlet import (
    GREATEST,
    binary_entropy,
    ensemble,
    expected_probability,
    uncertainty,
)


def maps(*alpha: float) -> dict[str, float]:
    evidence = np.asarray(alpha).reshape(1, -1, 1, 1) - 1
    return {name: float(value.squeeze()) for name, value in vars(uncertainty(evidence)).items()}


@pytest.mark.parametrize(
    "alpha", [(1.0, 1.0), (1.0, 4.0), (2.5, 1.0, 7.0), (30.0, 50.0), (1.2, 1.1)]
)
def test_maps_equal_monte_carlo(alpha: tuple[float, ...]) -> None:
    samples = np.random.default_rng(3).dirichlet(alpha, 200_000)
    found = maps(*alpha)
    assert found["entropy"] == pytest.approx(entropy(dirichlet.mean(alpha)), abs=1e-6)
    each = entropy(samples.T)
    error = 5 * each.std() / math.sqrt(len(each))
    assert found["expected_entropy"] == pytest.approx(each.mean(), abs=error)
    assert found["vacuity"] == pytest.approx(len(alpha) / sum(alpha))
    # Mutual information is also the mean divergence of a sample from the mean.
    divergence = entropy(samples.T, dirichlet.mean(alpha)[:, None]).mean()
    assert found["mutual_information"] == pytest.approx(divergence, abs=error)


def test_no_evidence_is_full_vacuity() -> None:
    """alpha = 1: u = 1 (eq. 11), and the entropy of a coin; E[H] of a uniform Beta is 1/2 nat."""
    found = maps(1.0, 1.0)
    assert found["vacuity"] == 1
    assert found["entropy"] == pytest.approx(math.log(2))
    assert found["expected_entropy"] == pytest.approx(0.5)
    assert found["mutual_information"] == pytest.approx(math.log(2) - 0.5)


def test_conflict_keeps_entropy_and_loses_vacuity() -> None:
    found = maps(5001.0, 5001.0)
    assert found["vacuity"] < 1e-3
    assert found["entropy"] == pytest.approx(math.log(2))
    assert found["mutual_information"] < 1e-3


def test_maps_are_finite_and_not_negative_at_any_evidence() -> None:
    evidence = np.array([0.0, 1e-6, 1.0, 1e4, GREATEST, 1e8])
    grid = np.stack(np.meshgrid(evidence, evidence, indexing="ij"))[None]
    for name, values in vars(uncertainty(grid)).items():
        assert values.dtype == np.float32
        assert values.shape == (1, 6, 6)
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name


def test_belief_and_vacuity_sum_to_one_and_mean_is_alpha_over_strength() -> None:
    """Equation 10, and p = b + u / C; a tensor is as good as an array."""
    evidence = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(0)) * 20
    belief = evidence.numpy() / (evidence.numpy() + 1).sum(1, keepdims=True)
    vacuity = uncertainty(evidence).vacuity
    np.testing.assert_allclose(belief.sum(1) + vacuity, 1, rtol=1e-6)
    p = expected_probability(evidence)
    np.testing.assert_allclose(p, belief + vacuity[:, None] / 2, rtol=1e-6)
    np.testing.assert_allclose(binary_entropy(p[:, 1]), uncertainty(evidence).entropy, rtol=1e-5)


def test_evidence_that_was_stored_as_float16_gives_nearly_the_same_maps() -> None:
    evidence = np.random.default_rng(1).gamma(0.5, 200, (1, 2, 40, 40))
    stored = np.minimum(evidence, GREATEST).astype(np.float16)
    for name, values in vars(uncertainty(evidence)).items():
        np.testing.assert_allclose(getattr(uncertainty(stored), name), values, rtol=0.02, atol=1e-3)


def test_entropy_of_a_probability() -> None:
    found = binary_entropy([0.0, 0.5, 1.0, 0.2])
    assert found == pytest.approx([0, math.log(2), 0, entropy([0.2, 0.8])])


def test_an_ensemble_that_agrees_has_no_mutual_information() -> None:
    same = ensemble(np.full((4, 2, 3), 0.3))
    assert same["mutual_information"] == pytest.approx(np.zeros((2, 3)), abs=1e-6)
    apart = ensemble(np.stack([np.zeros((1, 2)), np.ones((1, 2))]))
    assert apart["entropy"] == pytest.approx(np.full((1, 2), math.log(2)))
    assert apart["expected_entropy"] == pytest.approx(np.zeros((1, 2)))
