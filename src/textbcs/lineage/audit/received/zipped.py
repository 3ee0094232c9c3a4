"""`textbcs audit check` of a crate that came as a zip: unpacked in a folder of its own, and nowhere else.

Nothing is written that a name places elsewhere; links, devices and names that two systems read in two
ways are refused; numbers, sizes and the ratio are capped while reading, whatever the zip declares.
"""

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from textbcs.base.io import InputError
from textbcs.lineage.export.entities import METADATA
from textbcs.lineage.records.bounded import path_fault
from textbcs.lineage.records.findings import some, visible

_MOST_MEMBERS = 1_000_000
_MOST_BYTES = 1 << 40
_MOST_RATIO = 200  # of a whole zip; a crate's files are images, tables and text
_SMALL = 1 << 24
_BLOCK = 1 << 20
_DEEPEST = 100  # folders in each other
_LONGEST = 100  # characters of a name that an error shows


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The crate of a zip in a temporary folder.

    Args:
        archive: the zip; the crate lies at its root, or in its only folder.

    Raises:
        InputError: it is no zip, is damaged, unsafe or too large, or holds no crate.
    """
    if not archive.is_file():
        raise InputError(
            f"{archive}: no folder and no zip; name what textbcs audit export has written"
        )
    with tempfile.TemporaryDirectory(prefix="textbcs-crate-") as place:
        try:
            with zipfile.ZipFile(archive) as opened:
                _unpack(archive, opened, Path(place))
        except (InputError, MemoryError):
            raise
        except NotImplementedError as error:
            raise InputError(
                f"{archive}: packed in a way that is not read here ({error}); zip it with deflate"
            ) from error
        except Exception as error:  # zipfile passes on what its decompressors raise
            raise InputError(f"{archive}: a zip that is damaged or cut off ({error})") from error
        folder = _the_only(archive, Path(place))
        if not (folder / METADATA).is_file():
            raise InputError(f"{archive}: holds no export of a run (there is no {METADATA})")
        yield folder


def _the_only(archive: Path, place: Path) -> Path:
    """The folder of the export: what was unpacked, or the one folder in it, beside which nothing lies."""
    if (place / METADATA).is_file():
        return place
    first, *others = sorted(place.iterdir()) or [place]
    if others:
        names = some([one.name for one in (first, *others)])
        raise InputError(
            f"{archive}: holds {visible(names)}, and an export is one folder; zip one by itself"
        )
    return first


def _unpack(archive: Path, opened: zipfile.ZipFile, place: Path) -> None:
    members = opened.infolist()
    _check_names(archive, members)
    left = min(_MOST_BYTES, max(_SMALL, _MOST_RATIO * archive.stat().st_size))
    left = min(left, shutil.disk_usage(place).free)
    for member in members:
        target = _made(archive, member, place)
        if target is None:
            continue
        with opened.open(member) as source, target.open("ab") as file:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InputError(f"{archive}: unpacks to more than a crate of its size holds")
                _write(archive, member, file, block)


def _made(archive: Path, member: zipfile.ZipInfo, place: Path) -> Path | None:
    """The file of a member, made empty; None for a folder.

    Raises:
        InputError: there cannot be one, for its name or for what was unpacked before.
    """
    target = place / member.filename
    try:
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        target.open("xb").close()
    except OSError as error:
        raise _no_place(archive, member, error) from error
    return target


def _write(archive: Path, member: zipfile.ZipInfo, file: BinaryIO, block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise _no_place(archive, member, error) from error


def _no_place(archive: Path, member: zipfile.ZipInfo, error: OSError) -> InputError:
    """The error names a temporary folder that nobody has asked for."""
    name = visible(member.filename)
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
    return InputError(f"{archive}: the member {name!r} cannot be unpacked: {error.strerror}")


def _check_names(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Check every member before anything is written.

    Raises:
        InputError: there are too many, or one is no plain file or folder below the root of the zip.
    """
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"{archive}: a zip with {len(members)} members")
    names = [member.filename.rstrip("/").casefold() for member in members]
    if len(set(names)) < len(names):
        raise InputError(f"{archive}: a zip with two members of one name")
    for member in members:
        if member.filename.count("/") > _DEEPEST:
            raise InputError(f"{archive}: a zip with more than {_DEEPEST} folders in each other")
        kind = stat.S_IFMT(member.external_attr >> 16)
        name = member.orig_filename.rstrip("/")
        if path_fault(name) or kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
            raise InputError(f"{archive}: the member {visible(name)!r} may not be unpacked")
