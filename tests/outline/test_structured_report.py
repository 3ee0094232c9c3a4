"""Reports of outlines, read by highdicom and pydicom."""

from dataclasses import replace
from pathlib import Path

import highdicom
import pydicom
import pytest
from highdicom.sr import MeasurementReport
from oriented_series import GE, Made, made, made_enhanced
from pydicom.sr.codedict import codes

from textbcs.outline.segment_description import Algorithm
from textbcs.outline.segmentation_object import segmentation
from textbcs.outline.source_study import encoded, read_sources
from textbcs.outline.structured_report import LesionMeasurements, structured_report

ABOUT = Algorithm("textbcs_plus", "0.1.0", "5e" * 32, "Herd links, größer; number=two", "report")
MEASURED = LesionMeasurements(1.23456, 23.456, 20.1, "left")


@pytest.fixture(params=["single", "enhanced"])
def series(request, tmp_path) -> Made:
    if request.param == "single":
        return made(tmp_path / "images", GE)
    return made_enhanced(tmp_path / "images", falling=True)


def written(path: Path, series: Made, measured: LesionMeasurements = MEASURED) -> Path:
    sources = read_sources(series.grid)
    seg = segmentation(sources, series.mask, series.grid, ABOUT, measured.side)
    path.with_name("seg.dcm").write_bytes(encoded(seg))
    path.write_bytes(encoded(structured_report(sources, seg, measured, ABOUT)))
    return path


def group(path: Path):
    """The one group of measurements, as highdicom reads the report (TID 1500 and TID 1411)."""
    report = highdicom.sr.srread(path)
    assert isinstance(report.content, MeasurementReport)
    (found,) = report.content.get_volumetric_roi_measurement_groups()
    return found


def test_measurements_side_and_finding(series, tmp_path) -> None:
    found = group(written(tmp_path / "sr.dcm", series))
    measured = {one.name.meaning: (one.value, one.unit.value) for one in found.get_measurements()}
    assert measured == {
        "Volume": (1.2346, "ml"),
        "Diameter": (23.46, "mm"),
        "Long axis": (20.1, "mm"),
    }
    (diameter,) = found.get_measurements(name=codes.SCT.Diameter)
    assert diameter.derivation == codes.SCT.Maximum
    assert found.finding_type == codes.SCT.Neoplasm
    (site,) = found.finding_sites
    assert (site.value, site.laterality) == (codes.SCT.Breast, codes.SCT.Left)


def test_it_refers_to_segment_series_and_images(series, tmp_path) -> None:
    path = written(tmp_path / "sr.dcm", series)
    seg, report = pydicom.dcmread(tmp_path / "seg.dcm"), pydicom.dcmread(path)
    image = pydicom.dcmread(series.paths[0])
    found = group(path)
    segment = found.referenced_segment
    assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    assert found.tracking_uid == seg.SegmentSequence[0].TrackingUID
    uids = [i.value for i in found[0].ContentSequence if i.ValueType == "UIDREF"]
    assert image.SeriesInstanceUID in uids
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == image.StudyInstanceUID
    named = {
        (str(one.SeriesInstanceUID), str(item.ReferencedSOPInstanceUID))
        for one in study.ReferencedSeriesSequence
        for item in one.ReferencedSOPSequence
    }
    images = {(str(image.SeriesInstanceUID), uid) for uid in series.grid.sop_uids}
    assert named == images | {(str(seg.SeriesInstanceUID), str(seg.SOPInstanceUID))}


def test_algorithm_and_prompt_are_in_it(series, tmp_path) -> None:
    path = written(tmp_path / "sr.dcm", series)
    stated = [i.TextValue for i in group(path)[0].ContentSequence if i.ValueType == "TEXT"]
    assert f"package_sha256={'5e' * 32}" in stated
    assert "prompt=Herd links, größer; number=two" in stated
    assert "prompt_origin=report" in stated
    assert {"textbcs_plus", "0.1.0"} <= set(stated)
    report = pydicom.dcmread(path)
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"


def test_an_outline_of_nothing_names_no_finding(tmp_path) -> None:
    series = made(tmp_path / "images", GE)
    empty = replace(series, mask=series.mask & False)
    found = group(written(tmp_path / "sr.dcm", empty, LesionMeasurements(0.0, None, None)))
    assert [one.value for one in found.get_measurements()] == [0.0]
    assert found.finding_type is None
    assert list(found.finding_sites) == []


def test_the_same_input_gives_the_same_bytes(tmp_path, monkeypatch) -> None:
    series = made(tmp_path / "images", GE)
    first = written(tmp_path / "sr.dcm", series).read_bytes()

    class Later(highdicom.base.datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 6, 7, 8, 9)

    monkeypatch.setattr(highdicom.base.datetime, "datetime", Later)
    assert written(tmp_path / "sr.dcm", series).read_bytes() == first
    assert b"2031" not in first
    other = written(tmp_path / "sr.dcm", series, replace(MEASURED, volume_ml=2.0))
    uids = [pydicom.dcmread(other).SOPInstanceUID, highdicom.sr.srread(other).SeriesInstanceUID]
    (tmp_path / "first.dcm").write_bytes(first)
    assert pydicom.dcmread(tmp_path / "first.dcm").SOPInstanceUID not in uids
    assert len(set(uids)) == 2


def test_only_required_modules_of_the_source_are_in_it(tmp_path) -> None:
    def burden(dataset: pydicom.Dataset) -> None:
        for keyword in ("PatientComments", "StudyDescription", "InstitutionName", "Manufacturer"):
            setattr(dataset, keyword, "CANARY")
        dataset.private_block(0x0011, "CANARY", create=True).add_new(0x01, "LO", "CANARY")

    path = written(tmp_path / "sr.dcm", made(tmp_path / "images", GE, change=burden))
    assert b"CANARY" not in path.read_bytes()
    report = pydicom.dcmread(path)
    assert report.PatientName == "Roe^Jane"
    assert (report.ContentDate, report.ContentTime) == ("20200102", "102030")
    of_her = {element.keyword for element in report if element.tag.group == 0x0010}
    assert of_her == {"PatientName", "PatientID", "PatientBirthDate", "PatientSex"}
