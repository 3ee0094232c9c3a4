import numpy as np
import pytest

from textbcs.prompts.derive import (
    Lesions,
    derive_prompt,
    measure_lesions,
    size_thresholds,
    size_word,
)

RULES = {"irregular_below_solidity": 0.85, "ellipse_above_eccentricity": 0.75}


def ellipse(
    rows: float, cols: float, centre: tuple[int, int] = (40, 40), size: int = 80
) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return ((y - centre[0]) / rows) ** 2 + ((x - centre[1]) / cols) ** 2 <= 1


def test_a_disc_has_its_area_and_no_eccentricity() -> None:
    lesions = measure_lesions(ellipse(15, 15), (0.5, 2.0), 10)
    assert lesions is not None
    assert lesions.area_mm2 == pytest.approx(np.pi * 15**2, rel=0.02)
    assert lesions.number == 1
    assert lesions.eccentricity < 0.1
    assert lesions.solidity > 0.95


def test_eccentricity_is_that_of_the_ellipse() -> None:
    lesions = measure_lesions(ellipse(10, 25), (1, 1), 1)
    assert lesions is not None
    assert lesions.eccentricity == pytest.approx(np.sqrt(1 - (10 / 25) ** 2), abs=0.01)


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (ellipse(15, 15), "round"),
        (ellipse(10, 25), "ellipse"),
        (ellipse(6, 25) | ellipse(25, 6), "irregular"),
    ],
)
def test_shape_words(mask: np.ndarray, word: str) -> None:
    lesions = measure_lesions(mask, (1, 1), 1)
    assert lesions is not None
    assert derive_prompt(lesions, "left", (10, 20), RULES).shape == word


def test_small_components_are_not_counted_and_the_largest_gives_the_shape() -> None:
    mask = ellipse(6, 20, (20, 40)) | ellipse(4, 4, (60, 20))
    mask[0, 0] = True
    lesions = measure_lesions(mask, (1, 1), 2)
    assert lesions is not None
    assert lesions.number == 2
    assert lesions.area_mm2 == mask.sum() - 1
    assert derive_prompt(lesions, "right", (10, 20), RULES).text == (
        "location right; shape ellipse; size large; number two"
    )


def test_diagonal_neighbours_are_one_component() -> None:
    lesions = measure_lesions(np.eye(6), (1, 1), 1)
    assert lesions is not None
    assert lesions.number == 1


def test_nothing_to_measure() -> None:
    assert measure_lesions(np.zeros((8, 8)), (1, 1), 1) is None
    assert measure_lesions(np.eye(8), (1, 1), 9) is None


def test_tertiles_divide_the_train_slices_in_thirds() -> None:
    areas = np.random.default_rng(1).permutation(np.arange(1.0, 301.0))
    thresholds = size_thresholds(list(areas))
    words = [size_word(area, thresholds) for area in areas]
    assert [words.count(word) for word in ("small", "medium", "large")] == [100, 100, 100]
    assert size_word(thresholds[0], thresholds) == "small"


def test_prompt_uses_the_given_side() -> None:
    assert derive_prompt(Lesions(5, 12, 0.99, 0.1), "left", (10, 20), RULES).number == "many"


def test_without_sides_a_prompt_has_no_location() -> None:
    lesions = Lesions(5, 1, 0.99, 0.1)
    found = derive_prompt(lesions, "", (10, 20), RULES)
    assert found.text == "shape round; size small; number one"
