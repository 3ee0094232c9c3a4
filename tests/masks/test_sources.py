"""Sources of masks: several of one patient, other names and labels, faults of one patient, strangers."""

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from cohort_stage import make_stage
from pydicom.uid import generate_uid

from textbcs.base.io import InputError
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import run as make_masks

FOLDER, OWN = Path("data/masks"), Path("data/own")


def table() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "masks.csv", keep_default_na=False).set_index("patient")


def unused() -> dict[str, str]:
    found = pd.read_csv(FOLDER / "unused.csv", keep_default_na=False)
    return dict(zip(found["file"], found["reason"], strict=True))


def load(patient: str) -> np.ndarray:
    return np.asarray(nib.load(FOLDER / f"{patient}.nii.gz").dataobj)


def take_out(names: str = "{}.nii.gz") -> dict[str, np.ndarray]:
    """The stage's masks moved to the user's folder, under names of a pattern; what they are."""
    OWN.mkdir()
    truth = {}
    for path in sorted(FOLDER.glob("*.nii.gz")):
        patient = path.name.removesuffix(".nii.gz")
        truth[patient] = load(patient)
        path.rename(OWN / names.format(patient))
    return truth


def use(params, misfit: str = "stop", **entry) -> None:
    for path in FOLDER.iterdir():
        path.unlink()
    source = {"source": "expert", "kind": "nifti", "folder": ".", "join": "patient", **entry}
    params["masks"] |= {"nifti_directory": str(OWN), "sources": [source], "misfit": misfit}
    make_masks(make_stage(params))


