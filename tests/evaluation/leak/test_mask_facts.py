"""Facts of masks that are drawn by hand."""

import math

import numpy as np
import pytest

from textbcs.evaluation.leak.mask_facts import (
    ALL,
    FACTS,
    Limits,
    Measured,
    classes,
    fit_limits,
    measure,
)

SPACING = (2.0, 1.0)


def box(*corners: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((10, 20), np.uint8)
    for top, bottom, left, right in corners:
        mask[top:bottom, left:right] = 1
    return mask


def test_what_is_measured() -> None:
    one = measure(box((4, 6, 12, 15)), SPACING, 9.5, 1.0)
    assert one == Measured(side=1, area_mm2=12.0, number=1, solidity=1.0, row=0.45)
    two = measure(box((4, 6, 12, 15), (0, 2, 2, 9)), SPACING, 9.5, 1.0)
    assert (two.side, two.area_mm2, two.number) == (-1, 12.0 + 28.0, 2)
    assert two.row == pytest.approx((6 * 4.5 + 14 * 0.5) / 20 / 10)
    assert measure(box((4, 6, 12, 15)), SPACING, math.nan, 1.0).side == 0


def test_small_components_count_only_where_all_are_small() -> None:
    mask = box((4, 6, 12, 15), (0, 1, 2, 3))
    assert measure(mask, SPACING, 9.5, 5.0).number == 1
    assert measure(mask, SPACING, 9.5, 500.0).number == 2


def test_an_outline_that_is_not_convex_is_less_solid() -> None:
    corner = box((0, 8, 0, 2), (6, 8, 0, 8))
    assert measure(corner, SPACING, 9.5, 1.0).solidity < 0.8


def test_classes_are_thirds_and_halves_of_those_that_were_learned_from() -> None:
    made = [Measured(1, 10.0 * n, 1 + n % 2, n / 10, n / 10) for n in range(1, 10)]
    limits = fit_limits(made)
    areas = [classes(one, limits)["area"][0] for one in made]
    assert areas == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [classes(one, limits)["depth"][0] for one in made] == areas
    assert [classes(one, limits)["outline"][0] for one in made] == [0] * 5 + [1] * 4
    assert [classes(one, limits)["number"][0] for one in made] == [1, 0] * 4 + [1]
    found = classes(made[0], limits)
    assert found[ALL] == tuple(found[name][0] for name in FACTS[:3])


def test_a_limit_belongs_to_the_lower_class() -> None:
    limits = Limits(area_mm2=(10.0, 20.0), row=(0.3, 0.6), solidity=(0.9,))
    found = classes(Measured(-1, 10.0, 1, 0.9, 0.6), limits)
    assert [found[name][0] for name in FACTS] == [-1, 0, 0, 0, 1]
