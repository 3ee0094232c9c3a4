import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from textbcs.evaluation.metrics import overlap

MASKS = arrays(bool, (6, 7))


@given(MASKS, MASKS)
def test_overlap_agrees_with_sets_of_pixels(predicted: np.ndarray, reference: np.ndarray) -> None:
    found = {tuple(p) for p in np.argwhere(predicted)}
    there = {tuple(p) for p in np.argwhere(reference)}
    counts = overlap.count(predicted, reference)
    assert (counts.true_positive, counts.false_positive) == (len(found & there), len(found - there))
    assert (counts.false_negative, sum(vars(counts).values())) == (len(there - found), 42)
    if found | there:
        assert overlap.dice(counts) == 2 * len(found & there) / (len(found) + len(there))
        assert overlap.iou(counts) == len(found & there) / len(found | there)
        # The two are one quantity: IoU = D / (2 - D).
        assert overlap.iou(counts) == pytest.approx(
            overlap.dice(counts) / (2 - overlap.dice(counts))
        )


def test_empty_masks() -> None:
    empty, some = np.zeros((3, 3)), np.eye(3)
    both = overlap.count(empty, empty)
    assert np.isnan(overlap.dice(both))
    assert np.isnan(overlap.iou(both))
    assert (both.true_positive, both.false_positive, both.false_negative) == (0, 0, 0)
    for predicted, reference in ((some, empty), (empty, some)):
        counts = overlap.count(predicted, reference)
        assert (overlap.dice(counts), overlap.iou(counts)) == (0, 0)


def test_a_shifted_square_has_the_exact_value() -> None:
    reference, predicted = np.zeros((20, 20)), np.zeros((20, 20))
    reference[5:11, 5:11] = 1
    predicted[5:11, 8:14] = 1
    counts = overlap.count(predicted, reference)
    assert overlap.dice(counts) == 0.5
    assert overlap.iou(counts) == pytest.approx(1 / 3)


def test_background_is_the_metric_of_the_complements() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random((9, 9)) > 0.6, rng.random((9, 9)) > 0.6
    assert overlap.background(overlap.count(one, two)) == overlap.count(~one, ~two)


def test_pooled_is_the_metric_of_all_pixels_together() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.random((4, 9, 9)) > 0.7, rng.random((4, 9, 9)) > 0.7
    each = [list(vars(overlap.count(a, b)).values()) for a, b in zip(one, two, strict=True)]
    assert overlap.pooled(each) == overlap.count(one, two)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        overlap.count(np.zeros((2, 3)), np.zeros((3, 2)))
