"""Enhanced multi-frame files, kinds of image that are refused, and why a series is no volume."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import SPACING, STEP, volume, write_enhanced, write_series
from own_files import write_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from textbcs.base.io import InputError
from textbcs.imaging.dicom import (
    Header,
    read_grid,
    read_header_or_reason,
    read_series,
    series_fault,
)
from textbcs.imaging.planes import SeriesError

TOLERANCE = 0.05


def headers(paths: list[Path]) -> list[Header]:
    found = [read_header_or_reason(path) for path in paths]
    return [one for one in found if isinstance(one, Header)]


def fault(paths: list[Path]) -> str:
    return series_fault(headers(paths), TOLERANCE)


def test_an_enhanced_file_is_the_volume_of_its_frames(tmp_path: Path) -> None:
    """Frames in any order: each lies where its own functional groups say, with its own rescaling."""
    values = volume(4)
    order = [2, 0, 3, 1]

    def change(dataset: Any) -> None:
        for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            rescale = Dataset()
            rescale.RescaleSlope, rescale.RescaleIntercept = number + 1, -number
            frame.PixelValueTransformationSequence = Items([rescale])

    path = write_enhanced(tmp_path / "e", values[order], [STEP * z for z in order], (), change)
    stack = read_series([path], TOLERANCE)
    for z in range(4):
        number = order.index(z)
        np.testing.assert_array_equal(
            stack.volume.array[z], values[z] * np.float32(number + 1) - number
        )
    assert stack.grid.instance_numbers == tuple(order.index(z) + 1 for z in range(4))
    assert set(stack.grid.sop_uids) == {pydicom.dcmread(path).SOPInstanceUID}
    np.testing.assert_allclose(np.diag(stack.grid.affine), [SPACING[1], SPACING[0], STEP, 1])
    np.testing.assert_allclose(stack.grid.affine[:3, 3], [-20, -30, 0])
    assert fault([path]) == ""


def test_phases_of_an_enhanced_file_are_told_apart(tmp_path: Path) -> None:
    values = volume(6)
    # Slice by slice, the later moment first: moments 9 and 4.
    path = write_enhanced(tmp_path / "e", values, [0, 0, 2, 2, 4, 4], [9, 4] * 3)
    for phase, chosen in ((1, values[1::2]), (2, values[::2])):
        stack = read_series([path], TOLERANCE, phase=phase)
        np.testing.assert_array_equal(stack.volume.array, chosen)
        assert read_grid([path], TOLERANCE, phase).instance_numbers == stack.grid.instance_numbers
    assert read_grid([path], TOLERANCE, 1).instance_numbers == (2, 4, 6)
    with pytest.raises(SeriesError, match="several phases in one series: 2 slices at each of 3"):
        read_series([path], TOLERANCE)
    with pytest.raises(SeriesError, match="has no phase 3: there are 2"):
        read_series([path], TOLERANCE, phase=3)


def test_a_phase_chooses_nothing_where_each_file_has_one(tmp_path: Path) -> None:
    def second(dataset: Any, number: int) -> None:
        dataset.TemporalPositionIdentifier = 2

    values = volume(3)
    stack = read_series(write_series(tmp_path, values, second), TOLERANCE, phase=2)
    np.testing.assert_array_equal(stack.volume.array, values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "mosaic"),
        (lambda d: setattr(d, "ConcatenationUID", "1.2.3.4"), "part of a concatenation"),
        (lambda d: delattr(d, "PerFrameFunctionalGroupsSequence"), "places for 0 frames of 4"),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "places for 3 frames of 4"),
        (
            lambda d: delattr(d.PerFrameFunctionalGroupsSequence[1], "PlanePositionSequence"),
            "ImagePositionPatient is missing",
        ),
        (lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7.2"), ""),
    ],
)
def test_what_an_enhanced_file_may_not_be(tmp_path: Path, change: Any, words: str) -> None:
    path = write_enhanced(tmp_path / "e", volume(4), [0, 2, 4, 6], (), change)
    assert fault([path]).startswith(words)
    if words:
        with pytest.raises((InputError, SeriesError), match=words):
            read_series([path], TOLERANCE)


def test_frames_without_places_are_refused(tmp_path: Path) -> None:
    def change(dataset: Any) -> None:
        del dataset.PerFrameFunctionalGroupsSequence
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"

    path = write_enhanced(tmp_path / "e", volume(4), [0, 2, 4, 6], (), change)
    assert fault([path]) == "4 frames without places of their own"


def set_all(**values: Any) -> Any:
    def change(dataset: Any, number: int) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value(number) if callable(value) else value)

    return change


def without(keyword: str) -> Any:
    def change(dataset: Any, number: int) -> None:
        if number == 3:
            delattr(dataset, keyword)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_all(), ""),
        (set_all(PhotometricInterpretation="RGB"), "colour image (RGB): only grey ones are read"),
        (set_all(PhotometricInterpretation="PALETTE COLOR"), "colour image (PALETTE COLOR)"),
        (set_all(SamplesPerPixel=3), "colour image"),
        (set_all(ModalityLUTSequence=Items([Dataset()])), "its grey values go through a Modality"),
        (
            set_all(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]),
            "mosaic: its slices lie side by side",
        ),
        (set_all(HighBit=11), "HighBit is not BitsStored - 1 = 15"),
        (set_all(BitsStored=17), "BitsStored is no number that can be"),
        (set_all(RescaleSlope=0), "RescaleSlope is 0"),
        (set_all(PixelSpacing=[0.0007, 0.0007]), "PixelSpacing of 0.0007 mm cannot be"),
        (set_all(PixelSpacing=[-1, 1]), "PixelSpacing of -1 mm cannot be"),
        (without("PixelSpacing"), "PixelSpacing is missing (1 of 5 files, first instance 3)"),
        (without("PixelData"), "cut short: it ends before its pixels (1 of 5 files"),
        (set_all(FrameOfReferenceUID=lambda n: f"1.{n // 3}"), "several frames of reference"),
        (
            set_all(PhotometricInterpretation=lambda n: f"MONOCHROME{1 + n % 2}"),
            "MONOCHROME1 and MONOCHROME2",
        ),
        (set_all(RescaleType=lambda n: "HU" if n % 2 else "OD"), "grey values in several units"),
        (
            set_all(
                ImagePositionPatient=lambda n: [0, 0, n % 3], ImageType=["A", "B", "LOCALIZER"]
            ),
            "localizer: several slices at one position",
        ),
        (
            set_all(
                ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
                ImagePositionPatient=lambda n: [3 * n, 0, 0],
            ),
            "sagittal: only axial series are read",
        ),
    ],
)
def test_a_series_says_why_it_is_no_volume(tmp_path: Path, change: Any, words: str) -> None:
    """The same words from the headers as at reading; the whole reason on one line, without a path."""
    paths = write_series(tmp_path, volume(5), change)
    found = fault(paths)
    assert found.startswith(words)
    assert bool(found) == bool(words)
    assert str(tmp_path) not in found
    assert "\n" not in found
    if words:
        for read in (read_grid, read_series):
            with pytest.raises((InputError, SeriesError)) as error:
                read(paths, TOLERANCE)
            assert found.partition(" (1 of")[0] in str(error.value)


def test_what_is_no_image_says_what_it_is_or_that_it_does_not_say(tmp_path: Path) -> None:
    def stated(sop_class: str | None) -> str:
        nothing = dict.fromkeys(["Rows", "PixelData"])
        return fault([write_dicom(tmp_path / "file", SOPClassUID=sop_class, **nothing)])

    assert stated("1.2.840.10008.5.1.4.1.1.88.11") == "no image: Basic Text SR Storage"
    assert stated("") == "no image: it states no SOPClassUID"


def test_slices_without_numbers_are_numbered_by_position(tmp_path: Path) -> None:
    def unnumbered(dataset: Any, number: int) -> None:
        if number == 2:
            dataset.InstanceNumber = None

    values = volume(4)
    grid = read_grid(write_series(tmp_path / "a", values, unnumbered), TOLERANCE)
    assert (grid.instance_numbers, grid.numbered) == ((1, 2, 3, 4), False)
    grid = read_grid(write_series(tmp_path / "b", values, first=11), TOLERANCE)
    assert (grid.instance_numbers, grid.numbered) == ((11, 12, 13, 14), True)
