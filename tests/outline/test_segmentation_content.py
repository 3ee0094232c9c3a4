"""What SEG objects of outlines hold: what made them, nothing else of the source, the same bytes again."""

import logging
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from oriented_series import GE, SIEMENS, TOLERANCE, Made, made

from textbcs.base.io import InputError
from textbcs.imaging.dicom import read_grid
from textbcs.outline.segment_description import Algorithm
from textbcs.outline.segmentation_object import fractional_segmentation, segmentation
from textbcs.outline.source_study import encoded, read_sources

ABOUT = Algorithm("textbcs_plus", "0.1.0", "5e" * 32, "location left; number two", "given")


def written(path: Path, series: Made, about: Algorithm = ABOUT, side: str = "left") -> Path:
    found = segmentation(read_sources(series.grid), series.mask, series.grid, about, side)
    path.write_bytes(encoded(found))
    return path


def test_what_made_it_is_in_it(tmp_path) -> None:
    """Name, version, prompt, its origin and the package's hash, where the standard keeps them."""
    series = made(tmp_path / "images", SIEMENS)
    about = replace(ABOUT, prompt="number=two,\nleft\\100 %" + "x" * 2000)
    found = pydicom.dcmread(written(tmp_path / "seg.dcm", series, about, "right"))
    (segment,) = found.SegmentSequence
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("textbcs_plus", "0.1.0")
    stated = "".join(algorithm.AlgorithmParameters)
    assert f"package_sha256={'5e' * 32},prompt=number%3Dtwo%2C left 100 %25xxx" in stated
    assert stated.endswith("x,prompt_origin=given")
    assert segment.SegmentDescription.startswith("prompt (given): number=two, left 100 %xxx")
    assert segment.SegmentDescription.endswith(f"; package {'5e' * 32}")
    assert len(segment.SegmentDescription) <= 1024
    assert found.DeviceSerialNumber == "5e" * 32
    (region,) = segment.AnatomicRegionSequence
    assert (region.CodeMeaning, segment.SegmentAlgorithmType) == ("Breast", "AUTOMATIC")
    assert region.AnatomicRegionModifierSequence[0].CodeValue == "24028007"
    reread = highdicom.seg.Segmentation.from_dataset(found).get_segment_description(1)
    assert reread.algorithm_identification.parameters["prompt_origin"] == "given"
    about = replace(ABOUT, prompt="", prompt_origin="none")
    found = pydicom.dcmread(written(tmp_path / "seg.dcm", series, about, ""))
    assert found.SegmentSequence[0].SegmentDescription == f"no prompt; package {'5e' * 32}"
    assert (
        "AnatomicRegionModifierSequence" not in found.SegmentSequence[0].AnatomicRegionSequence[0]
    )


def test_the_same_input_gives_the_same_bytes(tmp_path, monkeypatch) -> None:
    """In any order of the images and at any time; another mask, prompt or package has other UIDs."""
    series = made(tmp_path / "images", GE)
    sources = read_sources(series.grid)
    first = encoded(segmentation(sources, series.mask, series.grid, ABOUT, "left"))

    class Later(highdicom.base.datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 6, 7, 8, 9)

    monkeypatch.setattr(highdicom.base.datetime, "datetime", Later)
    again = encoded(segmentation(sources[::-1], series.mask, series.grid, ABOUT, "left"))
    assert again == first
    assert b"2031" not in first
    uids = set()
    for mask, about in (
        (series.mask, ABOUT),
        (~series.mask, ABOUT),
        (series.mask, replace(ABOUT, prompt="location right")),
        (series.mask, replace(ABOUT, package_sha256="6e" * 32)),
    ):
        found = segmentation(sources, mask, series.grid, about)
        uids |= {found.SOPInstanceUID, found.SeriesInstanceUID}
        assert all(len(uid) <= 64 and uid.startswith("2.25.") for uid in uids)
    assert len(uids) == 8


