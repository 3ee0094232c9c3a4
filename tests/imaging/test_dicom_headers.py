"""Headers of strangers' files: nothing raises, and what a file is instead is said in its own words."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import MR, image, volume, write_enhanced, write_series
from pydicom.data import get_testdata_file
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from textbcs.imaging.dicom import Header, read_header, read_header_or_reason, tesla_text


def sample(name: str) -> Path:
    """A file that pydicom brings."""
    found = get_testdata_file(name)
    assert isinstance(found, str)
    return Path(found)


def header(path: Path) -> Header:
    found = read_header_or_reason(path)
    assert isinstance(found, Header), found
    return found


def one(tmp_path: Path, change: Any = lambda dataset, number: None) -> Path:
    return write_series(tmp_path, volume(1), change)[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"a licence", "no DICOM file"),
        (b"\x08\x00 begins like DICOM and is none" * 20, "no DICOM file"),
        (b"PK\x03\x04" + bytes(200), "no DICOM file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "no DICOM file"),
        (b"\0" * 128 + b"DICM", "damaged DICOM file (cut short: it ends before SOPInstanceUID)"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert read_header_or_reason(path) == reason
    assert read_header(path) is None


@pytest.mark.parametrize(
    "keyword", ["PhotometricInterpretation", "SeriesDescription", "Modality", "Manufacturer"]
)
def test_a_text_without_end_fits_into_a_line(tmp_path: Path, keyword: str) -> None:
    """A damaged length makes a text of 70,000 characters, and reasons stand in tables."""
    path = one(tmp_path, lambda dataset, number: dataset.__setattr__(keyword, "1" * 64_000))
    found = header(path)
    for text in (found.fault, found.description, found.modality, found.manufacturer):
        assert len(text) < 1200


def test_no_file_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "cannot be opened" in str(read_header_or_reason(tmp_path / "link"))
    assert read_header_or_reason(tmp_path) == "no regular file"


def test_pydicoms_own_files_are_named() -> None:
    assert read_header_or_reason(sample("DICOMDIR")) == "DICOMDIR"
    assert read_header_or_reason(sample("test-SR.dcm")) == "DICOM without PatientID"
    assert header(sample("rtstruct.dcm")).fault == "no image: RT Structure Set Storage"
    assert header(sample("examples_rgb_color.dcm")).fault.startswith("colour image (RGB)")
    cut = header(sample("MR_truncated.dcm"))
    assert cut.fault == "cut short: 8130 of 8192 bytes of its pixels are there"
    assert header(sample("MR_small_padded.dcm")).fault == ""


@pytest.mark.parametrize(
    "keyword", ["PatientID", "SOPInstanceUID", "SeriesInstanceUID", "Modality"]
)
def test_a_missing_identifier_is_a_reason(tmp_path: Path, keyword: str) -> None:
    def without(dataset: Any, number: int) -> None:
        delattr(dataset, keyword)

    assert read_header_or_reason(one(tmp_path, without)) == f"DICOM without {keyword}"


def test_a_uid_that_is_a_path_is_a_reason(tmp_path: Path) -> None:
    def climbs(dataset: Any, number: int) -> None:
        dataset.SOPInstanceUID = "../../1"

    reason = read_header_or_reason(one(tmp_path, climbs))
    assert reason == "DICOM whose SOPInstanceUID is not digits and dots"


@pytest.mark.parametrize(
    ("keyword", "written", "field", "value"),
    [
        ("MagneticFieldStrength", b"1,5 ", "tesla", ""),
        ("InstanceNumber", b"4A", "instance_number", 0),
        ("SeriesNumber", b"3.0 ", "series_number", 3),
        ("SeriesNumber", b"99999999999999999999", "series_number", 0),
        ("AcquisitionNumber", b"1\\2 ", "acquisition_number", 0),
        ("TriggerTime", b"nan ", "trigger_time", 0.0),
        ("TriggerTime", b"12.5", "trigger_time", 12.5),
        ("TemporalPositionIdentifier", b"2 ", "temporal_position", 2),
        ("SeriesDescription", b"T1\r\npost", "description", "T1  post"),
    ],
)
def test_what_cannot_be_converted_is_absent(
    tmp_path: Path, keyword: str, written: bytes, field: str, value: object
) -> None:
    """As raw bytes, since pydicom refuses to write such values itself."""
    tag = Tag(keyword)

    def change(dataset: Any, number: int) -> None:
        setattr(dataset, keyword, "7" * min(len(written), 8))

    path = one(tmp_path, change)
    content = path.read_bytes()
    place = content.index(tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little"))
    head = content[place : place + 6] + len(written).to_bytes(2, "little")
    end = place + 8 + int.from_bytes(content[place + 6 : place + 8], "little")
    path.write_bytes(content[:place] + head + written + content[end:])
    assert getattr(header(path), field) == value


def test_a_header_says_what_choosing_needs(tmp_path: Path) -> None:
    def change(dataset: Any, number: int) -> None:
        dataset.StudyDate, dataset.StudyTime = "20010203", "101112"
        dataset.AcquisitionTime = "101500"

    found = header(one(tmp_path, change))
    assert (found.study_date, found.study_time, found.acquisition_time) == (
        "20010203",
        "101112",
        "101500",
    )
    assert (found.sop_class, found.frame_of_reference, found.frames) == (MR, "1.2.9", 0)
    assert found.transfer_syntax == "1.2.840.10008.1.2.1"
    assert (found.study_uid, found.series_uid, found.fault) == ("1.2", "1.2.3", "")
    assert "20010203" not in repr(found)
    assert found.planes == (found.plane,)


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("meta", [True, False])
def test_without_preamble_it_is_dicom_still(tmp_path: Path, implicit: bool, meta: bool) -> None:
    path = one(tmp_path)
    dataset = pydicom.dcmread(path)
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path)
    content = path.read_bytes()[132:]
    if not meta:
        length = 12 + int.from_bytes(content[8:12], "little")
        content = content[length:]
    bare = tmp_path / "bare"
    bare.write_bytes(content)
    found, expected = header(bare), header(path)
    assert (found.patient, found.sop_uid, found.plane) == ("p1", expected.sop_uid, expected.plane)
    assert found.fault == ""


def test_a_cut_file_is_never_whole(tmp_path: Path) -> None:
    """At any length: nothing is raised, and no header without a fault comes out."""
    path = one(tmp_path)
    content = path.read_bytes()
    cut = tmp_path / "cut"
    reasons = set()
    for length in (*range(0, len(content), 7), len(content) - 1):
        cut.write_bytes(content[:length])
        found = read_header_or_reason(cut)
        reasons.add(found if isinstance(found, str) else found.fault)
    assert "" not in reasons
    assert "DICOM without PatientID" not in reasons


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_header_never_raises(tmp_path: Path, seed: int) -> None:
    """Bytes changed anywhere before the pixels, tags among them."""
    values = volume(4)
    whole = [
        one(tmp_path / "a").read_bytes(),
        write_enhanced(tmp_path / "b", values, range(4)).read_bytes(),
    ]
    draw = random.Random(seed)
    path = tmp_path / "x"
    for content in whole * 25:
        damaged = bytearray(content)
        for _ in range(draw.choice((1, 1, 3, 20))):
            damaged[draw.randrange(132, len(content) - 40)] = draw.randrange(256)
        path.write_bytes(damaged)
        found = read_header_or_reason(path)
        assert isinstance(found, Header | str)
        if isinstance(found, Header) and not found.fault:
            assert found.image is not None
            assert np.isfinite([plane.position for plane in found.planes]).all()


def test_a_deflated_file_is_read_and_its_damage_found(tmp_path: Path) -> None:
    path = one(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert header(path).fault == ""
    path.write_bytes(path.read_bytes()[:-20])
    assert str(read_header_or_reason(path)).startswith("damaged DICOM file (")


def test_an_enhanced_file_says_how_many_phases_it_holds(tmp_path: Path) -> None:
    values = volume(6)
    several = header(write_enhanced(tmp_path / "a", values, [0, 0, 2, 2, 4, 4], [1, 2] * 3))
    assert (several.phases, several.frames, several.plane) == (2, 6, None)
    alone = header(write_enhanced(tmp_path / "b", values[:3], [0, 2, 4], [7] * 3))
    assert (alone.phases, alone.temporal_position, len(alone.planes)) == (1, 7, 3)


def test_field_strength_is_tesla(tmp_path: Path) -> None:
    assert tesla_text(1.494) == tesla_text("1.5") == tesla_text(15_000) == "1.5"
    assert tesla_text("1,5") == tesla_text(None) == tesla_text(float("nan")) == tesla_text("") == ""


def test_no_warning_quotes_a_value(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    def change(dataset: Any, number: int) -> None:
        dataset.PatientName = "CANARY^" + "x" * 80
        dataset.SeriesDescription = "y" * 90

    path = one(tmp_path, change)
    recwarn.clear()
    assert header(path).description == "y" * 90
    assert "CANARY" not in repr(header(path))
    assert not [str(warning.message) for warning in recwarn]


def test_what_is_no_image_and_what_is_a_segmentation(tmp_path: Path) -> None:
    dataset = image(volume(1)[0], "1.2.5")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    dataset.save_as(tmp_path / "seg")
    assert header(tmp_path / "seg").fault == ""
    shutil.copy(sample("waveform_ecg.dcm"), tmp_path / "ecg")
    assert "no image" in str(getattr(read_header_or_reason(tmp_path / "ecg"), "fault", "no image"))
