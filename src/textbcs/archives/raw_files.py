"""Files in data/raw: put there from an archive, brought back where they are missing.

They are copies, so a message about one names the file that a person has: `own_names` finds it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Archive, Instance, open_archive
from textbcs.archives.fetching import each_series
from textbcs.archives.incoming import RAW as RAW
from textbcs.base.io import InputError, sha256_bytes, sha256_file, write_bytes

if TYPE_CHECKING:
    import pandas as pd

# Archives that are a person's own folder.
OWN_KINDS = ("folder", "nifti")
_COPY = re.compile(rf"{re.escape(RAW.as_posix())}/([^/\s]+)/([^/\s]+)/([^/\s:;,)]+)")


def restore(files: "pd.DataFrame", params: Mapping[str, Any]) -> None:
    """Bring back raw files that are missing or not those of the list; call it before reading any.

    Of a person's own files the content is compared as well: a later version of one has the same name,
    and often the same size. Elsewhere a name stands for one content, and readers check that.

    Args:
        files: rows of `files.csv`, as many as are going to be read.
        params: sections `cohort` and, where `cohort.kind` is `phantom`, `phantom`.

    Raises:
        InputError: the archive no longer has a file, has it with another content, or does not answer.
    """
    own = params["cohort"]["kind"] in OWN_KINDS
    missing = _missing(files, own)
    if missing.empty:
        return
    archive = open_archive(params)
    wanted = {str(row.path): str(row.sha256) for row in missing.itertuples()}
    keys = (
        missing[["patient", "series_uid"]].drop_duplicates().sort_values(["patient", "series_uid"])
    )
    jobs = [(str(row.patient), str(row.series_uid)) for row in keys.itertuples()]
    each_series(archive, jobs, lambda *job: _bring_back(archive, wanted, *job), lambda _: None)
    gone = _missing(files, own)
    if not gone.empty:
        patient, series_uid = gone["patient"].iloc[0], gone["series_uid"].iloc[0]
        raise InputError(
            f"{archive.own_folder or RAW}: the archive no longer has all files of series {series_uid} "
            f"of patient {patient}; put them back, or run the stages from cohort again"
        )


def own_names(text: str, params: Mapping[str, Any]) -> str:
    """A message with the names of a person's own files in place of their copies in data/raw.

    A copy that differs from its original keeps its name: then it is the copy that is damaged. Files that
    were fetched are called by their series.

    Args:
        text: the message.
        params: section `cohort`, and what the archive's back end needs.
    """
    if "cohort" not in params or not _COPY.search(text):
        return text
    try:
        archive = open_archive(params)
    except (InputError, KeyError):
        return text

    def name(match: re.Match[str]) -> str:
        """What one copy is called."""
        patient, series_uid, file = match.groups()
        if archive.client is not None:
            return f"series {series_uid} of patient {patient} ({match[0]})"
        return _original(archive, patient, series_uid, file) or match[0]

    return _COPY.sub(name, text)


def _original(archive: Archive, patient: str, series_uid: str, name: str) -> str:
    """The file of a person's own folder that a copy was made of; "" where it now differs."""
    if archive.own_folder is None:
        return ""
    copy = RAW / patient / series_uid / name
    try:
        for instance in archive.fetch(patient, series_uid):
            if instance.name == name and sha256_file(instance.path) == sha256_file(copy):
                return str(instance.path)
    except (InputError, OSError):
        pass
    return ""


def _missing(files: "pd.DataFrame", own: bool) -> "pd.DataFrame":
    """The rows whose file is not there with its size, or, of a person's own, with its content."""
    rows = zip(files["path"], files["bytes"], files["sha256"], strict=True)
    there = [
        _is_whole(RAW / path, size) and not (own and sha256_file(RAW / path) != digest)
        for path, size, digest in rows
    ]
    return files[[not one for one in there]]


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
        if instance.sha256:
            words = (
                "the archive now has other content than files.csv records; restore the archive, or"
            )
            raise InputError(f"{target}: {words} run the stages from cohort again")
        raise InputError(
            f"{instance.path}: has changed since it was listed; run the stages from cohort again"
        )
    if instance.sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        instance.path.replace(target)
    elif not _is_whole(target, len(content)) or sha256_file(target) != digest:
        write_bytes(target, content, durable=False)
    return digest
