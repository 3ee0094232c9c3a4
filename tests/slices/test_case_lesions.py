"""What a volume's mask says of its lesions, against boxes whose facts are known."""

import numpy as np
import pytest

from textbcs.slices.case_lesions import Case, measure_case

SPACING = (4.0, 2.0, 2.0)  # a voxel has 16 mm³


def volume(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros((8, 20, 20), np.uint8)
    for box in boxes:
        mask[box] = 1
    return mask


LARGE = (slice(1, 4), slice(2, 8), slice(12, 18))  # 3 x 6 x 6 voxels at the greater columns
SMALL = (slice(6, 7), slice(2, 4), slice(2, 4))  # 4 voxels at the smaller ones


def test_the_largest_lesion_gives_side_size_and_shape() -> None:
    found = measure_case(volume(LARGE, SMALL), SPACING, 9.5, 0.0)
    assert found is not None
    assert (found.number, found.volume_mm3, found.side) == (2, 108 * 16.0, "left")
    assert found.solidity == pytest.approx(1.0)
    assert found.eccentricity == pytest.approx(0.0, abs=1e-6)


def test_small_components_do_not_count() -> None:
    found = measure_case(volume(LARGE, SMALL), SPACING, 9.5, 65.0)
    assert found is not None
    assert found.number == 1
    assert measure_case(volume(SMALL), SPACING, 9.5, 65.0) is None
    assert measure_case(volume(SMALL), SPACING, 9.5, 64.0) is not None
    assert measure_case(volume(), SPACING, 9.5, 0.0) is None


def test_voxels_that_touch_at_a_corner_are_one_lesion() -> None:
    corner = volume(
        (slice(0, 1), slice(0, 1), slice(0, 1)), (slice(1, 2), slice(1, 2), slice(1, 2))
    )
    found = measure_case(corner, SPACING, 9.5, 0.0)
    assert found is not None
    assert found.number == 1


@pytest.mark.parametrize(
    ("sides", "expected"), [("patient", "right"), ("image", "left"), ("none", "")]
)
def test_sides_mean_what_the_cohort_says(sides: str, expected: str) -> None:
    found = measure_case(volume(SMALL), SPACING, 9.5, 0.0, sides)
    assert found is not None
    assert found.side == expected


def test_the_shape_is_that_of_the_largest_cross_section() -> None:
    long = volume((slice(2, 3), slice(4, 6), slice(2, 18)), (slice(3, 4), slice(4, 6), slice(4, 6)))
    found = measure_case(long, SPACING, 9.5, 0.0)
    # The variance of n neighbouring pixel centres is (n² - 1) / 12.
    assert found is not None
    assert found.eccentricity == pytest.approx(np.sqrt(1 - (2**2 - 1) / (16**2 - 1)), abs=1e-6)


def test_of_two_equally_large_lesions_the_first_counts() -> None:
    twin = volume(
        (slice(0, 1), slice(0, 2), slice(0, 2)), (slice(4, 5), slice(0, 2), slice(15, 17))
    )
    found = measure_case(twin, SPACING, 9.5, 0.0)
    assert isinstance(found, Case)
    assert found.side == "right"
