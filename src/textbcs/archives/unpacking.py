"""Opening a series' zip from an archive that is not trusted.

A member is taken only if it is a plain file with a flat name; numbers, sizes and the ratio are capped
while reading, not only as the directory of the zip declares them. Reads a zip, writes flat files.
"""

import csv
import errno
import re
import stat
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from textbcs.archives.incoming import RejectedError, check_md5

_IMAGE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.dcm")
_OTHERS = frozenset({"LICENSE", "md5hashes.csv"})
_MD5_TABLE = "md5hashes.csv"
_BLOCK = 1 << 20
_MOST_RATIO = 200
_SMALL = 1 << 20
_DAMAGED = "a zip that is damaged or cut off"


def unpack(archive: Path, folder: Path, most_files: int, most_bytes: int) -> None:
    """Write the images of a zip to a folder and check each against `md5hashes.csv`.

    Args:
        archive: the zip.
        folder: where `*.dcm` appear, each complete or not at all.
        most_files: images that may be in it.
        most_bytes: bytes that all members together may have.

    Raises:
        RejectedError: the zip is damaged, unsafe or too large, or an image differs from its MD5.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = _safe(archive, opened.infolist(), most_files)
            limit = min(most_bytes, max(_SMALL, _MOST_RATIO * archive.stat().st_size))
            expected = _md5(archive, opened, limit)
            if set(expected) != set(names):
                raise RejectedError(archive, f"{_MD5_TABLE} lists other images than the zip holds")
            for name in names:
                part = folder / f"{name}.part"
                try:
                    with part.open("wb") as file:
                        for block in _blocks(archive, opened, name, limit):
                            limit -= len(block)
                            file.write(block)
                    _compare(archive, part, expected[name])
                    part.replace(folder / name)
                finally:
                    part.unlink(missing_ok=True)
    except (RejectedError, MemoryError):
        raise
    except OSError as error:  # of the disk, but for these two
        if error.errno not in (None, errno.EINVAL):
            raise
        reason = "a zip that points outside itself" if error.errno else _DAMAGED
        raise RejectedError(archive, reason) from error
    except Exception as error:  # zipfile passes on what its decompressors raise
        raise RejectedError(archive, _DAMAGED) from error


def _compare(archive: Path, part: Path, expected: str) -> None:
    """Blame the zip, not the member, for a wrong MD5: it is the zip that has to come again."""
    try:
        check_md5(part, expected)
    except RejectedError as error:
        raise RejectedError(archive, f"{part.stem}: {error}") from error


def _safe(archive: Path, members: list[zipfile.ZipInfo], most_files: int) -> list[str]:
    """The names of the images, if every member is harmless."""
    if len(members) > most_files + len(_OTHERS):
        raise RejectedError(archive, f"a zip with {len(members)} members, {most_files} are listed")
    names = [member.filename for member in members]
    if len({name.lower() for name in names}) < len(names):
        raise RejectedError(archive, "a zip with two members of one name")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        plain = _IMAGE.fullmatch(member.orig_filename) or member.orig_filename in _OTHERS
        if not plain or kind not in (0, stat.S_IFREG):
            raise RejectedError(archive, "a zip with a member that is no flat *.dcm file")
    return [name for name in names if name not in _OTHERS]


def _md5(archive: Path, opened: zipfile.ZipFile, limit: int) -> dict[str, str]:
    """The MD5 of every image, from the table that the archive adds."""
    if _MD5_TABLE not in opened.namelist():
        raise RejectedError(archive, f"a zip without {_MD5_TABLE}")
    body = b"".join(_blocks(archive, opened, _MD5_TABLE, min(limit, _BLOCK * 16)))
    rows = list(csv.reader(StringIO(body.decode("utf-8-sig"))))
    return {row[0].strip(): row[1].strip() for row in rows[1:] if len(row) >= 2}


def _blocks(archive: Path, opened: zipfile.ZipFile, name: str, limit: int) -> Iterator[bytes]:
    """A member's content, as long as it stays below the limit; its CRC is checked at the end."""
    with opened.open(name) as source:
        while block := source.read(_BLOCK):
            limit -= len(block)
            if limit < 0:
                raise RejectedError(archive, "a zip that unpacks to more than is listed")
            yield block
