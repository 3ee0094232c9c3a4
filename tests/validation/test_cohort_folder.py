"""Studies, masks and prompts of a folder are whose their names say; every oddity is a line."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.validation.cohort_folder import read_cohort, read_prompts

TEXT = "location left; shape round; size large; number one"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_studies_and_masks_go_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "P1/a.dcm", "p2.nii.gz", "P3/a.dcm", "P4/a.dcm", ".hidden/x", "notes.txt")
    touch(tmp_path, *(f"masks/{name}" for name in ("P1.seg.dcm", "P2.NII.GZ", "P3.nrrd", "P3.dcm")))
    found = read_cohort(tmp_path)
    assert [(one.name, one.study.name, one.mask.name) for one in found.subjects] == [
        ("P1", "P1", "P1.seg.dcm"),
        ("p2", "p2.nii.gz", "P2.NII.GZ"),
    ]
    assert found.without["P3"] == "several masks: 'P3.nrrd', 'P3.dcm'; keep one"
    assert found.without["P4"].startswith("no mask; a file P4.nii.gz is wanted in ")


def test_masks_may_lie_elsewhere_under_other_names(tmp_path: Path) -> None:
    touch(tmp_path, "in/P1/a.dcm", "in/P2/a.dcm", "drawn/P1_seg.nii", "drawn/P2_seg.dcm")
    found = read_cohort(tmp_path / "in", tmp_path / "drawn", "{patient}_seg")
    assert [one.mask.name for one in found.subjects] == ["P1_seg.nii", "P2_seg.dcm"]
    with pytest.raises(
        InputError, match="called like '{patient}_seg': name that with --mask-names"
    ):
        read_cohort(tmp_path / "in", tmp_path / "drawn")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no study"),
        (["P1/a.dcm"], r"masks: no such folder; put masks there"),
        (["P1/a.dcm", "P1.nii.gz"], "are of one name"),
        (["P1/a.dcm", "masks/other.txt"], "no study has a mask; no mask; a file P1.nii.gz"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said(
    tmp_path: Path, names: list[str], message: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        read_cohort(tmp_path)


def test_prompts_are_read_by_patient(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(f"patient_id,text,reader\nP1,{TEXT},A\n")
    assert {name: one.text for name, one in read_prompts(path, ["P1", "P2"]).items()} == {
        "P1": TEXT
    }
    path.write_text("Patient;Location;Shape;Size;Number\nP2;Right;round;small;2\n")
    assert read_prompts(path, ["P2"])["P2"].number == "two"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (f"patient_id,text\nP9,{TEXT}\n", "row 2: patient 'P9': "),
        (f"patient_id,text\nP1,{TEXT}\nP1,{TEXT}\n", "row 3: patient 'P1' has two rows"),
        ("patient_id,text\nP1,location up\n", "row 2: "),
        (f"name,text\nP1,{TEXT}\n", "columns must hold patient_id"),
        ("patient_id,said\nP1,x\n", "columns must hold patient_id"),
    ],
)
def test_a_faulty_table_of_prompts_is_said(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(table)
    with pytest.raises(InputError, match=message):
        read_prompts(path, ["P1"])
