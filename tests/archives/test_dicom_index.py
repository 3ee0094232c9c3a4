"""A folder of DICOM files as people have it: no file ends the listing of the others."""

import shutil
from pathlib import Path

import pytest
from own_files import CT, SR, write_dicom, write_series

from textbcs.archives.dicom_index import DicomIndex, index_folder
from textbcs.imaging.dicom import series_fault
from textbcs.intake.folder_walk import LINKED


def why(index: DicomIndex, folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): reason for path, reason in index.unused}


def test_a_strangers_files_stop_nobody(tmp_path: Path) -> None:
    write_series(tmp_path / "p1")
    report = {"SOPClassUID": SR, "Modality": "SR", "PixelData": None}
    write_dicom(tmp_path / "report", 1, "1.7", PatientID=None, **report)
    write_dicom(tmp_path / "ct", 1, "1.8", PatientID="a b", Modality="CT", SOPClassUID=CT)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden").write_text("x")
    index = index_folder(tmp_path)
    assert set(index.series) == {("P1", "1.2.3"), ("a b", "1.8")}
    assert index.faults == {}
    assert why(index, tmp_path) == {
        ".hidden": "hidden or system file",
        "notes.txt": "no DICOM file",
        "report": "DICOM without PatientID",
    }


def test_a_copy_is_dropped(tmp_path: Path) -> None:
    first = write_series(tmp_path / "a")[0]
    (tmp_path / "b").mkdir()
    shutil.copy(first, tmp_path / "b/copy")
    index = index_folder(tmp_path)
    assert len(index.series["P1", "1.2.3"]) == 4
    assert why(index, tmp_path) == {"b/copy": "a copy of a/IM1"}
    assert index.faults == {}


def test_two_versions_of_an_instance_are_used_by_nobody(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", "1.2.4", PatientID="P2")
    write_dicom(tmp_path / "c/other", 2, PixelData=bytes(512))
    write_dicom(tmp_path / "c/thief", 9, "1.2.5", SOPInstanceUID="1.2.3.3", PatientID="P3")
    index = index_folder(tmp_path)
    assert "two different files have one SOPInstanceUID" in index.fault("1.2.3")
    assert index.fault("1.2.4") == ""
    assert ("P3", "1.2.5") in index.series  # who is then excluded with that reason
    assert index.fault("1.2.5")
    assert why(index, tmp_path)["c/other"].startswith("has the SOPInstanceUID of a/IM2")


def test_a_series_of_two_patients_is_used_by_neither(tmp_path: Path) -> None:
    files = write_series(tmp_path)
    write_dicom(files[2], 3, PatientID="P2")
    index = index_folder(tmp_path)
    assert set(index.series) == {("P1", "1.2.3"), ("P2", "1.2.3")}
    assert "belongs to several patients" in index.fault("1.2.3")


@pytest.mark.parametrize("size", range(0, 1034, 47))
def test_no_volume_is_a_slice_short(size: int, tmp_path: Path) -> None:
    """The last slice is cut anywhere: the series has a fault, or that file has one as its slice."""
    files = write_series(tmp_path / "p1", count=6)
    write_series(tmp_path / "p2", "1.2.4", PatientID="P2")
    content = files[-1].read_bytes()
    assert len(content) == 1034
    files[-1].write_bytes(content[:size])
    index = index_folder(tmp_path)
    assert index.fault("1.2.4") == ""
    if index.unused:
        assert "cannot be read: " in index.fault("1.2.3")
        assert "taken for a slice" in why(index, tmp_path)["p1/IM6"]
    else:
        assert series_fault(index.series["P1", "1.2.3"], 0.05)


def test_a_slice_of_zeros_is_missed(tmp_path: Path) -> None:
    files = write_series(tmp_path, count=6)
    files[2].write_bytes(bytes(files[2].stat().st_size))
    fault = index_folder(tmp_path).fault("1.2.3")
    assert fault == "a file among its slices cannot be read: no DICOM file"


def test_an_empty_file_of_another_kind_harms_nobody(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "done").touch()
    (tmp_path / "IM9").write_text("a note that bears the name of a slice")
    report = {"SOPClassUID": SR, "Modality": "SR", "PixelData": None}
    write_dicom(tmp_path / "IM8", 1, "1.7", PatientID=None, **report)
    index = index_folder(tmp_path)
    assert index.faults == {}
    assert why(index, tmp_path) == {
        "IM8": "DICOM without PatientID",
        "IM9": "no DICOM file",
        "done": "empty file",
    }


def test_a_linked_folder_is_not_read(tmp_path: Path) -> None:
    write_series(tmp_path / "own/p1")
    write_series(tmp_path / "disk/p2", "1.2.4", count=1, PatientID="P2")
    (tmp_path / "own/p2").symlink_to(tmp_path / "disk/p2")
    index = index_folder(tmp_path / "own")
    assert set(index.series) == {("P1", "1.2.3")}
    assert why(index, tmp_path / "own") == {"p2/IM1": LINKED}


def test_a_phase_of_a_series_has_the_fault_of_the_whole() -> None:
    index = DicomIndex(faults={"1.2.3": "x"})
    assert index.fault("1.2.3-2") == "x"
    assert index.fault("1.2.30") == ""
