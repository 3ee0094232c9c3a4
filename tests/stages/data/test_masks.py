"""Masks: true, on the right grid, and refused in one line where they do not fit."""

import gzip
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from cohort_stage import make_stage

from textbcs.archives.incoming import RAW
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import read_files
from textbcs.imaging.dicom import read_grid
from textbcs.imaging.nifti import nifti_bytes, read_mask
from textbcs.phantom.patient import make_patient
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import COLUMNS
from textbcs.stages.data.masks import run as make_masks

FOLDER = Path("data/masks")


def table() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "masks.csv", keep_default_na=False).set_index("patient")


def run(params) -> None:
    """All stages after the archive, as a user who changed the archive would."""
    for path in FOLDER.iterdir():
        path.unlink()
    for verb in (list_cohort, download, make_masks):
        verb(make_stage(params))


def edit_seg(patient: str, change) -> None:
    for path in sorted(Path("data/phantom/archive", patient).rglob("1-1.dcm")):
        dataset = pydicom.dcmread(path)
        if dataset.Modality == "SEG":
            change(dataset)
            dataset.save_as(path)


def test_masks_are_the_truth(finished, monkeypatch, settings) -> None:
    """The generator's LPS mask is the oracle, nibabel the reader."""
    monkeypatch.chdir(finished)
    found = table()
    assert list(pd.read_csv(FOLDER / "masks.csv").columns) == list(COLUMNS)
    files = read_files()
    for index, (patient, row) in enumerate(found.iterrows(), start=1):
        truth = make_patient(settings, index)
        grid = truth.anatomy.grid
        image = nib.load(FOLDER / f"{patient}.nii.gz")
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        stored = np.asarray(image.dataobj)
        assert stored.dtype == np.uint8
        np.testing.assert_array_equal(stored.transpose(), truth.mask)
        corner = image.affine @ [3, 5, 2, 1]
        expected = [-grid.x.ravel()[3], -grid.y.ravel()[5], grid.z.ravel()[2]]
        np.testing.assert_allclose(corner[:3], expected, atol=2e-3)  # RAS of that voxel
        assert row["voxels"] == truth.mask.sum()
        volume = truth.mask.sum() * grid.pixel**2 * grid.distance
        assert row["volume_mm3"] == pytest.approx(volume, rel=1e-3)
        assert 1 <= row["lesions"] <= truth.facts.tumours
        assert (row["source"], row["reason"]) == ("expert", "")
        own = files[files["series_uid"] == row["series_uid"]]
        on_grid = read_grid([RAW / path for path in own["path"]], 0.05)
        read_back = read_mask(FOLDER / f"{patient}.nii.gz", on_grid)
        np.testing.assert_array_equal(read_back, truth.mask)


def test_bytes_are_deterministic(workplace, params) -> None:
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    run(params)
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == before
    blob = before["Breast_MRI_001.nii.gz"]
    assert blob[4:8] == b"\0\0\0\0"  # gzip's time of writing
    assert len(gzip.decompress(blob)) > 352


def misfits():
    def other_reference(seg) -> None:
        seg.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.4"
        for frame in seg.PerFrameFunctionalGroupsSequence:
            frame.pop("DerivationImageSequence", None)

    def other_frame(seg) -> None:
        seg.FrameOfReferenceUID = "1.2.3.4"

    def moved(by):
        def change(seg) -> None:
            for frame in seg.PerFrameFunctionalGroupsSequence:
                place = frame.PlanePositionSequence[0].ImagePositionPatient
                frame.PlanePositionSequence[0].ImagePositionPatient = [place[0] + by, *place[1:]]

        return change

    return [
        ("refers to no series of this patient", other_reference),
        ("another frame of reference", other_frame),
        ("does not overlap its series", moved(5000.0)),
    ]


@pytest.mark.parametrize(("words", "change"), misfits())
def test_a_mask_that_does_not_fit_stops_or_excludes(workplace, params, words, change) -> None:
    edit_seg("Breast_MRI_002", change)
    params["masks"]["misfit"] = "stop"
    with pytest.raises(InputError, match=words) as error:
        run(params)
    assert "\n" not in str(error.value)
    assert "Breast_MRI_002" in str(error.value)
    assert not list(FOLDER.iterdir())
    params["masks"]["misfit"] = "exclude"
    run(params)
    row = table().loc["Breast_MRI_002"]
    assert words in row["reason"]
    assert (row["voxels"], row["lesions"]) == (0, 0)
    assert not (FOLDER / "Breast_MRI_002.nii.gz").exists()
    assert (table()["reason"] == "").sum() == len(table()) - 1


