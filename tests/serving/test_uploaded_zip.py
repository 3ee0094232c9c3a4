"""Zips that come from anywhere: a study is unpacked, and nothing else is."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from textbcs.base.io import InputError
from textbcs.serving.uploaded_zip import Limits, unpack

LIMITS = Limits(
    most_bytes=10_000_000, most_unpacked=300_000, most_members=5, most_ratio=20, small=50_000
)


def zipped(path: Path, *members: tuple[Any, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    folder = tmp_path / "outer/inside"
    folder.mkdir(parents=True)
    return folder


def everything(tmp_path: Path) -> set[str]:
    return {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}


def test_files_lie_where_the_zip_has_them(tmp_path: Path, inside: Path) -> None:
    members = (("a/", b""), ("a/1.dcm", b"x"), ("a/b/2.dcm", b"yy"), ("__MACOSX/a/._1", b"z"))
    assert unpack(zipped(tmp_path / "in.zip", *members), inside, LIMITS) == inside
    found = {path.relative_to(inside).as_posix(): path.read_bytes()
             for path in inside.rglob("*") if path.is_file()}  # fmt: skip
    assert found == {"a/1.dcm": b"x", "a/b/2.dcm": b"yy"}


def test_one_volume_file_is_the_study(tmp_path: Path, inside: Path) -> None:
    archive = zipped(tmp_path / "in.zip", ("a/v.nii.gz", b"x"))
    assert unpack(archive, inside, LIMITS) == inside / "a/v.nii.gz"


@pytest.mark.parametrize(
    "name",
    ["../out.dcm", "a/../../out.dcm", "/etc/out.dcm", "a//b.dcm", "C:/out.dcm", "a\\..\\out.dcm",
     "..", "a/./b", "x\x01y", "/".join("d" * 30)],
)  # fmt: skip
def test_no_member_leaves_the_folder(tmp_path: Path, inside: Path, name: str) -> None:
    archive = zipped(tmp_path / "in.zip", ("good.dcm", b"x"), (name, b"x"))
    with pytest.raises(InputError, match="points outside it") as caught:
        unpack(archive, inside, LIMITS)
    assert name not in str(caught.value)
    assert everything(tmp_path) == {"in.zip"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, inside: Path, kind: int) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = (kind | 0o777) << 16
    with pytest.raises(InputError, match="a link or a device"):
        unpack(zipped(tmp_path / "in.zip", (member, b"/etc/passwd")), inside, LIMITS)
    assert everything(tmp_path) == {"in.zip"}


def test_bombs_are_stopped(tmp_path: Path, inside: Path) -> None:
    bomb = zipped(tmp_path / "a.zip", ("a.dcm", bytes(250_000)), how=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size * LIMITS.most_ratio < 250_000
    with pytest.raises(InputError, match="unpacks to more than is allowed"):
        unpack(bomb, inside, LIMITS)
    assert sum(path.stat().st_size for path in inside.rglob("*")) <= LIMITS.small
    several = [(f"{place}.dcm", os.urandom(110_000)) for place in range(3)]
    with pytest.raises(InputError, match="unpacks to more than is allowed"):
        unpack(zipped(tmp_path / "b.zip", *several), inside.parent, LIMITS)
    with pytest.raises(InputError, match="holds 6 files, and 5 are allowed"):
        many = [(str(place), b"") for place in range(6)]
        unpack(zipped(tmp_path / "c.zip", *many), inside, LIMITS)


def test_a_directory_that_lies_about_sizes_is_found_out(tmp_path: Path, inside: Path) -> None:
    """The size in the zip's directory is set to 10; what is read counts."""
    path = zipped(tmp_path / "a.zip", ("a.dcm", bytes(250_000)), how=zipfile.ZIP_DEFLATED)
    content = path.read_bytes().replace(struct.pack("<I", 250_000), struct.pack("<I", 10))
    path.write_bytes(content)
    with pytest.raises(InputError):
        unpack(path, inside, LIMITS)
    assert sum(one.stat().st_size for one in inside.rglob("*")) <= LIMITS.small


def test_a_huge_directory_is_never_read(tmp_path: Path, inside: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("a.dcm", b"x"))
    content = bytearray(path.read_bytes())
    content[-22 + 12 : -22 + 16] = struct.pack("<I", 17 << 20)
    path.write_bytes(content)
    with pytest.raises(InputError, match="more files than are allowed"):
        unpack(path, inside, LIMITS)
    end = bytes(content[-22:])
    path.write_bytes(content[:-22] + b"PK\x06\x07" + bytes(16) + end)
    with pytest.raises(InputError, match="64-bit form"):
        unpack(path, inside, LIMITS)


def test_damaged_and_odd_zips_are_one_line(tmp_path: Path, inside: Path) -> None:
    good = zipped(tmp_path / "good.zip", ("a.dcm", os.urandom(5000)))
    wrong = bytearray(good.read_bytes())
    wrong[1000] ^= 1
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("a.dcm", b"x")
        archive.writestr("A.dcm", b"y")
    locked = good.read_bytes()
    place = locked.index(b"PK\x01\x02")
    locked = locked[: place + 8] + b"\x01" + locked[place + 9 :]
    for content, told in (
        (b"", "no readable zip"),
        (b"no zip at all", "no readable zip"),
        (good.read_bytes()[:-30], "no readable zip"),
        (bytes(wrong), "zip"),
        (twice.getvalue(), "two files of one name"),
        (locked, "locked or packed otherwise"),
        (b"PK\x05\x06" + bytes(18), "holds no file"),
    ):
        path = tmp_path / "bad.zip"
        path.write_bytes(content)
        with pytest.raises(InputError, match=told) as caught:
            unpack(path, inside, LIMITS)
        assert "\n" not in str(caught.value)
