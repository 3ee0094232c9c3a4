"""How much of a result is the patients and how much the seed, and how firm a ranking is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VarianceSplit:
    """Crossed random effects of a (patients, seeds) table without replicates.

    Attributes:
        patient: variance between patients.
        seed: variance between seeds that all patients share.
        residual: the rest: what a seed does to single patients.
        patients: their number.
        seeds: their number.
    """

    patient: float
    seed: float
    residual: float
    patients: int
    seeds: int

    @property
    def run_to_run_sd(self) -> float:
        """Standard deviation of the mean over these patients from one training to another."""
        return math.sqrt(self.seed + self.residual / self.patients)


def split_variance(values: NDArray[np.float64]) -> VarianceSplit:
    """Method of moments on the two-way table; a negative estimate is 0.

    Args:
        values: (patients, seeds), a patient's mean in each run; at least two of each.

    Raises:
        ValueError: fewer.
    """
    patients, seeds = values.shape
    if patients < 2 or seeds < 2:
        raise ValueError(f"{patients} patients and {seeds} seeds: a variance needs two of each")
    by_patient, by_seed = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_patient[:, None] - by_seed[None, :] + values.mean()
    residual = float((rest**2).sum() / ((patients - 1) * (seeds - 1)))
    return VarianceSplit(
        patient=max(0.0, float(by_patient.var(ddof=1)) - residual / seeds),
        seed=max(0.0, float(by_seed.var(ddof=1)) - residual / patients),
        residual=residual,
        patients=patients,
        seeds=seeds,
    )


def ranks(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks of methods over the last axis, 1 for the highest; equal methods share the better rank."""
    higher = (means[..., None, :] > means[..., :, None]).sum(axis=-1)
    return np.asarray(higher + 1, dtype=np.int64)


def rank_probabilities(
    values: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """How often each method takes each rank when patients are resampled.

    Args:
        values: (patients, methods), higher is better, without NaN.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        (methods, methods): the share of the samples in which the row's method has the column's rank
        less one; each row sums to 1.
    """
    patients, methods = values.shape
    weights = np.full(patients, 1 / patients)
    drawn = np.random.default_rng(seed).multinomial(patients, weights, resamples)
    # Not a matrix product: equal methods must have equal sums, to the last bit.
    found = ranks(np.einsum("bp,pm->bm", drawn, values))
    return np.stack([(found == rank).mean(axis=0) for rank in range(1, methods + 1)], axis=1)
