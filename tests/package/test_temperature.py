"""The temperature of whole volumes' codes against the one that slices are given."""

import numpy as np
import pytest

from textbcs.package.temperature import count, fit


def made(temperature: float, voxels: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a network that is overconfident by this factor, and the truth."""
    draw = np.random.default_rng(2)
    odds = draw.normal(0, 1.5, voxels)
    truth = draw.random(voxels) < 1 / (1 + np.exp(-odds))
    p = 1 / (1 + np.exp(-odds * temperature))
    return np.minimum(np.floor(256 * p), 255).astype(np.uint8).reshape(2, 100, -1), truth.reshape(
        2, 100, -1
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    assert fit(count([made(temperature)])) == pytest.approx(temperature, rel=0.03)


def test_cases_are_counted_together() -> None:
    codes, truth = made(2.0)
    whole = count([(codes, truth)])
    assert np.array_equal(count(zip(codes, truth, strict=True)), whole)
    assert whole.sum() == codes.size
    assert whole[1, 7] == np.count_nonzero(truth & (codes == 7))


def test_sure_voxels_say_nothing() -> None:
    codes, truth = made(2.0)
    counts = count([(codes, truth)])
    more = counts.copy()
    more[:, [0, 255]] += 10**9
    assert fit(more) == fit(counts)


@pytest.mark.parametrize("truth", [0, 1])
def test_without_both_classes_nothing_is_changed(truth: int) -> None:
    counts = np.zeros((2, 256), dtype=np.int64)
    counts[truth, 100] = 5
    assert fit(counts) == 1.0
