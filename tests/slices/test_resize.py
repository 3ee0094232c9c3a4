import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.slices.resize import SquareGrid, clip_to_unit


def test_nothing_to_do_changes_nothing() -> None:
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    grid = SquareGrid((32, 32), (1.5, 1.5), 32)
    assert grid.spacing == 1.5
    np.testing.assert_allclose(grid.image(image), image, atol=1e-6)
    np.testing.assert_array_equal(grid.mask(image > 0.5), image > 0.5)
    np.testing.assert_allclose(grid.to_native(image), image, atol=1e-6)


def test_halving_takes_the_pixels_between() -> None:
    # Pixel centres of the coarse grid lie on corners of the fine one; a linear ramp stays the ramp.
    ramp = np.add.outer(np.arange(16.0), 2 * np.arange(16.0))
    half = SquareGrid((16, 16), (1, 1), 8).image(ramp)
    expected = np.add.outer(2 * np.arange(8) + 0.5, 2 * (2 * np.arange(8) + 0.5))
    np.testing.assert_allclose(half[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-4)


def lesions(side: int, count: int = 40) -> list[np.ndarray]:
    """Ellipses anywhere in a slice, 3 to 20 pixels in radius."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:side, :side]
    found = []
    for _ in range(count):
        radius, flat = rng.uniform(3, 20), rng.uniform(0.6, 1)
        row, col = rng.uniform(0.35, 0.65, 2) * side
        found.append(((y - row) / flat) ** 2 + (x - col) ** 2 <= radius**2)
    return found


RATIOS = [(448, 224), (512, 256), (128, 96), (320, 224), (448, 256)]


@pytest.mark.parametrize(("side", "size"), RATIOS)
def test_the_spacing_decides_no_tie(side: int, size: int) -> None:
    """At 448 to 224 every centre lies on an edge; reckoned in millimetres, rounding would decide."""
    rng = np.random.default_rng(1)
    mask = rng.random((side, side)) < 0.5
    expected = SquareGrid((side, side), (1, 1), size).mask(mask)
    for spacing in rng.uniform(0.3, 1.2, 60):
        grid = SquareGrid((side, side), (spacing, spacing), size)
        np.testing.assert_array_equal(grid.mask(mask), expected)


@pytest.mark.parametrize(("side", "size"), RATIOS)
def test_a_mirrored_mask_gives_the_mirrored_result(side: int, size: int) -> None:
    mask = np.random.default_rng(2).random((side, side)) < 0.5
    grid = SquareGrid((side, side), (0.7, 0.7), size)
    for axis in (0, 1):
        np.testing.assert_array_equal(
            grid.mask(np.flip(mask, axis)), np.flip(grid.mask(mask), axis)
        )


@pytest.mark.parametrize(("side", "size"), RATIOS)
def test_areas_are_kept_on_average_and_masks_lie_where_images_do(side: int, size: int) -> None:
    grid = SquareGrid((side, side), (0.7, 0.7), size)
    ratios, away = [], []
    for lesion in lesions(side):
        square = grid.mask(lesion)
        ratios.append(square.sum() * (side / size) ** 2 / lesion.sum())
        image = grid.image(lesion.astype(float))
        weights = image / image.sum()
        there = [(weights.sum(1 - axis) * np.arange(size)).sum() for axis in (0, 1)]
        away.append(np.argwhere(square).mean(0) - there)
    assert abs(np.mean(ratios) - 1) < 0.015
    assert np.abs(np.mean(away, axis=0)).max() < 0.03  # was 1/6 pixel at 4:3, 1/2 at 2:1


def test_half_a_pixel_goes_with_what_is_around_it() -> None:
    # Columns 5 and 9 of the coarse grid are covered by half: 5 has lesion on its right and nothing on its
    # left, 9 the other way round, so both are ties around them as well; a lone stripe is kept.
    mask = np.zeros((4, 32))
    mask[:, 11:19] = 1
    assert SquareGrid((32, 32), (1, 1), 16).mask(np.repeat(mask, 8, axis=0))[8].tolist() == [
        0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0
    ]  # fmt: skip
    # A corner that is covered by half, with little around it, is not lesion; an inner one is.
    blob = np.zeros((8, 8))
    blob[2, 3] = blob[3, 2] = 1
    assert SquareGrid((8, 8), (1, 1), 4).mask(blob).sum() == 0
    assert SquareGrid((8, 8), (1, 1), 4).mask(1 - blob).sum() == 16


def test_enlarging_leaves_no_empty_rim() -> None:
    grid = SquareGrid((64, 64), (1, 1), 96)
    ones = np.ones((64, 64))
    np.testing.assert_array_equal(grid.image(ones), np.ones((96, 96), np.float32))
    assert grid.mask(ones).all()
    wide = SquareGrid((32, 64), (1, 1), 96)
    assert (
        (wide.image(np.ones((32, 64))) > 0).sum() == wide.mask(np.ones((32, 64))).sum() == 48 * 96
    )


def test_a_wide_slice_is_padded_above_and_below() -> None:
    mask = np.ones((10, 20), np.uint8)
    square = SquareGrid((10, 20), (2.0, 2.0), 20).mask(mask)
    assert square[:5].sum() == square[15:].sum() == 0
    assert (square[5:15] == 1).all()


def test_anisotropic_pixels_become_square() -> None:
    # 20 rows of 1 mm and 10 columns of 2 mm are a 20 mm square.
    grid = SquareGrid((20, 10), (1.0, 2.0), 20)
    mask = np.zeros((20, 10))
    mask[4:6, 7] = 1
    square = grid.mask(mask)
    assert grid.spacing == 1.0
    assert np.argwhere(square).tolist() == [[4, 14], [4, 15], [5, 14], [5, 15]]


@given(
    st.integers(16, 90),
    st.integers(16, 90),
    st.floats(0.5, 3),
    st.floats(0.5, 3),
    st.integers(2, 5),
)
def test_a_block_keeps_its_place_and_area(
    rows: int, cols: int, dy: float, dx: float, k: int
) -> None:
    grid = SquareGrid((rows, cols), (dy, dx), 32 * k)
    mask = np.zeros((rows, cols))
    mask[rows // 4 : 3 * rows // 4, cols // 4 : 3 * cols // 4] = 1
    square = grid.mask(mask)
    area = mask.sum() * dy * dx
    edge = 2 * grid.spacing * (rows * dy + cols * dx)
    assert abs(square.sum() * grid.spacing**2 - area) <= edge
    back = grid.to_native(square.astype(np.float32)) > 0.5
    assert abs(back.sum() * dy * dx - area) <= edge + 2 * (rows * dy * dx + cols * dy * dx)
    where = np.argwhere(square).mean(0) - (grid.size - 1) / 2
    there = (np.argwhere(mask).mean(0) - [(rows - 1) / 2, (cols - 1) / 2]) * [dy, dx]
    np.testing.assert_allclose(where * grid.spacing, there, atol=grid.spacing)


def test_scaling_uses_the_volumes_own_percentiles() -> None:
    volume = np.arange(1001, dtype=np.int16).reshape(7, 11, 13)
    unit = clip_to_unit(volume, [10, 90])
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (0, 1)
    assert unit.ravel()[500] == pytest.approx(0.5)
    assert (unit == 0).sum() == (unit == 1).sum() == 101


def test_a_constant_volume_is_zero_and_no_division_fails() -> None:
    assert (clip_to_unit(np.full((2, 3, 4), 7), [0.1, 99.9]) == 0).all()


@pytest.mark.parametrize("spacing", [0.7, 0.93, 1.0])
def test_a_pixel_whose_centre_lies_on_the_slices_edge_is_inside_on_both_sides(
    spacing: float,
) -> None:
    """Also where the ratio of the two spacings is no float: 0.93 / (0.93 / 13) is above 13."""
    grid = SquareGrid((64, 31 * 13), (spacing, spacing / 13), 64)
    image = grid.image(np.ones((64, 31 * 13)))
    there = image[32] > 0
    assert (there == there[::-1]).all()
    assert there.sum() == 32
