"""The regression against its optimality conditions, scipy's other minimiser and a closed form."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from textbcs.prompt_check.logistic import fit_logistic, probability


@pytest.fixture
def drawn():
    """Two features that speak for a no, one that says nothing, and one that speaks for a yes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4))
    yes = rng.random(60) < 1 / (1 + np.exp(-(x @ [-2.0, -1.0, 0.0, 1.5] + 0.7)))
    return x, yes


def penalised(b, x, yes, penalty):
    z = x @ b[:-1] + b[-1]
    return np.log1p(np.exp(np.where(yes, -z, z))).sum() + penalty / 2 * (b[:-1] ** 2).sum()


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_what_speaks_for_a_no_is_weighed_as_without_bounds(drawn, penalty: float) -> None:
    x, yes = drawn
    x = x[:, :2]
    coefficients, intercept = fit_logistic(x, yes, penalty)
    other = minimize(penalised, np.zeros(3), (x, yes, penalty), method="BFGS", tol=1e-10)
    assert np.append(coefficients, intercept) == pytest.approx(other.x, abs=1e-4)
    assert (coefficients < 0).all()


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_nothing_within_the_bounds_is_better(drawn, penalty: float) -> None:
    x, yes = drawn
    coefficients, intercept = fit_logistic(x, yes, penalty)
    best = np.append(coefficients, intercept)
    assert coefficients.max() <= 0
    assert coefficients[3] == 0  # it speaks for a yes
    least = penalised(best, x, yes, penalty)
    rng = np.random.default_rng(4)
    for size in (1e-3, 1e-2, 0.3):
        for _ in range(100):
            other = best + size * rng.normal(size=5)
            other[:4] = np.minimum(other[:4], 0)
            assert penalised(other, x, yes, penalty) > least


def test_the_intercept_is_not_penalised(drawn) -> None:
    x, yes = drawn
    coefficients, intercept = fit_logistic(x, yes, 1e9)
    assert coefficients == pytest.approx(np.zeros(4), abs=1e-6)
    share = yes.mean()
    assert intercept == pytest.approx(np.log(share / (1 - share)), abs=1e-4)
    assert probability(x, coefficients, intercept) == pytest.approx(np.full(60, share), abs=1e-4)


def test_separable_cases_end_at_the_penaltys_closed_form() -> None:
    """x = 1, -1 with answers no, yes: 2 sigma(b) = - penalty b, intercept 0."""
    coefficients, intercept = fit_logistic(np.array([[1.0], [-1.0]]), np.array([False, True]), 0.5)
    expected = brentq(lambda b: 2 / (1 + np.exp(-b)) + 0.5 * b, -10, 0)
    assert coefficients[0] == pytest.approx(expected, abs=1e-5)
    assert intercept == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("x", "yes"), [([[1.0], [2.0]], [True, True]), ([[1.0], [np.nan]], [True, False])]
)
def test_what_cannot_be_fitted_is_refused(x, yes) -> None:
    with pytest.raises(ValueError, match="both answers and finite features"):
        fit_logistic(np.array(x), np.array(yes), 1.0)
