"""The one place where what a reading library raises becomes a line that names the user's file."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textbcs.base.io import InputError


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Around every call of a library on a file of somebody else's.

    Libraries raise whatever their own libraries raise (`ValueError`, `KeyError`, `struct.error`,
    `zlib.error`, ...), also long after opening, where a value is converted at access. A list of
    exceptions would be incomplete, so all of them are caught.

    Args:
        path: the user's own file, as the user wrote it.
        kind: what it was read as, with no article: "NIfTI file", "DICOM file", "workbook".

    Raises:
        InputError: the block raised anything; an `InputError` of the block passes as it is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a library's thoughts on a file that it then reads
            yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{path}: no readable {kind} ({why(error)})") from error


def why(error: BaseException) -> str:
    """The first line of an error as part of a sentence; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:")[:200] if lines else type(error).__name__
