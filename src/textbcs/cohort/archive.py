"""Archives: where a cohort's DICOM files come from.

An archive lists series and fetches the files of one. Every later stage reads what `download` copied,
so a back end is the only code that knows whether files lie in a folder, are made from a seed or come
over the network. `open_archive` picks it by `cohort.kind`. Reads files below the archive folder.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from textbcs.cohort.dicom import Header, read_header
from textbcs.io import InputError, sha256_file

# Named, not imported: what a back end brings is checked against recorded hashes, so the stages that
# use one do not depend on its code.
_BACK_ENDS = {
    "folder": "textbcs.cohort.archive:FolderArchive",
    "phantom": "textbcs.cohort.phantom_archive:PhantomArchive",
}


@dataclass(frozen=True)
class Series:
    """A series of an archive.

    Attributes:
        headers: of its instances, sorted by InstanceNumber, then SOPInstanceUID.
        bytes: of all its files.
    """

    headers: tuple[Header, ...]
    bytes: int

    @property
    def first(self) -> Header:
        """The header that speaks for the series."""
        return self.headers[0]


@dataclass(frozen=True)
class Instance:
    """A file that an archive can give: identity and a way to its bytes."""

    sop_uid: str
    instance_number: int
    size: int
    read: Callable[[], bytes]


class Archive(Protocol):
    """What a back end offers."""

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All series, sorted by patient and series UID. `progress` wraps a long iteration."""
        ...

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, by InstanceNumber; none if the archive lacks the series."""
        ...


def open_archive(params: Mapping[str, Any]) -> Archive:
    """The back end that `cohort.kind` names.

    Args:
        params: the parameters; section `cohort`, and the section of the back end's name if any.

    Raises:
        InputError: the kind is unknown.
    """
    kind = str(params["cohort"]["kind"])
    if kind not in _BACK_ENDS:
        known = ", ".join(sorted(_BACK_ENDS))
        raise InputError(f"params.yaml: cohort.kind = {kind!r} is unknown; use one of {known}")
    module, name = _BACK_ENDS[kind].split(":")
    return cast(Archive, getattr(importlib.import_module(module), name)(params))


class FolderArchive:
    """DICOM files in a folder, in any layout and under any names."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.folder = Path(params["cohort"]["archive"])
        self._index: dict[str, list[Header]] | None = None

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All series below the folder.

        Raises:
            InputError: the folder is missing or holds no DICOM file, a file is unreadable, or two
                different files claim one SOPInstanceUID.
        """
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; set cohort.archive to the DICOM archive"
            )
        grouped = group(read_header(path) for path in progress(list(walk(self.folder))))
        if not grouped:
            raise InputError(f"{self.folder}: holds no DICOM file; put the archive's files there")
        self._index = grouped
        made = [_series(headers) for headers in grouped.values()]
        return sorted(made, key=lambda one: (one.first.patient, one.first.series_uid))

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series; the folder is searched once per process."""
        if self._index is None:
            self._index = group(map(read_header, walk(self.folder)))
        return instances(self._index.get(series_uid, []))


def walk(folder: Path) -> Iterator[Path]:
    """Files below a folder in a fixed order, hidden and unfinished ones left out."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(".part"):
                yield Path(root, name)


def group(headers: Iterable["Header | None"]) -> dict[str, list[Header]]:
    """Headers by series UID, each series by InstanceNumber; copies of an instance are dropped.

    Raises:
        InputError: two files with one SOPInstanceUID differ, or are of two series or patients.
    """
    grouped: dict[str, list[Header]] = {}
    seen: dict[str, Header] = {}
    for header in headers:
        if header is None:
            continue
        known = seen.setdefault(header.sop_uid, header)
        if known is header:
            grouped.setdefault(header.series_uid, []).append(header)
        elif sha256_file(known.path) != sha256_file(header.path):
            raise InputError(
                f"{header.path}: has the SOPInstanceUID of {known.path} and other content; "
                "remove the wrong one"
            )
    for found in grouped.values():
        patients = {header.patient for header in found}
        if len(patients) > 1:
            raise InputError(
                f"{found[0].path}: series {found[0].series_uid} belongs to two patients; "
                "correct PatientID"
            )
        found.sort(key=lambda header: (header.instance_number, header.sop_uid))
    return grouped


def instances(headers: Iterable[Header]) -> Iterator[Instance]:
    """The files behind headers."""
    for header in headers:
        path = Path(header.path)
        yield Instance(header.sop_uid, header.instance_number, header.size, path.read_bytes)


def _series(headers: list[Header]) -> Series:
    return Series(tuple(headers), sum(header.size for header in headers))
