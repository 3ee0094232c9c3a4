"""Zips from strangers: right ones open, dangerous ones leave nothing."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from servers import zip_of

from textbcs.archives.incoming import RejectedError
from textbcs.archives.unpacking import unpack

GOOD = [b"first image", b"second image"]


def made(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in members.items():
            opened.writestr(name, body)
    return stream.getvalue()


def tried(folder: Path, content: bytes, most_files: int = 2, most_bytes: int = 10**6) -> list[str]:
    """Names of what a zip leaves in an empty folder."""
    inside = folder / "deep" / "inside"
    inside.mkdir(parents=True, exist_ok=True)
    archive = folder / "series.zip"
    archive.write_bytes(content)
    unpack(archive, inside, most_files, most_bytes)
    return sorted(path.name for path in inside.iterdir())


def test_a_good_zip_opens(tmp_path: Path) -> None:
    assert tried(tmp_path, zip_of(GOOD)) == ["00000001.dcm", "00000002.dcm"]
    got = [path.read_bytes() for path in sorted((tmp_path / "deep/inside").iterdir())]
    assert got == GOOD


def with_license() -> bytes:
    stream = io.BytesIO(zip_of(GOOD))
    with zipfile.ZipFile(stream, "a") as opened:
        opened.writestr("LICENSE", "CC BY-NC 4.0")
    return stream.getvalue()


def test_a_licence_is_allowed_and_left_out(tmp_path: Path) -> None:
    assert tried(tmp_path, with_license()) == ["00000001.dcm", "00000002.dcm"]


@pytest.mark.parametrize(
    "name",
    [
        "../00000009.dcm",
        "/tmp/00000009.dcm",
        "a/00000009.dcm",
        "..\\9.dcm",
        "C:9.dcm",
        ".hidden.dcm",
        "9.exe",
        "9.dcm/",
        "9\n.dcm",
        "9.dcm\x00.dcm",
        "a" * 300 + ".dcm",
        "00000001.DCM",
    ],
)
def test_names_that_are_not_flat(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO(zip_of(GOOD[:1]))
    with zipfile.ZipFile(stream, "a") as opened:
        opened.writestr("placeholder", b"evil")
        opened.filelist[-1].filename = opened.filelist[-1].orig_filename = name
    content = stream.getvalue()
    before = set(Path("/tmp").iterdir())
    with pytest.raises(RejectedError):
        tried(tmp_path, content)
    assert not list((tmp_path / "deep/inside").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "series.zip"}
    assert not {path for path in set(Path("/tmp").iterdir()) - before if path.suffix == ".dcm"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_members_that_are_no_files(tmp_path: Path, kind: int) -> None:
    stream = io.BytesIO(zip_of(GOOD[:1]))
    with zipfile.ZipFile(stream, "a") as opened:
        link = zipfile.ZipInfo("00000002.dcm")
        link.external_attr = (kind | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(RejectedError, match=r"no flat \*\.dcm file"):
        tried(tmp_path, stream.getvalue())
    assert not list((tmp_path / "deep/inside").iterdir())


def test_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    remove = Path.unlink

    def noted(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            written.append(path.stat().st_size)
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", noted)
    with pytest.raises(RejectedError, match="a zip with 4 members, 1 are listed"):
        tried(tmp_path, zip_of([*GOOD, b"third"]), most_files=1)
    with pytest.raises(RejectedError, match="unpacks to more"):
        tried(tmp_path, zip_of([bytes(5000)] * 2), most_bytes=9000)
    bomb = zip_of([bytes(30 << 20)])
    assert len(bomb) < 40_000
    with pytest.raises(RejectedError, match="unpacks to more"):
        tried(tmp_path, bomb, most_bytes=10**9)
    assert max(written) <= 200 * 40_000


def test_a_size_that_lies(tmp_path: Path) -> None:
    """The directory says 10 bytes, the stream holds megabytes."""
    bomb = bytearray(zip_of([bytes(8 << 20)]))
    real = struct.pack("<L", 8 << 20)
    while (place := bomb.find(real)) >= 0:
        bomb[place : place + 4] = struct.pack("<L", 10)
    with pytest.raises(RejectedError):
        tried(tmp_path, bytes(bomb))


def test_damage(tmp_path: Path) -> None:
    good = zip_of([bytes(range(256)) * 64] * 2)
    for content in (b"", b"<html>Please log in</html>", good[: len(good) // 2], good[:-30]):
        with pytest.raises(RejectedError, match="damaged or cut off"):
            tried(tmp_path, content)
    refused = 0
    for place in range(0, len(good), 7):
        broken = bytearray(good)
        broken[place] ^= 0x55
        try:
            names = tried(tmp_path, bytes(broken))
        except RejectedError:
            refused += 1
        else:  # a byte that means nothing, such as a date: the images are right all the same
            assert names == ["00000001.dcm", "00000002.dcm"]
            for path in (tmp_path / "deep/inside").iterdir():
                assert path.read_bytes() == bytes(range(256)) * 64
        for path in (tmp_path / "deep/inside").iterdir():
            path.unlink()
    assert refused > len(good) / 7 / 3


def test_a_damaged_member_leaves_nothing_behind(tmp_path: Path) -> None:
    body = bytes(range(256)) * 64
    good = zip_of([body])
    for place in range(50, 50 + 60):  # within its packed bytes
        broken = bytearray(good)
        broken[place] ^= 0x55
        with pytest.raises(RejectedError):
            tried(tmp_path, bytes(broken))
        assert list((tmp_path / "deep/inside").iterdir()) == []


def test_the_table_of_md5(tmp_path: Path) -> None:
    for members, words in (
        ({"00000001.dcm": b"x"}, "without md5hashes"),
        ({"00000001.dcm": b"x", "md5hashes.csv": b"Filename,MD5Hash\n"}, "lists other images"),
        (
            {"00000001.dcm": b"x", "md5hashes.csv": b"Filename,MD5Hash\n00000001.dcm,00\n"},
            "00000001.dcm: MD5 differs",
        ),
        ({"00000001.dcm": b"x", "md5hashes.csv": b"\xff\xfe\x00"}, "damaged"),
    ):
        with pytest.raises(RejectedError, match=words):
            tried(tmp_path, made(**members))
        assert not list((tmp_path / "deep/inside").iterdir())
    with pytest.raises(RejectedError, match="without"):
        tried(tmp_path, made())


def test_encryption_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_of(GOOD))
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = content.find(signature)
        content[place + offset] |= 1
    with pytest.raises(RejectedError):
        tried(tmp_path, bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_whatever_a_decompressor_raises_is_a_damaged_zip(method: int, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as opened:
        opened.writestr("md5hashes.csv", "a,b\n" * 500)
        opened.writestr("1.dcm", bytes(range(256)) * 9)
    content = stream.getvalue()
    for place in range(40, len(content) - 200, 7):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        with pytest.raises(RejectedError):
            tried(tmp_path, bytes(damaged))
