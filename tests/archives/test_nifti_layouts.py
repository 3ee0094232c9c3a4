"""How volumes may lie in a folder: which patient, visit and phase a file is, or why it is none."""

from pathlib import Path

import pytest

from textbcs.archives.nifti_layouts import VolumeFile, find_volumes
from textbcs.base.io import InputError
from textbcs.intake.folder_walk import ABOVE, LINKED, LISTED, NOWHERE


def tree(folder: Path, *names: str) -> Path:
    """Empty files below a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def volumes(folder: Path, layout: str = "auto") -> list[tuple[str, str, str]]:
    """(patient, session, name) of every volume."""
    return [(one.patient, one.session, one.name) for one in find_volumes(folder, layout).volumes]


def unused(folder: Path, layout: str = "auto") -> dict[str, str]:
    """{file: why it is no volume}."""
    found = find_volumes(folder, layout).unused
    return {path.relative_to(folder).as_posix(): reason for path, reason in found}


def test_a_folder_for_each_patient(tmp_path: Path) -> None:
    names = ("007/b.nii.gz", "007/A.NII", "benign (1)/x.nrrd", "6/6_0001.nii.gz")
    tree(
        tmp_path, *names, "007/.hidden.nii", "readme.txt", "007/old/b.nii", "x.nii", "6/m.seg.nrrd"
    )
    assert volumes(tmp_path) == [
        ("007", "", "A"),
        ("007", "", "b"),
        ("6", "", "6_0001"),
        ("benign (1)", "", "x"),
    ]
    assert unused(tmp_path) == {
        "007/old/b.nii": "lies deeper than <patient>/<name>",
        "6/m.seg.nrrd": "a mask: name its folder in masks.nifti_directory",
        "readme.txt": "no volume",
        "x.nii": "lies in no patient's folder",
    }


def test_nnunets_layout(tmp_path: Path) -> None:
    names = ("imagesTr/c_1_0000.nii.gz", "imagesTr/c_1_0001.nii.gz", "imagesTs/c_2_0000.nrrd")
    tree(tmp_path, *names, "labelsTr/c_1.nii.gz", "dataset.json", "imagesTr/c_3.nii.gz")
    assert volumes(tmp_path) == [("c_1", "", "_0000"), ("c_1", "", "_0001"), ("c_2", "", "_0000")]
    assert unused(tmp_path) == {
        "dataset.json": "no volume",
        "imagesTr/c_3.nii.gz": "its name does not end with a channel such as _0000",
        "labelsTr/c_1.nii.gz": "a mask: name its folder in masks.nifti_directory",
    }
    assert volumes(tree(tmp_path / "flat", "a_0000.nii.gz", "a_0001.nii.gz")) == [
        ("a", "", "_0000"),
        ("a", "", "_0001"),
    ]


def test_bids(tmp_path: Path) -> None:
    names = (
        "sub-01/ses-02/anat/sub-01_ses-02_acq-dyn_T1w.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz",
        "sub-02/anat/sub-02_T1w.nii",
    )
    others = ("sub-02/anat/sub-03_T1w.nii", "sub-02/anat/sub-02_T1w.json", "participants.tsv")
    mask = "derivatives/masks/sub-02/anat/sub-02_mask.nii.gz"
    tree(tmp_path, *names, *others, mask, "sub-02/T1w.nii.gz")
    assert volumes(tmp_path, "bids") == [
        ("01", "ses-01", "T1w"),
        ("01", "ses-02", "acq-dyn_T1w"),
        ("02", "", "T1w"),
    ]
    assert unused(tmp_path, "bids") == {
        mask: "a derivative: for masks name their folder in masks.nifti_directory",
        "participants.tsv": "no volume",
        "sub-02/anat/sub-02_T1w.json": "no volume",
        "sub-02/anat/sub-03_T1w.nii": "its name does not begin with sub-02_",
        "sub-02/T1w.nii.gz": "lies at no place of BIDS",
    }
    (tmp_path / "sub-02/T1w.nii.gz").unlink()
    assert volumes(tmp_path) == volumes(tmp_path, "bids")


def test_what_is_not_clear_is_asked(tmp_path: Path) -> None:
    tree(tmp_path, "imagesTr/a_0000.nii.gz", "b/x.nii.gz")
    with pytest.raises(InputError, match=r"several layouts: .*b/x\.nii.*set cohort\.layout"):
        volumes(tmp_path)
    assert volumes(tmp_path, "folders") == [("b", "", "x")]
    assert volumes(tmp_path, "nnunet") == [("a", "", "_0000")]
    with pytest.raises(InputError, match=r"holds no sub-<label>"):
        volumes(tmp_path, "bids")


def test_one_name_of_several_files_is_a_fault_of_its_patient(tmp_path: Path) -> None:
    tree(tmp_path, "1/x.nii", "1/x.nii.gz", "1/y.nii", "2/x.nii.gz")
    words = "several files of one name (x.nii and x.nii.gz); remove all but one"
    assert find_volumes(tmp_path, "auto").volumes == [
        VolumeFile("1", "", "x", tmp_path / "1/x.nii", words),
        VolumeFile("1", "", "y", tmp_path / "1/y.nii"),
        VolumeFile("2", "", "x", tmp_path / "2/x.nii.gz"),
    ]
    assert unused(tmp_path) == {"1/x.nii.gz": words}
    both = tree(tmp_path / "nn", "imagesTr/a_0000.nii", "imagesTs/a_0000.nii")
    assert find_volumes(both, "auto").volumes[0].fault.startswith("several files of one name")


def test_links(tmp_path: Path) -> None:
    """A linked patient is said, since DVC would not see her change; so is what leads nowhere."""
    disk = tree(tmp_path / "disk", "2/x.nii.gz")
    folder = tree(tmp_path / "own", "1/x.nii.gz")
    (folder / "2").symlink_to(disk / "2")
    (folder / "3").symlink_to(disk / "2")
    (folder / "1/loop").symlink_to(folder)
    (folder / "1/gone.nii.gz").symlink_to(disk / "none.nii.gz")
    assert volumes(folder) == [("1", "", "x")]
    assert unused(folder) == {
        "1/gone.nii.gz": NOWHERE,
        "1/loop": ABOVE,
        "2/x.nii.gz": LINKED,
        "3": LISTED,
    }


@pytest.mark.parametrize("layout", ["auto", "folders"])
def test_images_beside_segmentations_are_told_what_to_set(tmp_path: Path, layout: str) -> None:
    tree(tmp_path, "images/c1/dce.nii.gz", "images/c2/dce.nii.gz", "segmentations/c1/m.nii.gz")
    with pytest.raises(InputError) as error:
        find_volumes(tmp_path, layout)
    told = str(error.value)
    assert told.startswith(f"{tmp_path}: holds no <patient>/<name>.nii.gz")
    assert ("imagesTr/<case>_0000.nii.gz or sub-<label>/" in told) == (layout == "auto")
    assert told.endswith(
        f"volumes lie one folder deeper (images/c1/dce.nii.gz): set cohort.archive to {tmp_path}/images "
        f"and masks.nifti_directory to {tmp_path}/segmentations"
    )
    # What the line says is a layout.
    assert volumes(tmp_path / "images") == [("c1", "", "dce"), ("c2", "", "dce")]


def test_what_comes_nearest_to_a_layout_is_said(tmp_path: Path) -> None:
    for place, files, words in (
        ("flat", ["P1.nii.gz", "P2.nii"], "put P1.nii.gz into the folder of its patient"),
        ("kinds", ["images/P1.nii.gz", "masks/P1.nii.gz"], "into the folder of its patient"),
        (
            "bids",
            ["study/sub-1/anat/sub-1_T1w.nii.gz"],
            f"set cohort.archive to {tmp_path}/bids/study",
        ),
        (
            "nnunet",
            ["Task1/imagesTr/a_0000.nii.gz"],
            f"set cohort.archive to {tmp_path}/nnunet/Task1",
        ),
        ("none", ["readme.txt"], "put the volumes into the folder of its patient"),
    ):
        with pytest.raises(InputError, match="holds no <patient>/<name>") as error:
            find_volumes(tree(tmp_path / place, *files), "auto")
        assert words in str(error.value)