def split_in_two(path: Path, second: Path, labels: tuple[int, int] = (1, 1)) -> None:
    """A mask's lower and upper slices as two files."""
    image = nib.load(path)
    values = np.asarray(image.dataobj)
    filled = np.flatnonzero(values.any(axis=(0, 1)))
    middle = filled[len(filled) // 2]
    lower, upper = values.copy(), values.copy()
    lower[..., middle:], upper[..., :middle] = 0, 0
    for part, place, label in ((lower, path, labels[0]), (upper, second, labels[1])):
        nib.save(nib.Nifti1Image((part * label).astype(np.uint8), image.affine), place)


def test_names_of_another_kind_end_in_one_line_with_the_pattern(workplace, params) -> None:
    truth = take_out("{}_mask.nii.gz")
    with pytest.raises(InputError) as error:
        use(params)
    assert str(error.value) == (
        "masks.sources: no patient has a mask (6 of 6: no source has a mask: no file {patient}); "
        "6 of 6 patients have no file {patient} in data/own, but 6 files are called like "
        "'{patient}_mask': set names of masks.sources.0 to that"
    )
    assert not list(FOLDER.iterdir())
    use(params, names="{patient}_mask")
    assert (table()["reason"] == "").all()
    assert unused() == {}
    for patient, mask in truth.items():
        np.testing.assert_array_equal(load(patient), mask)


def test_several_files_of_one_patient_are_never_taken_by_chance(workplace, params) -> None:
    truth = take_out("{}_mask.nii.gz")
    patient = "Breast_MRI_002"
    split_in_two(OWN / f"{patient}_mask.nii.gz", OWN / f"{patient}_mask_1.nii.gz")
    with pytest.raises(InputError, match=r"patient Breast_MRI_002 \(.*_mask.nii.gz, .*_mask_1.nii"):
        use(params, names="{patient}_mask*")
    use(params, "exclude", names="{patient}_mask*")
    row = table().loc[patient]
    assert row["reason"].startswith(
        "2 masks of one source: keep one, or set masks.sources: several"
    )
    assert row["origin"] == f"{patient}_mask.nii.gz; {patient}_mask_1.nii.gz"
    use(params, names="{patient}_mask*", several="unite")
    np.testing.assert_array_equal(load(patient), truth[patient])
    assert table().loc[patient, "origin"] == f"{patient}_mask.nii.gz; {patient}_mask_1.nii.gz"
    use(params, names="{patient}_mask*", several="first")
    assert 0 < load(patient).sum() < truth[patient].sum()
    assert unused() == {f"{patient}_mask_1.nii.gz": "the patient has another mask"}


def test_labels_are_united_where_the_source_says_so(workplace, params) -> None:
    truth = take_out()
    patient = "Breast_MRI_002"
    first, second = OWN / f"{patient}.nii.gz", OWN / "second.nii.gz"
    split_in_two(first, second, (1, 3))
    parts = [np.asarray(nib.load(path).dataobj) for path in (first, second)]
    nib.save(nib.Nifti1Image(parts[0] + parts[1], nib.load(first).affine), first)
    second.unlink()
    use(params, labels="all")
    np.testing.assert_array_equal(load(patient), truth[patient])
    use(params, labels=[1])
    np.testing.assert_array_equal(load(patient), parts[0])
    use(params, "exclude")
    assert table().loc[patient, "reason"].startswith("holds labels 1, 3; say which are tumour")


def test_one_patients_damaged_mask_excludes_her_alone(workplace, params) -> None:
    take_out()
    path = OWN / "Breast_MRI_003.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(bytes(content))[:-9])
    with pytest.raises(
        InputError, match=r"data/own/Breast_MRI_003.nii.gz: .*masks.misfit to exclude"
    ):
        use(params)
    use(params, "exclude")
    reasons = table()["reason"]
    assert reasons["Breast_MRI_003"]
    assert "data/" not in reasons["Breast_MRI_003"]
    assert (reasons.drop("Breast_MRI_003") == "").all()
    assert unused() == {}


def test_files_of_nobody_are_counted(workplace, params, capsys) -> None:
    take_out()
    shutil.copy(OWN / "Breast_MRI_001.nii.gz", OWN / "Breast_MR_001.nii.gz")
    (OWN / "notes.txt").write_text("x")
    patients = pd.read_csv("data/cohort/patients.csv", dtype=str, keep_default_na=False)
    patients.loc[3, "excluded"] = "no pre"
    patients.to_csv("data/cohort/patients.csv", index=False)
    use(params)
    assert unused() == {
        "Breast_MRI_004.nii.gz": "the patient is excluded: no pre",
        "Breast_MR_001.nii.gz": "no patient of this name; did you mean 'Breast_MRI_001'?",
        "notes.txt": "neither NIfTI nor NRRD",
    }
    assert "data/own: 3 files are no mask of a patient: 1 neither" in capsys.readouterr().err


def rerun(params) -> None:
    for path in FOLDER.iterdir():
        path.unlink()
    for verb in (list_cohort, download, make_masks):
        verb(make_stage(params))


def seg_of(patient: str) -> Path:
    return next(
        path
        for path in sorted(Path("data/phantom/archive", patient).rglob("*.dcm"))
        if pydicom.dcmread(path, stop_before_pixels=True).Modality == "SEG"
    )


def test_two_segmentations_of_one_patient(workplace, params) -> None:
    """The second series marks nothing but an empty slice's worth: united, both are there."""
    patient = "Breast_MRI_002"
    truth = load(patient)
    path = seg_of(patient)
    seg = pydicom.dcmread(path)
    seg.SeriesInstanceUID, seg.SOPInstanceUID = generate_uid(), generate_uid()
    seg.file_meta.MediaStorageSOPInstanceUID = seg.SOPInstanceUID
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.pop("DerivationImageSequence", None)
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        step = float(seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0])
        place[0] = float(place[0]) + step
    seg.save_as(path.with_name("second.dcm"))
    params["masks"]["misfit"] = "exclude"
    rerun(params)
    row = table().loc[patient]
    assert row["reason"].startswith("2 masks of one source")
    assert row["origin"].count("; ") == 1
    params["masks"]["sources"][0]["several"] = "unite"
    rerun(params)
    moved = np.maximum(np.roll(truth, 1, axis=0), np.roll(truth, -1, axis=0))
    united = load(patient)
    assert truth.sum() < united.sum()
    assert (united >= truth).all()
    assert (united <= np.maximum(truth, moved)).all()


def test_a_segmentation_that_is_not_the_recorded_file_stops(workplace, params) -> None:
    files = pd.read_csv("data/cohort/files.csv", dtype=str)
    series = pd.read_csv("data/cohort/series.csv", dtype=str)
    uid = series.loc[series["phase"] == "mask", "series_uid"].iloc[0]
    path = Path("data/raw", files.loc[files["series_uid"] == uid, "path"].iloc[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    params["masks"]["misfit"] = "exclude"
    with pytest.raises(InputError, match="is not the file that was recorded"):
        make_masks(make_stage(params))
