"""NIfTI masks from a directory: joined by name or series UID, placed by their affine."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cohort_stage import make_stage

from textbcs.base.io import InputError
from textbcs.cohort.phases import PRE, UNNUMBERED, phase_of
from textbcs.masks.nifti_masks import read_join
from textbcs.stages.data.masks import run as make_masks

FOLDER = Path("data/masks")
OWN = Path("data/own")


def masks() -> dict[str, np.ndarray]:
    found = sorted(FOLDER.glob("*.nii.gz"))
    return {path.name[:14]: np.asarray(nib.load(path).dataobj) for path in found}


def table() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "masks.csv", keep_default_na=False).set_index("patient")


def export(folder: Path, name, label: int = 1) -> None:
    """The stage's masks as another tool stores them: y and z reversed, which only the affine tells."""
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(FOLDER.glob("*.nii.gz")), start=1):
        image = nib.load(path)
        values = label * np.asarray(image.dataobj)[:, ::-1, ::-1]
        affine = image.affine.copy()
        affine[:3, 3] = (image.affine @ [0, values.shape[1] - 1, values.shape[2] - 1, 1])[:3]
        affine[:3, 1:3] *= -1
        nib.save(nib.Nifti1Image(values.astype(np.uint8), affine), folder / name(number))


def use(params, **entry) -> None:
    for path in FOLDER.iterdir():
        path.unlink()
    params["masks"]["nifti_directory"] = str(OWN)
    params["masks"]["sources"] = [{"source": "expert", "kind": "nifti", **entry}]
    make_masks(make_stage(params))


def test_mama_mias_layout_gives_the_same_masks(workplace, params) -> None:
    truth = masks()
    series = pd.read_csv("data/cohort/series.csv")
    pre = series[series["phase"] == "pre"].sort_values("patient")
    ids = [f"DUKE_{number:03d}" for number in range(1, 7)]
    book = pd.DataFrame({"patient_id": ids, "tcia_series_uid": pre["series_uid"].tolist()})
    book.loc[6] = ["ISPY1_1001", "1.2.3"]
    # Upper and lower case occur, and the first file has another patient's number: the UID decides.
    book.loc[[0, 1], "patient_id"] = ["DUKE_002", "DUKE_001"]

    def name(number: int) -> str:
        number = {1: 2, 2: 1}.get(number, number)
        return f"{'DUKE' if number % 2 else 'duke'}_{number:03d}.nii.gz"

    export(OWN / "expert", name)
    book.to_excel("data/own/clinical.xlsx", sheet_name="dataset_info", index=False)
    params["masks"]["nifti_table"] = "data/own/clinical.xlsx"
    use(params, folder="expert", join="tcia_series_uid")
    assert table()["origin"].tolist()[:3] == [
        "duke_002.nii.gz",
        "DUKE_001.nii.gz",
        "DUKE_003.nii.gz",
    ]
    assert (table()["reason"] == "").all()
    for patient, mask in masks().items():
        np.testing.assert_array_equal(mask, truth[patient])


def test_a_users_own_masks_by_patient(workplace, params) -> None:
    """One label of any value, one patient without a file, one source after another."""
    truth = masks()
    export(OWN / "mine", lambda number: f"breast_mri_{number:03d}.NII.GZ", label=255)
    (OWN / "mine" / "breast_mri_004.NII.GZ").unlink()
    (OWN / "mine" / "readme.txt").write_text("x")
    use(params, folder="mine", join="patient")
    reasons = table()["reason"].tolist()
    assert reasons.index("no source has a mask: no file {patient}") == 3
    for patient, mask in masks().items():
        np.testing.assert_array_equal(mask, truth[patient])
    assert len(masks()) == 5


def save(values: np.ndarray, affine: np.ndarray | None = None) -> None:
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(values, affine), OWN / "breast_mri_002.nii.gz")


def test_masks_that_are_none_stop_in_one_line(workplace, params) -> None:
    image = nib.load(FOLDER / "Breast_MRI_002.nii.gz")
    values, affine = np.asarray(image.dataobj), image.affine
    export(OWN, lambda number: f"breast_mri_{number:03d}.nii.gz")
    two = values.copy()
    two[0, 0, 0] = 2
    bad = values.astype(np.float32)
    bad[0, 0, 0] = np.nan
    for content, where, words in (
        (two, affine, "holds labels 1, 2; say which are tumour"),
        (bad, affine, "1 of [0-9]+ voxels are NaN"),
        (values, affine + np.outer([9999, 0, 0, 0], [0, 0, 0, 1]), "does not overlap its series"),
    ):
        save(content, where)
        with pytest.raises(InputError, match=words) as error:
            use(params, folder=".", join="patient")
        assert "breast_mri_002.nii.gz" in str(error.value)
        assert "\n" not in str(error.value)
        assert not list(FOLDER.iterdir())
    homeless = nib.Nifti1Image(values, None)
    nib.save(homeless, OWN / "breast_mri_002.nii.gz")
    with pytest.raises(InputError, match="states no orientation"):
        use(params, folder=".", join="patient")
    (OWN / "breast_mri_002.nii.gz").write_bytes(b"<html>")
    with pytest.raises(InputError, match="no NIfTI file"):
        use(params, folder=".", join="patient")


def test_a_table_that_is_not_mama_mias_stops(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_excel(tmp_path / "t.xlsx", sheet_name="dataset_info")
    with pytest.raises(InputError, match="has no column 'tcia_series_uid'; its columns are"):
        read_join(tmp_path / "t.xlsx")


def test_mama_mias_real_table_joins_the_real_index(duke_tables: Path) -> None:
    """291 patients, each joined through a pre-contrast series that IDC lists for the same number."""
    joined = read_join(duke_tables / "mama_mia_clinical_and_imaging_info.xlsx")
    idc = pd.read_csv(duke_tables / "duke_idc_v25_series.csv.gz").set_index("SeriesInstanceUID")
    duke = {uid: name for uid, name in joined.items() if name.startswith("DUKE_")}
    assert len(duke) == len(set(duke.values())) == 291
    for uid, name in duke.items():
        row = idc.loc[uid]
        assert row["PatientID"] == f"Breast_MRI_{name[-3:]}"
        assert phase_of(row["SeriesDescription"]) in (PRE, UNNUMBERED)
    assert len(joined) == 1506
