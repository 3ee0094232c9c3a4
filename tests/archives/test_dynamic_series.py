"""Several phases in one DICOM series: split by what headers say of time, read back as they were made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from textbcs.archives.archive import FolderArchive, Series
from textbcs.imaging.dicom import series_fault
from textbcs.imaging.series_volumes import read_series
from textbcs.intake.series_uids import part_number

SHAPE = (3, 4, 5)  # slices, rows, columns
PHASES = 3
UID = "1.2.826.7"


def values(phase: int) -> np.ndarray:
    """The voxels of a phase; no two are alike."""
    return (np.arange(60).reshape(SHAPE) + 100 * phase).astype("<u2")


def dataset(sop_class: str, sop_uid: str, pixels: np.ndarray) -> Dataset:
    """An MR image of one or more frames without its geometry."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = sop_uid
    made.StudyInstanceUID, made.SeriesInstanceUID, made.PatientID = "1.2.826.1", UID, "P1"
    made.FrameOfReferenceUID, made.Modality, made.SeriesDescription = "1.2.826.3", "MR", "dyn"
    made.Rows, made.Columns = SHAPE[1:]
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = pixels.tobytes()
    return made


def slices(folder: Path, tags: Any) -> Path:
    """A file a slice and phase, InstanceNumber through all; `tags(phase, z)` gives times."""
    folder.mkdir(parents=True, exist_ok=True)
    for phase in range(PHASES):
        for z in range(SHAPE[0]):
            number = phase * SHAPE[0] + z + 1
            made = dataset(MRImageStorage, f"{UID}.{number}", values(phase)[z])
            made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            made.ImagePositionPatient = [0, 0, 2.5 * z]
            made.PixelSpacing = [1, 1]
            made.InstanceNumber = number
            for name, value in tags(phase, z).items():
                setattr(made, name, value)
            made.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def opened(folder: Path) -> tuple[FolderArchive, list[Series]]:
    archive = FolderArchive({"cohort": {"archive": str(folder)}})
    return archive, archive.series(lambda paths: paths)


def stored(archive: FolderArchive, one: Series) -> np.ndarray:
    """The voxels of a series from the files that the archive gives."""
    uid = one.first.series_uid
    files = list(archive.fetch("P1", uid))
    assert len(files) == one.instances
    return read_series([file.path for file in files], 0.05, phase=part_number(uid)).volume.array


TIMES = {
    "temporal position": lambda phase, z: {"TemporalPositionIdentifier": phase + 1},
    "acquisition": lambda phase, z: {"AcquisitionNumber": 10 - phase},
    "trigger": lambda phase, z: {"AcquisitionNumber": 1, "TriggerTime": 9000.5 * phase},
    "time": lambda phase, z: {"AcquisitionTime": f"0959{30 + 10 * phase}.25"},
    "first that fits": lambda phase, z: {
        "TemporalPositionIdentifier": phase * 3 + z + 1,  # counts images
        "AcquisitionNumber": phase + 1,
        "TriggerTime": 5.0 - phase,
    },
}


@pytest.mark.parametrize("name", TIMES)
def test_phases_come_back_in_time(tmp_path: Path, name: str) -> None:
    archive, found = opened(slices(tmp_path / "a", TIMES[name]))
    assert [one.first.description for one in found] == ["dyn 1", "dyn 2", "dyn 3"]
    assert [one.first.series_uid for one in found] == [f"{UID}-{n}" for n in (1, 2, 3)]
    order = range(PHASES)[::-1] if name == "acquisition" else range(PHASES)
    for one, phase in zip(found, order, strict=True):
        assert series_fault(one.headers, 0.05) == ""
        np.testing.assert_array_equal(stored(archive, one), values(phase))


def test_another_process_finds_the_files(tmp_path: Path) -> None:
    folder = slices(tmp_path / "a", TIMES["trigger"])
    fresh = FolderArchive({"cohort": {"archive": str(folder)}})
    numbers = [one.instance_number for one in fresh.fetch("P1", f"{UID}-2")]
    assert numbers == [4, 5, 6]
    assert not list(fresh.fetch("P1", UID))


def test_what_does_not_tell_phases_apart_is_left_whole(tmp_path: Path) -> None:
    """No time at all; one slice of a phase is missing; one file lacks the number."""
    _, found = opened(slices(tmp_path / "a", lambda phase, z: {}))
    assert [one.first.series_uid for one in found] == [UID]
    assert "several phases in one series" in series_fault(found[0].headers, 0.05)
    (slices(tmp_path / "b", TIMES["trigger"]) / "5.dcm").unlink()
    assert len(opened(tmp_path / "b")[1]) == 1

    def one_without(phase: int, z: int) -> dict[str, Any]:
        return {} if (phase, z) == (1, 1) else {"AcquisitionTime": f"10000{phase}"}

    assert len(opened(slices(tmp_path / "c", one_without))[1]) == 1


def test_a_plain_series_keeps_its_name(tmp_path: Path) -> None:
    """Though each of its slices has a time of its own."""
    folder = slices(tmp_path / "a", lambda phase, z: {"AcquisitionTime": f"1000{phase}{z}"})
    for number in range(4, 10):
        (folder / f"{number}.dcm").unlink()
    (one,) = opened(folder)[1]
    assert (one.first.series_uid, one.first.description) == (UID, "dyn")


def enhanced(path: Path, sop_uid: str, phases: list[int]) -> None:
    """One file with all slices of these phases, which its frames state."""
    made = dataset(EnhancedMRImageStorage, sop_uid, np.stack([values(phase) for phase in phases]))
    made.InstanceNumber, made.NumberOfFrames = 1, len(phases) * SHAPE[0]
    made.ImageType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing = [1, 1]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for phase in phases:
        for z in range(SHAPE[0]):
            frame, content, place = Dataset(), Dataset(), Dataset()
            content.TemporalPositionIndex = phase + 1
            place.ImagePositionPatient = [0, 0, 2.5 * z]
            frame.FrameContentSequence, frame.PlanePositionSequence = [content], [place]
            made.PerFrameFunctionalGroupsSequence.append(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def test_phases_of_an_enhanced_file(tmp_path: Path) -> None:
    enhanced(tmp_path / "a/x.dcm", f"{UID}.1", [0, 1, 2])
    archive, found = opened(tmp_path / "a")
    assert [one.first.description for one in found] == ["dyn 1", "dyn 2", "dyn 3"]
    for phase, one in enumerate(found):
        assert series_fault(one.headers, 0.05) == ""
        np.testing.assert_array_equal(stored(archive, one), values(phase))


def test_an_enhanced_file_for_each_phase(tmp_path: Path) -> None:
    for phase in range(PHASES):
        enhanced(tmp_path / f"a/{phase}.dcm", f"{UID}.{phase + 1}", [phase])
    archive, found = opened(tmp_path / "a")
    assert [one.instances for one in found] == [1, 1, 1]
    for phase, one in enumerate(found):
        np.testing.assert_array_equal(stored(archive, one), values(phase))
