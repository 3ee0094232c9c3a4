"""Archives: where a cohort's DICOM files come from.

An archive lists series, with their sizes, and fetches the verified files of one. Every later stage
reads what `download` copied, so a back end is the only code that knows whether files lie in a folder,
are made from a seed or come over the network. `open_archive` picks it by `cohort.kind`. Reads files
below the archive folder.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from textbcs.base.folders import walk
from textbcs.base.io import InputError, sha256_file
from textbcs.imaging.dicom import Header, read_header

if TYPE_CHECKING:
    from textbcs.archives.transfer import Client

# Named, not imported: what a back end brings is checked against recorded hashes, so the stages that
# use one do not depend on its code.
_BACK_ENDS = {
    "folder": "textbcs.archives.archive:FolderArchive",
    "idc": "textbcs.archives.idc:IdcArchive",
    "nbia": "textbcs.archives.nbia:NbiaArchive",
    "nifti": "textbcs.archives.nifti_folder:NiftiArchive",
    "phantom": "textbcs.archives.phantom_folder:PhantomArchive",
}


@dataclass(frozen=True)
class Series:
    """A series of an archive.

    Attributes:
        first: the header that speaks for the series; where the archive lists series without their
            files it has no instance and no plane.
        instances: number of its files.
        bytes: of all its files.
        headers: of its instances, sorted by InstanceNumber, then SOPInstanceUID; empty where the
            archive does not know them before fetching.
        licence, doi: what the archive itself says of the series, "" if nothing.
    """

    first: Header
    instances: int
    bytes: int
    headers: tuple[Header, ...] = ()
    licence: str = ""
    doi: str = ""


@dataclass(frozen=True)
class Instance:
    """A file that an archive gives: identity and where it lies.

    Attributes:
        sop_uid, instance_number: "" and 0 of a volume that is one NIfTI file.
        sha256: set where the file was fetched, verified and hashed: it may be moved from `path`.
    """

    sop_uid: str
    instance_number: int
    size: int
    path: Path
    sha256: str = ""

    @property
    def name(self) -> str:
        """The name under which it is kept."""
        if self.sop_uid:
            return f"{self.sop_uid}.dcm"
        return "volume.nii.gz" if self.path.name.lower().endswith(".gz") else "volume.nii"

    def read(self) -> bytes:
        """Its content."""
        return self.path.read_bytes()


class Archive(Protocol):
    """What a back end offers.

    Attributes:
        client: what fetches over the network; None where the files are at hand.
    """

    client: "Client | None"

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All series, sorted by patient and series UID. `progress` wraps a long iteration."""
        ...

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, by InstanceNumber; none if the archive lacks the series.

        Raises:
            TransferError: the network or the archive does not give it whole and right.
        """
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

    client: "Client | None" = None

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
        yield Instance(header.sop_uid, header.instance_number, header.size, Path(header.path))


def _series(headers: list[Header]) -> Series:
    size = sum(header.size for header in headers)
    return Series(headers[0], len(headers), size, tuple(headers))
