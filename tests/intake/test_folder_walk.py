"""Every file is found once, whatever links there are; what must not be read is said."""

import os
from pathlib import Path

import pytest

from textbcs.base.folders import walk
from textbcs.intake import folder_walk
from textbcs.intake.folder_walk import every_file, is_hidden, shown


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def found(folder: Path) -> dict[str, str]:
    return {shown(one.path, folder): one.fault for one in every_file(folder)}


def test_plain_files_come_in_the_order_of_the_stages_walk(tmp_path: Path) -> None:
    for name in ("b/2", "b/10", "a/c/1", "z", "a/x"):
        made(tmp_path / name)
    assert [one.path for one in every_file(tmp_path)] == list(walk(tmp_path))
    assert set(found(tmp_path).values()) == {""}


def test_a_linked_file_is_read_and_a_linked_folder_is_not(tmp_path: Path) -> None:
    made(tmp_path / "disk/p2/sub/1")
    made(tmp_path / "disk/one")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "p2").symlink_to(tmp_path / "disk/p2")
    (folder / "one").symlink_to(tmp_path / "disk/one")
    assert found(folder) == {"one": "", "p2/sub/1": folder_walk.LINKED}


def test_the_archive_itself_may_be_a_link(tmp_path: Path) -> None:
    made(tmp_path / "disk/p1/1")
    (tmp_path / "own").symlink_to(tmp_path / "disk")
    assert found(tmp_path / "own") == {"p1/1": ""}


def test_no_chain_of_links_is_followed_without_an_end(tmp_path: Path) -> None:
    folder, disk = tmp_path / "own", tmp_path / "disk"
    made(folder / "real/1")
    made(disk / "1")
    (disk / "again").symlink_to(disk)
    for name, target in (
        ("loop", folder),
        ("root", Path("/")),
        ("before", folder / "real"),
        ("disk", disk),
        ("disk2", disk),
        ("self", folder / "self"),
        ("gone", folder / "nowhere"),
    ):
        (folder / name).symlink_to(target)
    assert found(folder) == {
        "real/1": "",
        "loop": folder_walk.ABOVE,
        "root": folder_walk.ABOVE,
        "before": folder_walk.LISTED,
        "disk/1": folder_walk.LINKED,
        "disk/again": folder_walk.DEEPER,
        "disk2": folder_walk.LISTED,
        "self": folder_walk.NOWHERE,
        "gone": folder_walk.NOWHERE,
    }


def test_pipes_and_strange_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")).write_text("x")
    made(tmp_path / "a\nb")
    assert found(tmp_path) == {"pipe": folder_walk.SPECIAL, "\\xff\\xfe": "", "a\nb": ""}


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("a/IM1", False),
        (".DS_Store", True),
        ("a/._IM1", True),
        (".git/IM1", True),
        ("__MACOSX/a/IM1", True),
        ("a/Thumbs.db", True),
        ("a/IM1.part", True),
        ("a.b/IM1", False),
    ],
)
def test_what_systems_leave(name: str, hidden: bool) -> None:
    assert is_hidden(Path("/.x/own", name), Path("/.x/own")) == hidden
