"""The folder of a result: there whole or not at all, and never in the place of somebody's own files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textbcs.base.io import InputError

SUMMARY = "summary.json"


def check_target(folder: Path, overwrite: bool) -> None:
    """Refuse a place where a result must not be written.

    Args:
        folder: where to.
        overwrite: an older result may be replaced.

    Raises:
        InputError: a file, a link, something else than a result, or a result that may not be replaced.
    """
    if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
        raise InputError(f"{folder}: is no folder; name another one with --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / SUMMARY).is_file():
        raise InputError(
            f"{folder}: holds other files than a result; name another folder with --out"
        )
    if not overwrite:
        raise InputError(f"{folder}: holds a result; add --overwrite, or name another with --out")


@contextmanager
def fresh_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder beside `folder`, which takes its place if the block succeeds.

    Raises:
        InputError: as `check_target`.
    """
    check_target(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        fresh = part / "new"
        fresh.mkdir()
        yield fresh
        check_target(folder, overwrite)
        if folder.exists():
            folder.replace(part / "old")
        fresh.replace(folder)
        _sync(folder.parent)
    finally:
        if (part / "old").exists() and not folder.exists():
            (part / "old").replace(folder)
        shutil.rmtree(part, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
