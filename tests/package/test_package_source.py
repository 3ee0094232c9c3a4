"""The files of a package in a folder or a zip that somebody else made: nothing leads elsewhere."""

import os
import zipfile
from pathlib import Path

import pytest
from packages import tiny_files, tiny_package

from textbcs.base.io import InputError
from textbcs.package.package_files import sealed
from textbcs.package.reading import read_package
from textbcs.package.writing import write_zip


def refused(path: Path) -> str:
    """The one line of a package that is not read."""
    with pytest.raises(InputError) as caught:
        read_package(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_no_package(tmp_path: Path) -> None:
    assert "no such package" in refused(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "holds no package.json" in refused(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no zip")
    assert "no readable zip" in refused(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    assert "0 files package.json" in refused(tmp_path / "other.zip")
    folder = tmp_path / "npm"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "left-pad", "version": "1.3.0"}')
    assert "of something else" in refused(folder)
    (folder / "package.json").write_text("[" * 100_000)
    assert "is no JSON" in refused(folder)
    (folder / "package.json").write_text('{"temperature": NaN}')
    assert "NaN is no number" in refused(folder)


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = tiny_package(tmp_path / "p")
    (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert "a link" in refused(folder)
    other = tiny_package(tmp_path / "q")
    (other / "receipts").rename(tmp_path / "receipts")
    (other / "receipts").symlink_to(tmp_path / "receipts")
    refused(other)
    os.mkfifo(tmp_path / "pipe")
    third = tiny_package(tmp_path / "r")
    (third / "README.md").unlink()
    os.mkfifo(third / "README.md")
    assert "no plain file" in refused(third)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    files = sealed(*tiny_files())
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(f"p/{name}")
            if name == "licence.txt":
                member.external_attr = 0o120777 << 16
            archive.writestr(member, content)
    assert "licence.txt is a link" in refused(tmp_path / "p.zip")


def test_a_zip_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p/package.json", b" " * (1 << 23))
    assert "larger than it may be" in refused(tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sealed(*tiny_files()).items():
            more = bytes(1 << 20) if name == "licence.txt" else b""
            archive.writestr(f"p/{name}", content + more)
    assert "licence.txt is larger than it may be" in refused(tmp_path / "bomb.zip")


def test_a_damaged_zip_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    write_zip(path, "p", sealed(*tiny_files()))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(path)
    place = content.index(b"Apache-2.0\n")
    path.write_bytes(content[:place] + b"Bpache" + content[place + 6 :])
    assert "licence.txt" in refused(path)


def test_a_zip_in_the_folders_root_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "flat.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sealed(*tiny_files()).items():
            archive.writestr(name, content)
    assert read_package(tmp_path / "flat.zip").name == "textbcs_plus-s1"