def test_a_mask_that_sticks_out_is_measured(workplace, params) -> None:
    """Half of the mask is pushed over the image's edge: named with its share."""
    seg_path = next(
        path
        for path in Path("data/phantom/archive/Breast_MRI_001").rglob("1-1.dcm")
        if pydicom.dcmread(path).Modality == "SEG"
    )
    seg = pydicom.dcmread(seg_path)
    mask = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    columns = np.nonzero(mask)[2]
    pixel = float(seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[1])
    sign = float(
        seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient[0]
    )
    shift = -sign * pixel * (np.median(columns) + 0.5)

    def push(dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            place = frame.PlanePositionSequence[0].ImagePositionPatient
            frame.PlanePositionSequence[0].ImagePositionPatient = [place[0] + shift, *place[1:]]

    edit_seg("Breast_MRI_001", push)
    with pytest.raises(InputError, match=r"\d+% of the mask .* lies outside"):
        run(params)
    params["masks"]["max_outside"] = 1.0
    run(params)
    assert 0 < table().loc["Breast_MRI_001", "voxels"] < mask.sum()


def test_an_empty_or_missing_mask_is_a_reason(workplace, params) -> None:
    def empty(seg) -> None:
        seg.PixelData = bytes(len(seg.PixelData))

    def rename(seg) -> None:
        seg.SeriesDescription = "Segmentation"

    edit_seg("Breast_MRI_001", empty)
    edit_seg("Breast_MRI_003", rename)
    run(params)
    found = table()
    assert found.loc["Breast_MRI_001", "reason"] == "the mask is empty"
    assert found.loc["Breast_MRI_003", "reason"] == (
        "no source has a mask: no segmentation is described as '^breast-tumor segmentation$'"
    )
    assert sorted(path.stem[:-4] for path in FOLDER.glob("*.nii.gz")) == sorted(
        set(found.index) - {"Breast_MRI_001", "Breast_MRI_003"}
    )


def test_the_first_source_that_a_patient_has_wins(workplace, params) -> None:
    expert = dict(params["masks"]["sources"][0])

    def rename(seg) -> None:
        seg.SeriesDescription = "AIMI breast-tumor AI segmentation"

    edit_seg("Breast_MRI_004", rename)
    weak = expert | {"source": "ai", "description": r"^AIMI breast-tumor AI segmentation$"}
    params["masks"]["sources"] = [expert, weak]
    run(params)
    sources = table()["source"]
    assert sources["Breast_MRI_004"] == "ai"
    assert set(sources.drop("Breast_MRI_004")) == {"expert"}


def test_a_wrong_segment_name_stops(workplace, params) -> None:
    params["masks"]["sources"][0]["segment"] = "Tumour"
    with pytest.raises(InputError, match=r"no segment 'Tumour' \(it has 'Structural Tumor'\)"):
        run(params)


def test_excluded_patients_get_no_mask(workplace, params) -> None:
    text = Path("data/cohort/patients.csv").read_text().splitlines()
    text[2] = text[2].rstrip(",") + ",gone" if text[2].endswith(",") else text[2]
    Path("data/cohort/patients.csv").write_text("\n".join(text) + "\n")
    for path in FOLDER.iterdir():
        path.unlink()
    make_masks(make_stage(params))
    assert "Breast_MRI_002" not in table().index


def test_reading_back_refuses_another_grid(finished, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(finished)
    row = table().iloc[0]
    files = read_files()
    own = files[files["series_uid"] == row["series_uid"]]
    grid = read_grid([RAW / path for path in own["path"]], 0.05)
    mask = np.zeros(grid.shape, np.uint8)
    mask[4, 20, 30] = 1
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(nifti_bytes(mask, grid.affine))
    np.testing.assert_array_equal(read_mask(path, grid), mask)
    shifted = grid.affine.copy()
    shifted[0, 3] += 2
    path.write_bytes(nifti_bytes(mask, shifted))
    with pytest.raises(InputError, match="does not lie on"):
        read_mask(path, grid)
    path.write_bytes(nifti_bytes(2 * mask, grid.affine))
    with pytest.raises(InputError, match="zeros and ones"):
        read_mask(path, grid)
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="no NIfTI file"):
        read_mask(path, grid)


def test_nifti_with_other_axes_is_read_by_its_affine(finished, monkeypatch, tmp_path) -> None:
    """A mask that a person saved in RAS+ with nibabel means the same voxels."""
    monkeypatch.chdir(finished)
    patient = table().index[1]
    files, row = read_files(), table().loc[table().index[1]]
    own = files[files["series_uid"] == row["series_uid"]]
    grid = read_grid([RAW / path for path in own["path"]], 0.05)
    image = nib.load(FOLDER / f"{patient}.nii.gz")
    path = tmp_path / "ras.nii.gz"
    nib.as_closest_canonical(image).to_filename(path)
    np.testing.assert_array_equal(
        read_mask(path, grid), read_mask(FOLDER / f"{patient}.nii.gz", grid)
    )
    assert BytesIO(path.read_bytes()).getbuffer().nbytes > 0
