"""The kinds of SEG: binary, label map, fractions; and values that are none of them."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless
from segmentations import (
    COLUMNS,
    GRID,
    ROWS,
    SLICES,
    fitted,
    image,
    masks,
    refusal,
    seg,
    segmentation_object,
)

from textbcs.base.io import InputError
from textbcs.masks.fitting import MisfitError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_segments_of_one_label_are_united(tmp_path, kind) -> None:
    pixels = masks(3, 4, segments=3)
    pixels[7, 8, 6, 1] = 1
    path = seg(tmp_path / "seg", pixels, kind, labels=("Tumor", "Tumor", "Node"))
    both = pixels[..., 0] | pixels[..., 1]
    np.testing.assert_array_equal(fitted(path), both)
    np.testing.assert_array_equal(fitted(path, "Node"), pixels[..., 2])
    np.testing.assert_array_equal(fitted(path, ["Tumor", "Node"]), both | pixels[..., 2])
    assert "has no segment 'Breast' (it has 'Node', 'Tumor')" in refusal(path, "Breast")
    assert "has no segment 'Breast' (it has 'Node', 'Tumor')" in refusal(path, ["Tumor", "Breast"])


def test_a_label_map(tmp_path) -> None:
    pixels = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    pixels[3:5, 2:4, 2:4], pixels[4, 6:8, 1:3], pixels[9, 1, 1] = 1, 2, 3
    path = seg(tmp_path / "seg", pixels, "LABELMAP", labels=("Tumor", "Node", "Tumor"))
    np.testing.assert_array_equal(fitted(path), np.isin(pixels, (1, 3)))
    np.testing.assert_array_equal(fitted(path, "Node"), pixels == 2)


def test_fractions_count_from_half(tmp_path) -> None:
    pixels = masks(3)[..., :1].astype(np.float64)
    pixels[3, 2, 1:4, 0] = (0.49, 0.51, 1.0)
    path = seg(tmp_path / "seg", pixels, "FRACTIONAL")
    np.testing.assert_array_equal(fitted(path), pixels[..., 0] >= 0.5)


def flags(values, most: int = 255, legend: bool = False):
    """Stored values of a FRACTIONAL object, one after the other in its pixels."""

    def change(dataset: Dataset) -> None:
        count = len(dataset.PixelData)
        dataset.PixelData = np.resize(np.asarray(values, np.uint8), count).tobytes()
        dataset.MaximumFractionalValue = most
        if legend:
            block = dataset.private_block(0x0117, "VENDOR", create=True)
            block.add_new(0xD3, "LO", "00000001 ( 1) : PE threshold")

    return change


@pytest.mark.parametrize(
    ("values", "most", "legend"),
    [
        ([0, 1, 2, 0x11, 0x20, 0x21, 0x22, 0x31], 255, False),  # as counted in a real one
        ([0, 1, 2, 0x11, 0x20, 0x21, 0x22, 0x31], 49, True),
        ([0, 1, 2, 4, 8, 16, 32, 64, 128], 255, False),
        ([0, 1, 2, 4, 128, 129], 255, False),
    ],
)
def test_bit_flags_are_no_fractions(tmp_path, values, most, legend) -> None:
    path = seg(tmp_path / "seg", masks(3), "FRACTIONAL", change=flags(values, most, legend))
    assert "bit flags" in refusal(path)


@pytest.mark.parametrize("values", [[0, 128, 255], [0, 64, 125, 130, 191], [0, 77, 153], [0, 255]])
def test_fractions_are_no_bit_flags(tmp_path, values) -> None:
    path = seg(tmp_path / "seg", masks(3), "FRACTIONAL", change=flags(values))
    stored = np.resize(values, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    np.testing.assert_array_equal(fitted(path)[3], stored >= 127.5)


def test_fractions_that_contradict_their_largest(tmp_path) -> None:
    change = flags([0, 100, 200], most=100)
    assert "above its Maximum" in refusal(
        seg(tmp_path / "a", masks(3), "FRACTIONAL", change=change)
    )
    change = flags([0, 10, 11, 13])
    assert "reaches half" in refusal(seg(tmp_path / "b", masks(3), "FRACTIONAL", change=change))


def test_packed_frames(tmp_path) -> None:
    path = seg(tmp_path / "seg", masks(2, 8), "FRACTIONAL")
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(fitted(path), masks(2, 8)[..., 0])


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_damaged_files_end_in_one_line(tmp_path, kind) -> None:
    """Bytes changed, cut out and put in: a mask of the grid, or a line that names the file."""
    pixels = masks(2, 8) if kind != "LABELMAP" else masks(2, 8)[..., 0]
    path = seg(tmp_path / "seg", pixels, kind)
    content = path.read_bytes()
    rng = np.random.default_rng(len(kind))
    ends = set()
    for _ in range(60):
        damaged = bytearray(content)
        place, room = int(rng.integers(len(damaged))), int(rng.integers(1, 30))
        damaged[place : place + room] = rng.bytes(int(rng.integers(0, 30)))
        path.write_bytes(damaged)
        try:
            assert fitted(path).shape == GRID.shape
            ends.add("read")
        except (InputError, MisfitError) as error:
            ends.add(str(error).split(":")[0] if isinstance(error, InputError) else "read")
    assert ends <= {"read", str(path)}
    assert str(path) in ends


def test_half_of_the_greatest_fraction_is_inside(tmp_path) -> None:
    source = [image(number) for number in range(SLICES)]
    fractions = 0.5 * masks(2) + 0.49 * masks(5)
    made = segmentation_object(source, fractions, "FRACTIONAL", max_fractional_value=100)
    made.save_as(tmp_path / "seg")
    np.testing.assert_array_equal(fitted(tmp_path / "seg"), masks(2)[..., 0])
