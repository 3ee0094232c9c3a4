"""A study that comes as a zip from the page: taken apart into a folder of its own, within limits.

A member is taken only if it is a plain file below the zip itself; numbers, sizes and the ratio are capped
while reading, not only as the directory of the zip declares them.
"""

import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.imaging import volume_files

_PART = re.compile(r"[^\x00-\x1f\x7f/\\:]{1,200}")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BLOCK = 1 << 20
_LOCKED = 1  # bit of a member's flags
_DEEPEST = 20
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_LOCATOR_64, _LOCATOR_BYTES = b"PK\x06\x07", 20
_MOST_DIRECTORY = 16 << 20  # bytes of a zip's directory, which is read whole
_LEFT_OUT = "__MACOSX"  # what a Mac adds to its zips


@dataclass(frozen=True)
class Limits:
    """What an upload may have.

    Attributes:
        most_bytes: of the zip.
        most_unpacked: bytes of all members together.
        most_members: files in it.
        most_ratio: unpacked over packed bytes, above `small` bytes.
        small: bytes that may be unpacked at any ratio.
    """

    most_bytes: int = 4_000_000_000
    most_unpacked: int = 8 << 30
    most_members: int = 20_000
    most_ratio: int = 200
    small: int = 1 << 20


def unpack(archive: Path, folder: Path, limits: Limits) -> Path:
    """Write the files of a zip to an empty folder.

    Returns:
        The study: the folder, or the one volume file in it.

    Raises:
        InputError: the zip is damaged, unsafe or too large; the message names no member, since names of
            files may be names of patients.
    """
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            members = _safe(opened.infolist(), limits)
            ratio = limits.most_ratio * archive.stat().st_size
            left = min(limits.most_unpacked, max(limits.small, ratio))
            for member, parts in members:
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    for block in _blocks(opened, member, left):
                        left -= len(block)
                        file.write(block)
    except (InputError, MemoryError):
        raise
    except FileExistsError as error:
        raise InputError("the zip holds two files of one name; make it again") from error
    except OSError as error:
        if error.errno is None:
            raise InputError("the zip is damaged or cut off; make it again") from error
        raise InputError(f"the zip cannot be unpacked here: {error.strerror}") from error
    except Exception as error:  # zipfile passes on what its decompressors raise
        raise InputError("no readable zip; make it again") from error
    inside = [path for path in folder.rglob("*") if path.is_file()]
    return inside[0] if len(inside) == 1 and volume_files.stem(inside[0]) is not None else folder


def _check_directory(archive: Path) -> None:
    """Refuse a directory that would fill the memory; below 4 GB no zip needs one of the 64-bit form."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT - _LOCATOR_BYTES))
        tail = file.read()
    place = tail.rfind(_END)
    if place < 0:
        raise InputError("no readable zip; make it again")
    if tail[max(0, place - _LOCATOR_BYTES) : place].startswith(_LOCATOR_64):
        raise InputError("the zip is of the 64-bit form; make it again, of one study alone")
    if int.from_bytes(tail[place + 12 : place + 16], "little") > _MOST_DIRECTORY:
        raise InputError("the zip holds more files than are allowed; give one study alone")


def _safe(
    members: list[zipfile.ZipInfo], limits: Limits
) -> list[tuple[zipfile.ZipInfo, list[str]]]:
    """The files with the parts of their names, if every member is harmless."""
    if len(members) > limits.most_members:
        raise InputError(
            f"the zip holds {len(members)} files, and {limits.most_members} are allowed; "
            "give one study alone"
        )
    found, names = [], set()
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        name = member.orig_filename.removesuffix("/")
        parts = name.split("/")
        plain = all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
        if not plain or len(parts) > _DEEPEST:
            raise InputError("the zip holds a file that points outside it; make it again")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError("the zip holds a link or a device; make it again with plain files")
        if member.compress_type not in _METHODS or member.flag_bits & _LOCKED:
            raise InputError("the zip is locked or packed otherwise; make it again as a plain zip")
        if member.is_dir() or parts[0] == _LEFT_OUT:
            continue
        if name.casefold() in names:
            raise InputError("the zip holds two files of one name; make it again")
        names.add(name.casefold())
        found.append((member, parts))
    if not found:
        raise InputError("the zip holds no file; give a study")
    return found


def _blocks(opened: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> Iterator[bytes]:
    """A member's content, as long as it stays below the limit; its CRC is checked at the end."""
    with opened.open(member) as source:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise InputError("the zip unpacks to more than is allowed; give one study alone")
            yield block
