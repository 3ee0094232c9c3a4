"""Files in data/raw: put there from an archive, brought back where they are missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Archive, Instance, open_archive
from textbcs.archives.fetching import each_series
from textbcs.archives.incoming import RAW as RAW
from textbcs.base.io import InputError, sha256_bytes, sha256_file, write_bytes

if TYPE_CHECKING:
    import pandas as pd


def restore(files: "pd.DataFrame", params: Mapping[str, Any]) -> None:
    """Bring back raw files that are missing or cut short; call it before reading any.

    Args:
        files: rows of `files.csv`, as many as are going to be read.
        params: sections `cohort` and, where `cohort.kind` is `phantom`, `phantom`.

    Raises:
        InputError: the archive no longer has a file, has it with another content, or does not answer.
    """
    missing = _missing(files)
    if missing.empty:
        return
    archive = open_archive(params)
    wanted = {str(row.path): str(row.sha256) for row in missing.itertuples()}
    keys = (
        missing[["patient", "series_uid"]].drop_duplicates().sort_values(["patient", "series_uid"])
    )
    jobs = [(str(row.patient), str(row.series_uid)) for row in keys.itertuples()]
    each_series(archive, jobs, lambda *job: _bring_back(archive, wanted, *job), lambda _: None)
    gone = _missing(files)
    if not gone.empty:
        raise InputError(
            f"{RAW / gone['path'].iloc[0]}: missing here and in the archive; restore the archive, or "
            "run the stages from cohort again"
        )


def _missing(files: "pd.DataFrame") -> "pd.DataFrame":
    """The rows whose file is not there with its size; readers check the hash."""
    there = zip(files["path"], files["bytes"], strict=True)
    return files[[not _is_whole(RAW / path, size) for path, size in there]]


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def copy_series(archive: Archive, patient: str, series_uid: str) -> list[list[Any]]:
    """Bring in a series, or find it here, and give the rows of its files."""
    rows = []
    for instance in archive.fetch(patient, series_uid):
        path = Path(patient, series_uid, instance.name)
        digest = _place(instance, RAW / path)
        number = instance.instance_number
        rows.append(
            [patient, series_uid, instance.sop_uid, number, str(path), instance.size, digest]
        )
    return rows


def _bring_back(
    archive: Archive, wanted: Mapping[str, str], patient: str, series_uid: str
) -> list[list[Any]]:
    """Put the wanted files of a series where they belong."""
    for instance in archive.fetch(patient, series_uid):
        path = Path(patient, series_uid, instance.name)
        if expected := wanted.get(str(path)):
            _place(instance, RAW / path, expected)
    return []


def _place(instance: Instance, target: Path, expected: str = "") -> str:
    """Copy a file, or move it where it was fetched for that, and give its sha256.

    Raises:
        InputError: it is not the `expected` one; nothing was placed then.
    """
    content = b"" if instance.sha256 else instance.read()
    digest = instance.sha256 or sha256_bytes(content)
    if expected and digest != expected:
        raise InputError(
            f"{target}: the archive now has other content than files.csv records; "
            "restore the archive, or run the stages from cohort again"
        )
    if instance.sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        instance.path.replace(target)
    elif not _is_whole(target, len(content)) or sha256_file(target) != digest:
        write_bytes(target, content, durable=False)
    return digest
