"""The coverage simulation: its truths are the means of its draws, its limits scipy's."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from textbcs.base.io import read_json

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_benchmark", BENCHMARKS / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["dice", "difference", "difference_rescues"])
def test_the_true_mean_is_the_mean_of_the_draws(coverage: ModuleType, name: str) -> None:
    draw, truth = coverage.QUANTITIES[name]
    values = draw(np.random.default_rng(1), 400, 100)
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(values.size))


def test_its_limits_are_those_of_scipys_bootstrap(coverage: ModuleType) -> None:
    values = coverage.dice(np.random.default_rng(2), 1, 32)
    low, high = coverage.intervals(values, 20_000, np.random.default_rng(3))[0]
    other = stats.bootstrap((values[0],), np.mean, n_resamples=20_000, rng=4).confidence_interval
    width = other.high - other.low
    assert (low, high) == pytest.approx((other.low, other.high), abs=0.05 * width)


def test_the_recorded_coverage_is_what_was_asked_for() -> None:
    recorded = read_json(BENCHMARKS / "results/coverage.json")
    assert recorded["simulations"] >= 2000
    for run in recorded["runs"]:
        low, high = {32: (0.91, 0.97), 184: (0.93, 0.97)}[run["patients"]]
        if run["quantity"] != "difference_rescues":  # the hard case may fall short, and is printed
            assert low <= run["coverage"] <= high
