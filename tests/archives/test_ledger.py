"""The ledger: every file once, used or with a reason, for both kinds of a person's own folder."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from cohort_stage import COHORT
from own_files import CT, SR, write_dicom, write_series

from textbcs.archives.archive import open_archive
from textbcs.archives.ledger import ledger
from textbcs.cohort.listing import choose_cohort
from textbcs.intake.folder_walk import LINKED


def table_of(folder: Path, **cohort: Any) -> pd.DataFrame:
    """The ledger of a folder, by file."""
    values = COHORT | {"archive": str(folder), "layout": "auto", "descriptions": {"post1": "min 1"}}
    values |= {"phases": ["post1"]} | cohort
    archive = open_archive({"cohort": values})
    series = archive.series(lambda paths: paths)
    table = ledger(archive, series, choose_cohort(series, values).left_out)
    assert table["file"].is_unique
    assert table["file"].is_monotonic_increasing
    assert ((table["used"] == "yes") == (table["reason"] == "")).all()
    return table.set_index("file")


def test_every_dicom_file_is_used_or_has_a_reason(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write_series(own / "p1")
    write_series(own / "p1/pre", "1.2.4", SeriesDescription="native", count=1)
    write_dicom(own / "p1/ct", 1, "1.2.5", Modality="CT", SOPClassUID=CT)
    report = {"SOPClassUID": SR, "Modality": "SR", "PixelData": None}
    write_dicom(own / "p1/sr", 1, "1.2.6", **report)
    write_dicom(own / "p1/rt", 1, "1.2.7", **report | {"Modality": "RTSTRUCT"})
    write_series(own / "benign (1)", "1.3.1", PatientID="benign (1)", StudyInstanceUID="1.3")
    write_series(own / "p3", "1.4.1", PatientID="P3", StudyInstanceUID="1.4")[3].write_bytes(b"")
    (own / "LICENSE").write_text("free")
    (own / "gone").symlink_to("nowhere")
    write_series(tmp_path / "disk", "1.5.1", count=1, PatientID="P5")
    (own / "p5").symlink_to(tmp_path / "disk")
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), own / "m.nii.gz")
    table = table_of(own)
    files = {path for path in own.rglob("*") if path.is_symlink() or path.is_file()} - {own / "p5"}
    assert set(table.index) == {path.relative_to(own).as_posix() for path in files} | {"p5/IM1"}
    used = table[table["used"] == "yes"]
    assert list(used.index) == [f"p1/IM{n}" for n in range(1, 5)]
    assert set(used["series_uid"]) == {"1.2.3"}
    said = {name: (row.kind, row.reason) for name, row in table.iterrows()}
    assert said["p1/ct"] == ("DICOM other modality", "modality CT: only MR and SEG are read")
    assert said["p1/sr"] == ("DICOM structured report", "structured report: holds no image")
    assert said["p1/rt"][0] == "DICOM RTSTRUCT"
    assert "contours are not read" in said["p1/rt"][1]
    assert said["p1/pre/IM1"] == ("DICOM image MR", "is no phase of the study")
    assert "PatientID is no plain name: use letters, digits" in said["benign (1)/IM1"][1]
    assert said["p3/IM1"] == (
        "DICOM image MR",
        "the patient is excluded: post1: a file among its slices cannot be read: empty file",
    )
    assert said["p3/IM4"][0] == "empty file"
    assert said["LICENSE"] == ("text", "no DICOM file")
    assert said["gone"] == ("link", "link that leads nowhere")
    assert said["p5/IM1"] == ("DICOM file", LINKED)
    assert said["m.nii.gz"] == ("NIfTI", "no DICOM file")


def test_volumes_and_what_lies_beside_them(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((4, 4, 4), np.int16), np.diag([-1, -1, 1, 1]))
    for name in ("P1/min 1.nii.gz", "P1/other.nii", "loose.nii.gz", "benign (1)/min 1.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nibabel.save(image, tmp_path / name)
    (tmp_path / "P1/notes.csv").write_text("a,b")
    write_dicom(tmp_path / "P1/IM1")
    table = table_of(tmp_path, kind="nifti")
    assert list(table.index[table["used"] == "yes"]) == ["P1/min 1.nii.gz"]
    said = {name: (row.kind, row.reason) for name, row in table.iterrows()}
    assert said["P1/other.nii"] == ("NIfTI", "is no phase of the study")
    assert said["loose.nii.gz"] == ("NIfTI", "lies in no patient's folder")
    assert "no plain name" in said["benign (1)/min 1.nii"][1]
    assert said["P1/notes.csv"] == ("table", "no volume")
    assert said["P1/IM1"] == ("DICOM file", "no volume")


def test_the_phantom_has_an_empty_one(workplace: Path, params: dict[str, Any]) -> None:
    archive = open_archive(params)
    series = archive.series(lambda paths: paths)
    assert ledger(archive, series, {}).empty
