"""A package written: a folder that is there whole or not at all, and a zip whose bytes depend on it alone."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from textbcs.base.io import InputError, atomic, write_bytes
from textbcs.package.package_files import SETTINGS

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can name


def check_target(folder: Path) -> None:
    """Refuse to write over what is no package.

    Raises:
        InputError: something else lies there.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if os.path.lexists(folder) and not empty and not (folder / SETTINGS).is_file():
        raise InputError(f"{folder}: exists and is no package; name another folder")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a package's folder; an older package at its place is replaced.

    Args:
        folder: where to.
        files: every file by its name in the package.

    Raises:
        InputError: something else lies there.
    """
    check_target(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        fresh = part / "new"
        for name, content in files.items():
            write_bytes(fresh / name, content)
        if folder.exists():
            folder.replace(part / "old")
        fresh.replace(folder)
    finally:
        if (part / "old").exists() and not folder.exists():
            (part / "old").replace(folder)
        shutil.rmtree(part, ignore_errors=True)


def write_zip(path: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write a package as one zip, uncompressed: the bytes do not depend on a version of zlib.

    Args:
        path: where to.
        name: of the folder in it.
        files: every file by its name in the package.
    """
    with atomic(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for inner in sorted(files):
            member = zipfile.ZipInfo(f"{name}/{inner}", _DATE)
            member.create_system = 3  # Unix, whatever wrote it
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[inner])
