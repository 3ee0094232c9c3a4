"""Logistic regression for a few features and a few dozen cases: penalised, and with signs that are known."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def probability(x: Array, coefficients: Array, intercept: float) -> Array:
    """Probability of a yes, (n,) in (0, 1), from features (n, f)."""
    from scipy.special import expit

    return np.asarray(expit(x @ coefficients + intercept))


def fit_logistic(x: Array, yes: NDArray[np.bool_], penalty: float) -> tuple[Array, float]:
    """The coefficients (f,), none above 0, and the intercept that minimise the penalised loss.

    That is the sum of the cases' -ln p(own answer) and `penalty` / 2 times the sum of the squared
    coefficients; the intercept is free. Features speak for a no or say nothing: where a few cases seem to
    tell the opposite, that is chance. The loss is strictly convex, so the minimum is one.

    Args:
        x: (n, f), features on a common scale.
        yes: (n,), the answers; both must occur.
        penalty: above 0.

    Raises:
        ValueError: one answer alone occurs, or a value is not finite.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    if yes.all() or not yes.any() or not np.isfinite(x).all():
        raise ValueError("a logistic regression needs both answers and finite features")
    wide = np.column_stack([x, np.ones(len(x))])
    sign = np.where(yes, 1.0, -1.0)
    ridge = np.append(np.full(x.shape[1], penalty), 0.0)

    def loss(b: Array) -> tuple[float, Array]:
        z = sign * (wide @ b)
        value = float(np.logaddexp(0, -z).sum() + (ridge * b * b).sum() / 2)
        return value, np.asarray(-wide.T @ (sign * expit(-z)) + ridge * b)

    bounds = [(None, 0.0)] * x.shape[1] + [(None, None)]
    start, limits = np.zeros(wide.shape[1]), {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=limits)
    return np.asarray(found.x[:-1]), float(found.x[-1])
