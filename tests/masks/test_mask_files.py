"""Which mask file is whose: by the pattern of its name, the longest name, and never by chance."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.intake.folder_walk import DEEPER, LINKED, NOWHERE
from textbcs.masks.mask_files import (
    NO_PATIENT,
    PATIENT,
    MaskFiles,
    Named,
    better_pattern,
    list_files,
    match_files,
)

PEOPLE = {name: Named((name,), (f"1.2.{n}",)) for n, name in enumerate(("P1", "P12", "007"))}


def folder(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    return place


def owners(found: MaskFiles) -> dict[str, list[str]]:
    return {
        patient: [path.relative_to(found.folder).as_posix() for path in paths]
        for patient, paths in found.of.items()
    }


@pytest.mark.parametrize(
    ("names", "files", "expected"),
    [
        (PATIENT, ["p1.nii.gz", "P12.NII", "007.seg.nrrd"],
         {"P1": ["p1.nii.gz"], "P12": ["P12.NII"], "007": ["007.seg.nrrd"]}),
        ("{patient}_mask", ["P1_mask.nii.gz", "P12_MASK.nrrd", "P1.nii.gz"],
         {"P1": ["P1_mask.nii.gz"], "P12": ["P12_MASK.nrrd"]}),
        ("{patient}_mask.nii.gz", ["P1_mask.nii.gz"], {"P1": ["P1_mask.nii.gz"]}),
        ("{patient}*", ["P1_mask.nii.gz", "P1_mask_1.nii.gz", "P12_mask.nii.gz"],
         {"P1": ["P1_mask.nii.gz", "P1_mask_1.nii.gz"], "P12": ["P12_mask.nii.gz"]}),
        ("sub-{patient}/*/sub-{patient}_roi", ["sub-P1/anat/sub-P1_roi.nii", "sub-P1/sub-P1_roi.nii"],
         {"P1": ["sub-P1/anat/sub-P1_roi.nii"]}),
        ("{series}_seg", ["1.2.0_seg.nii.gz", "1.2.2_seg.nii.gz"],
         {"P1": ["1.2.0_seg.nii.gz"], "007": ["1.2.2_seg.nii.gz"]}),
        (PATIENT, ["P1.nii", "P1.nii.gz"], {"P1": ["P1.nii", "P1.nii.gz"]}),
        (PATIENT, ["7.nii.gz", "xP1.nii", "P1x.nii", "P3.nii"], {}),
    ],
)  # fmt: skip
def test_files_go_to_whom_they_are_called_after(tmp_path, names, files, expected) -> None:
    found = match_files(folder(tmp_path, *files), names, PEOPLE)
    assert owners(found) == expected
    used = {name for own in expected.values() for name in own}
    assert {path.relative_to(tmp_path).as_posix() for path in found.strangers} == set(files) - used


def test_a_patients_name_is_no_pattern(tmp_path: Path) -> None:
    people = {"P*": Named(("P*",)), "P.": Named(("P.",))}
    found = match_files(folder(tmp_path, "P1_m.nii", "P*_m.nii"), "{patient}*m", people)
    assert owners(found) == {"P*": ["P*_m.nii"]}


def test_a_file_of_two_patients_is_refused(tmp_path: Path) -> None:
    people = {"a": Named(("DUKE_001",)), "b": Named(("duke_001",))}
    with pytest.raises(InputError, match=r"duke_001.nii: is named after patients a and b"):
        match_files(folder(tmp_path, "duke_001.nii"), PATIENT, people)


def test_every_other_file_has_its_reason(tmp_path: Path) -> None:
    place = folder(tmp_path, "7.nii.gz", "P2.nii", "stranger.nii", ".P1.nii", "Thumbs.db", "P1.mha",
                   "P1.png", "P1.nii/x.txt")  # fmt: skip
    (place / "P12.nii").symlink_to("nowhere")
    found = match_files(place, PATIENT, PEOPLE)
    assert not found.of
    assert {path.relative_to(place).as_posix(): why for path, why in found.strangers.items()} == {
        "7.nii.gz": f"{NO_PATIENT}; did a spreadsheet take the leading zeros away: '007'?",
        "P2.nii": f"{NO_PATIENT}; did you mean 'P12'?",
        "stranger.nii": NO_PATIENT,
        ".P1.nii": "hidden, or the system's",
        "Thumbs.db": "hidden, or the system's",
        "P1.mha": "MetaImage: not read; save it as .nii.gz",
        "P1.png": "neither NIfTI nor NRRD",
        "P1.nii/x.txt": "neither NIfTI nor NRRD",
        "P12.nii": NOWHERE,
    }


def test_a_hundred_names_of_another_kind_give_the_pattern(tmp_path: Path) -> None:
    people = {f"P{n:03d}": Named((f"P{n:03d}",)) for n in range(100)}
    found = match_files(
        folder(tmp_path, *(f"{name}_mask.nii.gz" for name in people)), PATIENT, people
    )
    assert better_pattern(found, list(people)) == (
        "100 files are called like '{patient}_mask': set names of masks.sources to that"
    )
    assert better_pattern(match_files(tmp_path, "{patient}_mask", people), []) == ""


def test_what_lies_in_a_linked_folder_is_nobodys_mask(tmp_path: Path) -> None:
    """DVC would notice no change of it. A linked file, and a link to the whole folder, it does see."""
    place = folder(tmp_path / "there", "P12.nii").parent / "masks"
    folder(place, "P1.nii")
    (place / "link").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "loop").symlink_to(tmp_path / "there")
    (place / "007.nii").symlink_to(tmp_path / "there" / "P12.nii")
    found = match_files(place, "*{patient}", PEOPLE)
    assert owners(found) == {"007": ["007.nii"], "P1": ["P1.nii"]}
    assert found.strangers == {place / "link" / "P12.nii": LINKED, place / "link" / "loop": DEEPER}
    assert list_files(place) == [place / "007.nii", place / "P1.nii"]
    (tmp_path / "whole").symlink_to(place)
    assert set(owners(match_files(tmp_path / "whole", PATIENT, PEOPLE))) == {"007", "P1"}
    with pytest.raises(InputError, match="no such folder; correct masks.nifti_directory"):
        list_files(tmp_path / "none")
