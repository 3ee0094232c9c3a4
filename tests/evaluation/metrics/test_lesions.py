import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from textbcs.evaluation.metrics.lesions import LesionCounts, count_lesions

MASKS = arrays(bool, (7, 8))


def components(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """8-connected components by flooding, without a library."""
    left, found = {tuple(map(int, p)) for p in np.argwhere(mask)}, []
    while left:
        grown, edge = set(), {left.pop()}
        while edge:
            grown |= edge
            near = {(r + a, c + b) for r, c in edge for a in (-1, 0, 1) for b in (-1, 0, 1)}
            edge = near & left
            left -= edge
        found.append(grown)
    return found


@given(MASKS, MASKS)
def test_agrees_with_flooding(predicted: np.ndarray, reference: np.ndarray) -> None:
    found = count_lesions(predicted, reference, 2, 0.5)  # two pixels at least
    pixels = {tuple(map(int, p)) for p in np.argwhere(predicted)}
    true = {tuple(map(int, p)) for p in np.argwhere(reference)}
    lesions = [c for c in components(reference) if len(c) >= 2]
    drawn = [c for c in components(predicted) if len(c) >= 2]
    assert found == LesionCounts(
        lesions=len(lesions),
        lesions_found=sum(2 * len(c & pixels) >= len(c) for c in lesions),
        components=len(drawn),
        false_components=sum(not c & true for c in drawn),
    )


def two_lesions() -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[2:6, 2:6] = mask[12:16, 12:16] = True
    return mask


def test_one_found_one_missed_one_false() -> None:
    predicted = np.zeros((20, 20), bool)
    predicted[2:4, 2:6] = predicted[2:5, 15:18] = True
    found = count_lesions(predicted, two_lesions(), 5, 0.5)
    assert found == LesionCounts(2, 1, 2, 1)
    # The same half of a lesion is too little where more is asked.
    assert count_lesions(predicted, two_lesions(), 5, 0.6).lesions_found == 0


def test_a_single_pixel_suffices_at_no_minimum() -> None:
    predicted = np.zeros((20, 20), bool)
    predicted[2, 2] = True
    assert count_lesions(predicted, two_lesions(), 0, 0.0).lesions_found == 1
    assert count_lesions(np.zeros((20, 20)), two_lesions(), 0, 0.0).lesions_found == 0


def test_touching_a_lesion_too_small_to_count_is_not_false() -> None:
    reference, predicted = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    reference[4, 4] = True
    predicted[3:6, 3:6] = True
    assert count_lesions(predicted, reference, 4, 0.1) == LesionCounts(0, 0, 1, 0)


def test_corners_connect_and_small_specks_do_not_count() -> None:
    mask = np.eye(4, dtype=bool)
    assert count_lesions(mask, mask, 4, 0.1) == LesionCounts(1, 1, 1, 0)
    assert count_lesions(mask, mask, 5, 0.1) == LesionCounts(0, 0, 0, 0)


@pytest.mark.parametrize("shape", [(5, 5), (1, 1)])
def test_nothing_at_all(shape: tuple[int, int]) -> None:
    assert count_lesions(np.zeros(shape), np.zeros(shape), 1, 0.1) == LesionCounts(0, 0, 0, 0)
