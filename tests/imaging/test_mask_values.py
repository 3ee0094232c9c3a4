"""From the labels of a mask to tumour: the right voxels, or the reason why not."""

from pathlib import Path

import numpy as np
import pytest

from textbcs.base.io import InputError
from textbcs.imaging.mask_values import tumour

PATH = Path("own/mask.nii.gz")
THREE = np.array([[0, 1, 2], [3, 3, 0]])


def refusal(values, labels=None) -> str:
    with pytest.raises(InputError) as error:
        tumour(PATH, np.asarray(values), labels)
    said = str(error.value)
    assert said.startswith(f"{PATH}: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64, bool])
def test_one_label_of_any_value(dtype) -> None:
    values = np.array([[0, 1], [1, 0]], dtype) * (1 if dtype is bool else dtype(77))
    got = tumour(PATH, values)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, [[0, 1], [1, 0]])


def test_labels_are_united_where_the_source_says_so() -> None:
    np.testing.assert_array_equal(tumour(PATH, THREE, "all"), [[0, 1, 1], [1, 1, 0]])
    np.testing.assert_array_equal(tumour(PATH, THREE, [1, 3]), [[0, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(tumour(PATH, THREE, [2, 9]), [[0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(tumour(PATH, THREE.astype(float), [2]), [[0, 0, 1], [0, 0, 0]])


def test_an_empty_mask_stays_empty() -> None:
    for labels in (None, "all", [4]):
        assert tumour(PATH, np.zeros((2, 3)), labels).sum() == 0


def test_labels_that_went_through_a_scale() -> None:
    scaled = np.float32(1 / 255) * np.array([0, 255, 255.0])
    np.testing.assert_array_equal(tumour(PATH, scaled), [0, 1, 1])
    np.testing.assert_array_equal(tumour(PATH, np.array([1.9999999, 0]), [2]), [1, 0])


def test_every_fault_has_its_own_reason() -> None:
    assert "labels 1, 2, 3; say which" in refusal(THREE)
    assert "none of the labels 4, 5" in refusal(THREE, [5, 4])
    assert "(it has 1, 2, 3)" in refusal(THREE, [5, 4])
    assert "1 of 3 voxels are NaN" in refusal([0, 1, np.nan])
    assert "infinite" in refusal([0, 1, np.inf], "all")
    assert "0.25, and labels are whole numbers" in refusal([0, 0.25, 1], "all")
    assert "complex64" in refusal(np.zeros(2, np.complex64))
    assert "are no labels" in refusal(np.zeros(2, [("R", "u1"), ("G", "u1"), ("B", "u1")]))
    assert ", ... (40)" in refusal(np.arange(41))
