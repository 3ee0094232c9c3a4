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

from textbcs.base.io import InputError
from textbcs.lineage.export.entities import METADATA
from textbcs.lineage.records.bounded import path_fault
from textbcs.lineage.records.findings import some, visible

_MOST_MEMBERS = 1_000_000
_MOST_BYTES = 1 << 40
_MOST_RATIO = 200  # of a whole zip; a crate's files are images, tables and text
_SMALL = 1 << 24
_BLOCK = 1 << 20


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
        target = place / member.filename
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("xb") as file:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InputError(f"{archive}: unpacks to more than a crate of its size holds")
                file.write(block)


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
        kind = stat.S_IFMT(member.external_attr >> 16)
        name = member.orig_filename.rstrip("/")
        if path_fault(name) or kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
            raise InputError(f"{archive}: the member {visible(name)!r} may not be unpacked")
