"""How far a predicted tumour volume is from the true one: bias and limits of agreement (Bland and Altman).

The limits hold the middle 95 % of patients' errors if these are normally distributed: mean - 1.96 and
mean + 1.96 standard deviations. They are no interval of the mean.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

WIDTH = 1.96  # standard deviations; 95 % of a normal distribution


@dataclass(frozen=True)
class Agreement:
    """Errors in ml: their mean, the limits of agreement (NaN for fewer than two patients), and patients."""

    bias: float
    low: float
    high: float
    patients: int


def agreement(predicted_ml: ArrayLike, reference_ml: ArrayLike) -> Agreement:
    """Bias and limits of agreement of predicted against true volumes.

    Args:
        predicted_ml: (patients,).
        reference_ml: (patients,).
    """
    errors = np.asarray(predicted_ml, np.float64) - np.asarray(reference_ml, np.float64)
    bias = float(errors.mean()) if len(errors) else math.nan
    if len(errors) < 2:
        return Agreement(bias, math.nan, math.nan, len(errors))
    spread = WIDTH * float(errors.std(ddof=1))
    return Agreement(bias, bias - spread, bias + spread, len(errors))
