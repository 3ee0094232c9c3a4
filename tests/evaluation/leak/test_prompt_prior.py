"""The prior without an image, with masks small enough to average by hand."""

import numpy as np
import pytest

from textbcs.evaluation.leak.prompt_prior import Words, learn

SMALL_LEFT, LARGE_LEFT, SMALL_RIGHT = ("left", "small"), ("left", "large"), ("right", "small")
SIZE = 4


def chain(words: Words) -> list[Words]:
    return [words, (words[0], ""), ("", "")]


def line(*columns: int) -> np.ndarray:
    """A mask whose first row is set at these columns."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0, list(columns)] = 1
    return mask


def test_means_thresholds_and_dice_by_hand() -> None:
    masks = np.stack([line(2), line(2, 3), line(2), line(0), line(1)])
    words = [SMALL_LEFT, SMALL_LEFT, SMALL_LEFT, SMALL_RIGHT, LARGE_LEFT]
    prior = learn(masks, [chain(one) for one in words])
    assert prior.means[SMALL_LEFT][0].tolist() == pytest.approx([0, 0, 1, 1 / 3])
    assert prior.means[("left", "")][0].tolist() == pytest.approx([0, 1 / 4, 3 / 4, 1 / 4])
    assert prior.means[("", "")][0].tolist() == pytest.approx([1 / 5, 1 / 5, 3 / 5, 1 / 5])
    # Above 1/3 pixel 2 alone is left: Dice 1, 2/3, 1, and 1 for the other two classes. Below, both
    # pixels: 2/3, 1, 2/3. The first threshold above 1/3 is 0.34.
    assert prior.threshold == 0.34
    assert prior.dice == pytest.approx((1 + 2 / 3 + 1 + 1 + 1) / 5)


def test_of_equal_thresholds_the_lowest_wins_and_the_threshold_is_exclusive() -> None:
    prior = learn(np.stack([line(1), line(1)]), [chain(SMALL_LEFT)] * 2)
    assert (prior.threshold, prior.dice) == (0.0, 1.0)
    assert prior.mask(chain(SMALL_LEFT)).sum() == 1


def test_dice_at_every_threshold_agrees_with_a_loop() -> None:
    generator = np.random.default_rng(5)
    masks = (generator.random((30, 6, 6)) < np.linspace(0, 0.8, 6)).astype(np.uint8)
    words = [(SMALL_LEFT, SMALL_RIGHT)[row % 2] for row in range(30)]
    prior = learn(masks, [chain(one) for one in words])

    def mean_dice(threshold: float) -> float:
        values = []
        for mask, key in zip(masks, words, strict=True):
            found = masks[[k == key for k in words]].mean(0) > threshold
            values.append(2 * (found & (mask > 0)).sum() / (found.sum() + mask.sum()))
        return float(np.mean(values))

    values = [mean_dice(step / 100) for step in range(100)]
    assert prior.dice == pytest.approx(max(values))
    assert prior.threshold == pytest.approx(int(np.argmax(values)) / 100)
    assert max(values) > values[0] + 0.01  # a threshold of 0 would not do


def test_few_slices_are_no_place() -> None:
    """Words of a single slice fall back to their side, where learning and where asked."""
    masks = np.stack([line(2), line(2), line(2), line(0)])
    words = [SMALL_LEFT, SMALL_LEFT, LARGE_LEFT, SMALL_RIGHT]
    prior = learn(masks, [chain(one) for one in words], fewest=2)
    assert set(prior.means) == {SMALL_LEFT, ("left", ""), ("", "")}
    assert prior.mask(chain(LARGE_LEFT)).tolist() == (line(2) > 0).tolist()
    # The right one gets the mean of all slices, which at threshold 0 has columns 0 and 2.
    assert prior.dice == pytest.approx((3 + 2 / 3) / 4)


def test_a_chain_that_repeats_itself_counts_a_slice_once() -> None:
    nothing, said = [("", "")] * 3, chain(SMALL_LEFT)
    prior = learn(np.stack([line(1), line(2), line(2)]), [nothing, said, said])
    assert prior.means[("", "")][0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 0])
