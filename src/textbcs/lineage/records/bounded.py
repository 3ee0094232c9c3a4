"""Reading what anybody may have left in a tree: regular files of a bounded size, and JSON of one meaning.

Whatever lies there is a fault in one line: a pipe does not make the reader wait, a folder or a long file does
not end it, and a text that two readers could understand in two ways is refused.
"""

import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from textbcs.base.io import InputError

LIMIT = 32 << 20  # bytes of a record; the largest of the Duke collection has about 4 MB
POINTER = b"version https://git-lfs"
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def kind_of(mode: int) -> str:
    """What a file is by its mode, in words; the empty string for a regular one."""
    return next((words for test, words in _KINDS if test(mode)), "")


def read_regular(path: str | os.PathLike[str], limit: int = LIMIT) -> bytes:
    """The bytes of a regular file.

    Args:
        path: the file.
        limit: most bytes that it may have.

    Raises:
        InputError: it cannot be opened, is no regular file, or is longer.
    """
    try:
        # Without O_NONBLOCK the opening of a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}") from error
    facts = os.fstat(descriptor)
    if kind_of(facts.st_mode):
        os.close(descriptor)
        raise InputError(f"is {kind_of(facts.st_mode)} and no file")
    with os.fdopen(descriptor, "rb") as file:
        if facts.st_size > limit:
            raise InputError(f"has {facts.st_size / 1e6:.0f} MB, of at most {limit / 1e6:.0f} MB")
        try:
            return file.read()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}") from error


def parse_json(content: bytes) -> Any:
    """The value of a JSON text that every reader understands alike.

    Raises:
        InputError: no UTF-8, no JSON, nested too deep, a key twice, a number that is none, or a text with a
            NUL or half a character (a lone surrogate).
    """
    if content.startswith(POINTER):
        raise InputError("no JSON but a pointer of Git LFS; git lfs pull")
    if _ESCAPED.search(content):
        raise InputError("no JSON that this project writes: a NUL or half a character in a text")
    try:
        return json.loads(
            content.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_distinct
        )
    except RecursionError as error:
        raise InputError("no JSON that this project writes: nested too deep") from error
    except ValueError as error:
        raise InputError(f"no JSON ({type(error).__name__}: {error})") from error


def read_record(path: str | os.PathLike[str], limit: int = LIMIT) -> Any:
    """The value of a JSON file, as `read_regular` and `parse_json` read it.

    Raises:
        InputError: as both, behind the file's name.
    """
    try:
        return parse_json(read_regular(path, limit))
    except InputError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from error


def path_fault(path: str) -> str:
    """Why a path of a record does not stay in the checkout, in words; the empty string where it does."""
    if not path or "\0" in path:
        return "is no path"
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
        return "is not written from the root of the checkout downwards"
    if any("\ud800" <= character <= "\udfff" for character in path):
        return "is no text"
    return ""


def linked_part(path: str) -> str:
    """The first folder of a path, or the path itself, that is a link here; the empty string where none is."""
    place = Path()
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            return place.as_posix()
    return ""


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    found = dict(listed)
    if len(found) != len(listed):
        names = [name for name, _ in listed]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found
