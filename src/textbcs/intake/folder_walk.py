"""Every file below a user's folder, once, and why one must not be read.

DVC compares a user's folder by content, but enters no linked folder below it. What lies there could
change unnoticed, so it is listed with that reason and never read. A linked file is read: DVC sees it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LINKED = (
    "in a linked folder, where DVC would notice no change: put the folder itself here, or let the "
    "whole archive be the link"
)
LISTED = "link to a folder that is listed anyway"
DEEPER = "link inside a linked folder"
ABOVE = "link to a folder that holds the archive"
NOWHERE = "link that leads nowhere"
SPECIAL = "no regular file"
CLOSED = "folder that cannot be opened"
NO_PERMISSION = "file that cannot be opened"

# What systems and unfinished copies leave in folders.
_SYSTEM = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found", "$recycle.bin"}
)


@dataclass(frozen=True)
class FoundFile:
    """A file of a folder, or a link or folder in it that leads to no files.

    Attributes:
        path: as the user would write it: the folder's own path in front.
        fault: why it must not be read, "" if it may.
    """

    path: Path
    fault: str = ""


def every_file(folder: Path) -> Iterator[FoundFile]:
    """All files below a folder in a fixed order: those of a folder by name, then its folders by name.

    Args:
        folder: the archive; may be a link itself.
    """
    yield from _below(folder, Path(os.path.realpath(folder)), set(), "")


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a file is hidden, unfinished or a system's own, or lies in such a folder below `folder`."""
    parts = path.relative_to(folder).parts
    return path.name.endswith(".part") or any(
        part.startswith(".") or part.casefold() in _SYSTEM for part in parts
    )


def shown(path: Path, folder: Path) -> str:
    """A file's place below the folder as text that any file can hold, whatever bytes its name has."""
    name = path.relative_to(folder).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _below(place: Path, archive: Path, linked: set[Path], fault: str) -> Iterator[FoundFile]:
    """As `every_file`; `fault` is that of all files, `linked` holds the links that were followed."""
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield FoundFile(place, f"{CLOSED} ({error.strerror})")
        return
    folders = {entry.name for entry in entries if _is(entry.is_dir)}
    for entry in entries:
        if entry.name not in folders:
            yield FoundFile(place / entry.name, fault or _file_fault(entry))
    for entry in entries:
        if entry.name not in folders:
            continue
        path = place / entry.name
        if not entry.is_symlink():
            yield from _below(path, archive, linked, fault)
            continue
        target = Path(os.path.realpath(path))
        reason = DEEPER if fault else _link_fault(target, archive, linked)
        if reason:
            yield FoundFile(path, reason)
        else:
            linked.add(target)
            yield from _below(path, archive, linked, LINKED)


def _link_fault(target: Path, archive: Path, linked: set[Path]) -> str:
    """Why a linked folder is not listed, "" if it is: each once, and none that has no end."""
    if archive.is_relative_to(target):
        return ABOVE
    return LISTED if target.is_relative_to(archive) or target in linked else ""


def _is(asked: Callable[[], bool]) -> bool:
    """What an entry says of itself; a link to itself cannot."""
    try:
        return asked()
    except OSError:
        return False


def _file_fault(entry: "os.DirEntry[str]") -> str:
    if _is(entry.is_file):
        return "" if os.access(entry.path, os.R_OK) else NO_PERMISSION
    return NOWHERE if entry.is_symlink() else SPECIAL
