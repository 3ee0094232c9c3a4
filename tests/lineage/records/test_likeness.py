"""Attack 109: a test image in the training set, changed so that no exact hash finds it."""

from collections.abc import Callable

import numpy as np
import pytest

from textbcs.lineage.records.likeness import ALIKE, alike, grids

Change = Callable[[np.ndarray], np.ndarray]


def smooth(count: int, size: int = 48) -> np.ndarray:
    """Images with the structure of a body: a few broad waves, each its own."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [
        sum(
            generator.normal() * np.cos(2 * np.pi * (a * x + b * y) + generator.uniform(0, 6))
            for a in range(4)
            for b in range(4)
        )
        for _ in range(count)
    ]
    images = np.stack(waves)
    return ((images - images.min()) / np.ptp(images)).astype(np.float16)


def one_unit(images: np.ndarray) -> np.ndarray:
    changed = images.copy()
    changed[:, 7, 7] = np.nextafter(changed[:, 7, 7], np.float16(2))
    return changed


COPIES: dict[str, Change] = {
    "a unit in the last place": one_unit,
    "noise": lambda images: images + np.random.default_rng(0).normal(0, 0.005, images.shape),
    "brighter": lambda images: images * 1.02 + 0.01,
    "other type": lambda images: images.astype(np.float32),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_changed_copy_is_alike_and_no_other_image_is(copy: str) -> None:
    images = smooth(30)
    changed = COPIES[copy](images)
    assert copy == "other type" or not (changed == images).all(axis=(1, 2)).any()
    found = list(alike(grids(images), grids(changed)))
    assert [(one, other) for one, other, _ in found] == [(number, number) for number in range(30)]
    assert all(0 <= apart < ALIKE for _, _, apart in found)


def test_constant_images_and_other_sizes_say_nothing() -> None:
    flat = np.ones((3, 48, 48), np.float16)
    assert list(alike(grids(flat), grids(flat))) == []
    assert list(alike(grids(smooth(2, 48)), grids(smooth(2, 30)))) == []
    small = np.random.default_rng(1).random((2, 4, 4))
    assert [place[:2] for place in alike(grids(small), grids(small))] == [(0, 0), (1, 1)]
