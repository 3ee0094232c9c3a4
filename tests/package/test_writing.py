"""Packages written: whole or not at all, and never over anything else."""

import zipfile
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.package.writing import write_folder, write_zip

FILES = {"package.json": b"{}\n", "receipts/a.json": b"1", "model.safetensors": b"\x00\x01"}


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_folder_holds_the_files_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_folder(tmp_path / "new/p", FILES)
    assert content(tmp_path / "new/p") == FILES
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p"]


def test_an_older_package_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write_folder(tmp_path / "p", FILES | {"old.txt": b""})
    write_folder(tmp_path / "p", FILES)
    assert content(tmp_path / "p") == FILES
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years")
    with pytest.raises(InputError, match="exists and is no package; name another folder"):
        write_folder(tmp_path / "thesis", FILES)
    assert (tmp_path / "thesis/chapter.txt").read_text() == "years"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="exists and is no package"):
        write_folder(tmp_path / "file", FILES)
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", FILES)


def test_a_failed_write_leaves_the_older_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "p", FILES)

    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("textbcs.package.writing.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_folder(tmp_path / "p", {"package.json": b"new"})
    assert content(tmp_path / "p") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_zip_depends_on_its_files_alone(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", "p", FILES)
    write_zip(tmp_path / "b.zip", "p", dict(reversed(FILES.items())))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"p/{name}": one for name, one in FILES.items()
        }
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