def test_only_required_modules_of_the_source_are_in_it(tmp_path, capfd, caplog) -> None:
    """Nothing else that an image says of the patient, and nothing of her on the screen or in a log."""

    def burden(dataset: pydicom.Dataset) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = "Müller Anouk Name"  # no form that a name should have
        dataset.PatientSex, dataset.PatientBirthDate = "weiblich", "1.2.1970"
        for keyword in (
            *("OtherPatientIDs", "PatientAddress", "PatientComments", "StudyDescription"),
            *(
                "SeriesDescription",
                "InstitutionName",
                "OperatorsName",
                "EthnicGroup",
                "StationName",
            ),
            *("ImageComments", "ProtocolName", "PatientMotherBirthName", "MedicalAlerts"),
            *("AdditionalPatientHistory", "RequestedProcedureDescription", "IssuerOfPatientID"),
            *("NameOfPhysiciansReadingStudy", "DeviceSerialNumber", "ClinicalTrialSubjectID"),
        ):
            setattr(dataset, keyword, "CANARY")
        dataset.Manufacturer, dataset.SoftwareVersions = "CANARY", "CANARY"
        dataset.AcquisitionDate, dataset.AcquisitionTime = "20200102", "101010"
        dataset.private_block(0x0011, "CANARY", create=True).add_new(0x01, "LO", "CANARY")

    series = made(tmp_path / "images", GE, change=burden)
    with caplog.at_level(logging.DEBUG):
        content = written(tmp_path / "seg.dcm", series).read_bytes()
    assert b"CANARY" not in content
    said = caplog.text + "".join(capfd.readouterr())
    assert [word for word in ("Anouk", "weiblich", "1.2.1970") if word in said] == []
    found = pydicom.dcmread(tmp_path / "seg.dcm")
    assert found.PatientName == "Müller Anouk Name"
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert (found.ContentDate, found.ContentTime) == ("20200102", "102030")
    of_her = {element.keyword for element in found if element.tag.group == 0x0010}
    assert of_her == {"PatientName", "PatientID", "PatientBirthDate", "PatientSex"}
    assert [element for element in found.iterall() if element.tag.is_private] == []


def test_a_series_without_dates(tmp_path) -> None:
    """The one date that is required of the object is then a stated one."""

    def undated(dataset: pydicom.Dataset) -> None:
        del dataset.SeriesDate, dataset.SeriesTime
        dataset.StudyDate, dataset.StudyTime = "2020-1-2", ""

    found = pydicom.dcmread(written(tmp_path / "s", made(tmp_path / "i", GE, change=undated)))
    assert (found.ContentDate, found.ContentTime) == ("19000101", "000000")


def test_what_cannot_be_referred_to_is_said(tmp_path) -> None:
    series = made(tmp_path / "images", SIEMENS)
    sources = read_sources(series.grid)

    def refusal(sources=sources, grid=series.grid) -> str:
        with pytest.raises(InputError) as error:
            segmentation(sources, series.mask, grid, ABOUT)
        assert "\n" not in str(error.value)
        return str(error.value)

    depth = series.grid.shape[0]
    assert "no DICOM images" in refusal(grid=replace(series.grid, sop_uids=("",) * depth))
    assert "not among the images" in refusal(sources=sources[1:])
    assert "FrameOfReferenceUID" in refusal(grid=replace(series.grid, frame_of_reference=""))
    sources[0].StudyInstanceUID = "1.9"
    assert "StudyInstanceUID" in refusal()
    series.paths[0].write_bytes(b"")
    with pytest.raises(InputError, match="IM0001"):
        read_sources(series.grid)
    with pytest.raises(ValueError, match="of bool"):
        segmentation(sources, series.mask.astype(np.uint8), series.grid, ABOUT)
    with pytest.raises(ValueError, match="on a grid"):
        segmentation(read_sources_again(tmp_path), series.mask[1:], series.grid, ABOUT)
    for wrong in (np.full(series.grid.shape, 1.5, "f4"), np.full(series.grid.shape, np.nan, "f4")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            fractional_segmentation(sources, wrong, series.grid, ABOUT)


def read_sources_again(folder: Path) -> list[pydicom.Dataset]:
    return list(read_sources(read_grid(made(folder / "again", SIEMENS).paths, TOLERANCE)))
