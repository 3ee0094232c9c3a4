"""Planes of a series: one regular axial stack, or the true reason why not."""

from collections.abc import Sequence

import pytest

from textbcs.imaging.planes import Plane, SeriesError, check_planes

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def stack(
    heights: Sequence[float], orientation: tuple[float, ...] = AXIAL, axis: int = 2
) -> list[Plane]:
    planes = []
    for height in heights:
        position = [0.0, 0.0, 0.0]
        position[axis] = height
        planes.append(Plane(orientation, (position[0], position[1], position[2]), (1, 1), 8, 8))
    return planes


def reason(planes: Sequence[Plane]) -> str:
    with pytest.raises(SeriesError) as error:
        check_planes(planes, 0.05)
    return str(error.value)


def test_planes_are_ordered_along_their_normal() -> None:
    assert list(check_planes(stack([4, 0, 2, 6]), 0.05)) == [1, 2, 0, 3]


def test_sagittal_and_coronal_are_called_so() -> None:
    assert reason(stack([0, 2, 4], SAGITTAL, 0)) == "sagittal: only axial series are read"
    assert reason(stack([0, 2, 4], CORONAL, 1)) == "coronal: only axial series are read"


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ([0.0], "fewer than two slices"),
        ([0, 2, 4] * 4, "several phases in one series: 4 slices at each of 3 positions"),
        # Rounded by another program, the phases are a hundredth of a millimetre apart.
        (
            [0, 2, 4, 0.01, 2.01, 4.01],
            "several phases in one series: 2 slices at each of 3 positions",
        ),
        ([1, 1], "several phases in one series: 2 slices at each of 1 positions"),
        ([0, 2, 4, 4, 6], "several slices at one position (1 of 4 positions)"),
        ([0, 2, 6, 8], "missing slice or uneven distance: 4.00 mm, not 2.00"),
        # One far slice is an uneven distance, not slices at one position.
        ([0, 2, 4, 6, 8, 500], "missing slice or uneven distance: 492.00 mm, not 2.00"),
    ],
)
def test_the_reason_is_the_true_one(heights: list[float], words: str) -> None:
    assert reason(stack(heights)) == words
