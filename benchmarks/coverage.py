"""How often the cluster bootstrap's 95 % interval holds the true mean, by simulation.

Cohorts of 32 patients (the phantom's test split) and 184 (the paper's fifth of 922) with 1 to 12 slices
each. Patients' Dice is skewed to the left with a tail of failures; slices scatter around their
patient's. Paired differences come twice: all alike, and (`difference_rescues`, a hard case on purpose)
small for most patients and large for one in twenty, whom one method alone finds. Each simulated cohort
gets the BCa limits of its patient means, resampling patients, and beside them Student's t limits.

    python benchmarks/coverage.py [--simulations 20000] [--resamples 2999]

Writes `benchmarks/results/coverage.json`. What a small cohort lacks to 0.95 is its shortfall.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from textbcs.base import io
from textbcs.evaluation.statistics.intervals import CONFIDENCE, bca

RESULT = Path(__file__).parent / "results/coverage.json"
# Cohort size -> the range that its coverage is expected in.
EXPECTED = {32: (0.91, 0.97), 184: (0.93, 0.97)}
CHUNK = 50

MOST_SLICES, SLICES_MEAN = 12, 4.2  # 775 test slices of 184 patients
FAILURES = 0.06  # share of patients whose lesion is all but missed
GOOD, BAD = (9.0, 2.4), (1.2, 8.0)  # Beta parameters of patients' Dice
SCATTER = 12.0  # Beta concentration of a patient's slices
GAIN, GAIN_SD = 0.02, 0.05  # paired difference of most patients, normal
RESCUED, RESCUE = (
    0.05,
    0.35,
)  # share of patients whom one method alone finds, and what that is worth

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]


def main() -> None:
    """Simulate and write the coverage of each cohort size and quantity."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--simulations", type=int, default=20_000)
    parser.add_argument("--resamples", type=int, default=2999)
    parser.add_argument("--seed", type=int, default=41)
    options = parser.parse_args()
    rows = []
    for patients in EXPECTED:
        for name, (draw, truth) in QUANTITIES.items():
            rng = np.random.default_rng([options.seed, patients, len(name)])
            row = {"quantity": name, "patients": patients, "true_mean": truth}
            row |= simulate(draw, truth, patients, options.simulations, options.resamples, rng)
            rows.append(row)
            print(io.canonical_json(row), flush=True)
    io.write_json(RESULT, {**vars(options), "confidence": CONFIDENCE, "runs": rows})


def simulate(
    draw: Draw,
    truth: float,
    patients: int,
    simulations: int,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Coverage of one quantity at one cohort size."""
    limits, student, skew = [], [], []
    for count in chunks(simulations):
        values = draw(rng, count, patients)
        limits.append(intervals(values, resamples, rng))
        error = values.std(axis=1, ddof=1) / np.sqrt(patients)
        reach = stats.t.ppf((1 + CONFIDENCE) / 2, patients - 1) * error
        mean = values.mean(axis=1)
        student.append(np.stack([mean - reach, mean + reach], axis=1))
        skew.append(stats.skew(values, axis=1))
    low, high = np.concatenate(limits).T
    covered = float(np.mean((low <= truth) & (truth <= high)))
    t_low, t_high = np.concatenate(student).T
    least, most = EXPECTED[patients]
    return {
        "coverage": covered,
        "standard_error": float(np.sqrt(covered * (1 - covered) / simulations)),
        "shortfall": CONFIDENCE - covered,
        "truth_below": float(np.mean(truth < low)),
        "truth_above": float(np.mean(truth > high)),
        "mean_width": float(np.mean(high - low)),
        "coverage_t": float(np.mean((t_low <= truth) & (truth <= t_high))),
        "mean_skewness": float(np.mean(np.concatenate(skew))),
        "expected": [least, most],
        "as_expected": least <= covered <= most,
    }


def intervals(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """BCa limits (cohorts, 2) of the means of values (cohorts, patients)."""
    patients = values.shape[1]
    # The cohorts of a chunk share their resamples: one matrix product instead of fifty.
    drawn = rng.multinomial(patients, np.full(patients, 1 / patients), resamples) / patients
    left_out = (values.sum(axis=1, keepdims=True) - values) / (patients - 1)
    return bca(values.mean(axis=1), values @ drawn.T, left_out, CONFIDENCE)


def dice(rng: np.random.Generator, cohorts: int, patients: int) -> NDArray[np.float64]:
    """Patients' mean Dice over their slices, (cohorts, patients)."""
    shape = (cohorts, patients)
    own = np.where(rng.random(shape) < FAILURES, rng.beta(*BAD, shape), rng.beta(*GOOD, shape))
    own = np.clip(own, 1e-3, 1 - 1e-3)[..., None]
    slices = rng.beta(own * SCATTER, (1 - own) * SCATTER, (*shape, MOST_SLICES))
    return mean_of_first(slices, slice_counts(rng, shape))


def difference(rng: np.random.Generator, cohorts: int, patients: int) -> NDArray[np.float64]:
    """Patients' mean paired difference over their slices, (cohorts, patients)."""
    return scattered(rng, rng.normal(GAIN, GAIN_SD, (cohorts, patients)))


def rescues(rng: np.random.Generator, cohorts: int, patients: int) -> NDArray[np.float64]:
    """The same, with a few patients whom one method alone finds."""
    shape = (cohorts, patients)
    found = RESCUE * (rng.random(shape) < RESCUED)
    return scattered(rng, rng.normal(GAIN, GAIN_SD, shape) + found)


def scattered(rng: np.random.Generator, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over slices that scatter around patients' own differences."""
    shape = own.shape
    slices = own[..., None] + rng.normal(0, 2 * GAIN_SD, (*shape, MOST_SLICES))
    return mean_of_first(slices, slice_counts(rng, shape))


def slice_counts(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Numbers of slices, 1 to 12."""
    return np.asarray(
        1 + rng.binomial(MOST_SLICES - 1, (SLICES_MEAN - 1) / (MOST_SLICES - 1), shape)
    )


def mean_of_first(slices: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the first `counts` entries of the last axis."""
    used = np.arange(slices.shape[-1]) < counts[..., None]
    return np.asarray((slices * used).sum(axis=-1) / counts)


def chunks(total: int) -> Iterator[int]:
    """Sizes of the chunks that make up `total`."""
    for start in range(0, total, CHUNK):
        yield min(CHUNK, total - start)


def beta_mean(parameters: tuple[float, float]) -> float:
    """Mean of a Beta distribution."""
    return parameters[0] / sum(parameters)


# Each quantity with its true mean over patients: a slice's expectation is its patient's value.
QUANTITIES: dict[str, tuple[Draw, float]] = {
    "dice": (dice, (1 - FAILURES) * beta_mean(GOOD) + FAILURES * beta_mean(BAD)),
    "difference": (difference, GAIN),
    "difference_rescues": (rescues, GAIN + RESCUED * RESCUE),
}


if __name__ == "__main__":
    main()
