import numpy as np
import pytest

from textbcs.slices.laterality import lesion_side, middle, midline


def torso(width: int, left_edge: int, right_edge: int) -> np.ndarray:
    volume = np.random.default_rng(0).random((4, 20, width)) * 0.02
    volume[:, 5:15, left_edge:right_edge] += 0.5
    return volume


@pytest.mark.parametrize(("first", "stop"), [(10, 90), (20, 60), (35, 99)])
def test_midline_is_the_middle_of_the_body_not_of_the_image(first: int, stop: int) -> None:
    assert midline(torso(100, first, stop)) == pytest.approx((first + stop - 1) / 2, abs=1)


def test_an_empty_volume_has_its_midline_in_the_middle() -> None:
    assert midline(np.zeros((2, 4, 9))) == 4


def mask_at(*columns: int) -> np.ndarray:
    mask = np.zeros((20, 40), np.uint8)
    for column in columns:
        mask[8:11, column - 1 : column + 2] = 1
    return mask


def test_larger_columns_are_the_patients_left() -> None:
    assert lesion_side(mask_at(30), 19.5, 1) == "left"
    assert lesion_side(mask_at(5, 12), 19.5, 1) == "right"
    assert lesion_side(mask_at(5, 30), 19.5, 1) == "both"


def test_small_components_do_not_count() -> None:
    mask = mask_at(30)
    mask[0, 2] = 1
    assert lesion_side(mask, 19.5, 2) == "left"
    assert lesion_side(mask, 19.5, 1) == "both"
    assert lesion_side(mask, 19.5, 10) is None


def test_of_the_image_as_seen_smaller_columns_are_left() -> None:
    assert lesion_side(mask_at(30), 19.5, 1, "image") == "right"
    assert lesion_side(mask_at(5), 19.5, 1, "image") == "left"
    assert lesion_side(mask_at(5, 30), 19.5, 1, "image") == "both"


def test_without_sides_lesions_anywhere_have_none() -> None:
    assert lesion_side(mask_at(5, 30), float("nan"), 1, "none") == ""
    assert lesion_side(mask_at(5, 30), float("nan"), 1000, "none") is None


def test_what_divides_left_and_right() -> None:
    body = torso(100, 20, 60)
    assert middle(body, "patient") == midline(body) == pytest.approx(39.5, abs=1)
    assert middle(body, "image") == 49.5
    assert np.isnan(middle(body, "none"))
