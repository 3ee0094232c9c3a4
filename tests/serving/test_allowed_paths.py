"""Only what was named at the start is opened, and what lies in it."""

import os
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.serving.allowed_paths import AllowedPaths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "studies/a/deep").mkdir(parents=True)
    (tmp_path / "studies/.hidden").mkdir()
    (tmp_path / "studies/notes.txt").write_text("x")
    (tmp_path / "studies/v.nii.gz").write_bytes(b"")
    (tmp_path / "secret").mkdir()
    (tmp_path / "studies/link").symlink_to(tmp_path / "secret")
    (tmp_path / "studies/own").symlink_to(tmp_path / "studies/a")
    return tmp_path / "studies"


def test_what_is_named_is_listed_and_found(folder: Path) -> None:
    Path(os.fsdecode(bytes(folder) + b"/no\xfctf8")).mkdir()
    paths = AllowedPaths([folder])
    listed = ["studies", "studies/a", "studies/link", "studies/own", "studies/v.nii.gz"]
    assert paths.listed() == listed
    assert paths.find("studies/a/deep") == folder / "a/deep"
    assert paths.find("studies") == folder
    assert paths.find("studies/own") == folder / "a"
    assert paths.without_folders(f"{folder}/a: no DICOM") == "studies/a: no DICOM"
    assert AllowedPaths([]).listed() == []


@pytest.mark.parametrize(
    "name",
    ["", "/", "..", "studies/..", "studies/../secret", "studies/a/../../secret", "/etc", "secret",
     "studies/link", "studies//a", "studies/.hidden", "studies/none", "studies\\a", "studies/a\n",
     "x" * 2000],
)  # fmt: skip
def test_nothing_outside_is_found(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="no such study here") as caught:
        AllowedPaths([folder]).find(name)
    assert str(folder) not in str(caught.value)


def test_names_that_cannot_be_told_apart_are_refused(folder: Path) -> None:
    (folder.parent / "other/studies").mkdir(parents=True)
    with pytest.raises(InputError, match="has the same name"):
        AllowedPaths([folder, folder.parent / "other/studies"])
    with pytest.raises(InputError, match="no such file or folder"):
        AllowedPaths([folder / "none"])
    assert len(AllowedPaths([folder, folder]).listed()) == 5
