"""Several phases in one series or file, and two visits, through the stages up to the slices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from cohort_stage import make_stage, small_params
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from textbcs.base.io import NONE
from textbcs.cohort.cohort_tables import read_files, read_patients, read_series_table
from textbcs.slices.cutting import Cut, Task, cut_task
from textbcs.slices.patient_volumes import RecordedPatient
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import run as make_masks

SHAPE = (6, 32, 32)  # slices, rows, columns
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])  # of NIfTI's RAS: columns to the left, rows to the back


def phase(number: int) -> np.ndarray:
    """A flat background of one value for each phase, and a lesion that grows brighter."""
    values = np.full(SHAPE, 100 + 10 * number, np.uint16)
    values[2:4, 8:16, 8:16] += 50 * number
    return values


def lesion() -> np.ndarray:
    return (phase(1) == phase(1).max()).astype(np.uint8)


def save_nifti(path: Path, array: np.ndarray) -> None:
    """An array (z, y, x) or (z, y, x, time) as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = (2, 1, 0, 3)[: array.ndim]
    nibabel.save(nibabel.Nifti1Image(array.transpose(axes), LPS), path)


def save_dicom(folder: Path, study: str, date: str, values: list[np.ndarray]) -> None:
    """A study with one series, in which every position occurs once a phase."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (n, z) in enumerate(np.ndindex(len(values), SHAPE[0]), start=1):
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = MRImageStorage
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{study}.1.{number}"
        made.StudyInstanceUID, made.SeriesInstanceUID = study, f"{study}.1"
        made.FrameOfReferenceUID, made.StudyDate = f"{study}.9", date
        made.PatientID, made.Modality, made.SeriesDescription = "P1", "MR", "dyn"
        made.InstanceNumber, made.AcquisitionNumber = number, n + 1
        made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        made.ImagePositionPatient, made.PixelSpacing = [0, 0, 2 * z], [1, 1]
        made.Rows, made.Columns = SHAPE[1:]
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
        made.PhotometricInterpretation = "MONOCHROME2"
        made.PixelData = values[n][z].astype("<u2").tobytes()
        made.save_as(folder / f"{number}.dcm", enforce_file_format=True)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cut]:
    """Runs the stages on data/own and cuts P1's difference of phases."""
    monkeypatch.chdir(tmp_path)
    save_nifti(Path("data/own/masks/P1.nii.gz"), lesion())

    def stages(kind: str, descriptions: dict[str, str], **cohort: Any) -> Cut:
        params = small_params()
        params["cohort"] |= {"kind": kind, "archive": "data/own/images", "clinical": NONE}
        params["cohort"] |= {"boxes": NONE, "descriptions": descriptions, **cohort}
        params["masks"] |= {"nifti_directory": "data/own/masks"}
        nifti = {"source": "expert", "kind": "nifti", "folder": ".", "join": "patient"}
        params["masks"]["sources"] = [nifti]
        params["slices"] |= {"size": 32, "minimum_lesion_mm2": 1.0, "minimum_component_mm2": 1.0}
        params["slices"]["clip_percentiles"] = [0, 100]
        for verb in (list_cohort, download, make_masks):
            verb(make_stage(params, verb.__name__))
        series, files = read_series_table(), read_files()
        uids = dict(zip(series["phase"], series["series_uid"], strict=True))
        rows = tuple(files[files["series_uid"] == uids[role]] for role in ("post1", "pre"))
        mask = Path("data/masks/P1.nii.gz")
        return cut_task(Task(RecordedPatient("P1", rows, mask, "expert", params), True, 0))

    return stages


def check(cut: Cut) -> None:
    """The lesion lies where it was made, and is all that the difference shows."""
    assert read_patients()["excluded"].tolist() == [""]
    assert sum(bool(np.any(mask)) for mask in cut.masks) == 2
    for image, mask in zip(cut.images, cut.masks, strict=True):
        shown = np.asarray(image, np.float32).reshape(-1, 32, 32)[0]
        inside = np.asarray(mask) > 0
        if inside.any():
            assert inside.sum() == 64
            np.testing.assert_array_equal(shown == shown.max(), inside)


def test_time_points_of_a_nifti(run: Callable[..., Cut]) -> None:
    save_nifti(Path("data/own/images/P1/dce.nii.gz"), np.stack([phase(n) for n in range(3)], -1))
    check(run("nifti", {"pre": "dce 1$", "post1": "dce 3$"}))
    files = read_files()
    assert len(set(files["path"])) == 2
    assert files["sha256"].nunique() == 1  # each is the file as it was brought


def test_phases_of_a_dicom_series(run: Callable[..., Cut]) -> None:
    save_dicom(Path("data/own/images/a"), "1.2.5", "20200101", [phase(n) for n in range(3)])
    check(run("folder", {"pre": "dyn 1$", "post1": "dyn 3$"}))
    series = read_series_table()
    assert series.set_index("series_uid")["phase"].to_dict() == {
        "1.2.5.1-1": "pre",
        "1.2.5.1-2": "",
        "1.2.5.1-3": "post1",
    }
    numbers = read_files().groupby("series_uid")["instance_number"].agg(["min", "max"])
    assert numbers.loc["1.2.5.1-3"].tolist() == [13, 18]


@pytest.mark.parametrize(("visit", "study"), [("first", "1.2.7"), ("last", "1.2.6")])
def test_one_visit_of_two(run: Callable[..., Cut], visit: str, study: str) -> None:
    """The later study has the lower UID; nothing of the other one is fetched."""
    save_dicom(Path("data/own/images/a"), "1.2.6", "20210101", [phase(0), phase(2)])
    save_dicom(Path("data/own/images/b"), "1.2.7", "20200101", [phase(0), phase(1)])
    check(run("folder", {"pre": "dyn 1$", "post1": "dyn 2$"}, visit=visit))
    assert set(read_files()["series_uid"]) == {f"{study}.1-1", f"{study}.1-2"}
    path = Path("data/raw") / read_files()["path"].iloc[0]
    assert pydicom.dcmread(path).StudyInstanceUID == study
