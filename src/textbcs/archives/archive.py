"""Archives: where a cohort's DICOM files come from.

An archive lists series, with their sizes, and fetches the verified files of one. Every later stage
reads what `download` copied, so a back end is the only code that knows whether files lie in a folder,
are made from a seed or come over the network. `open_archive` picks it by `cohort.kind`. Reads files
below the archive folder.
"""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from textbcs.archives.dicom_index import DicomIndex, index_folder
from textbcs.base.io import InputError
from textbcs.imaging.dicom import Header
from textbcs.imaging.volume_files import SUFFIXES
from textbcs.intake.counting import most_frequent

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
        visit: what orders a patient's visits where there is no StudyDate, "" if nothing does.
        fault: why it cannot be used, where the archive knows it from more than the headers.
    """

    first: Header
    instances: int
    bytes: int
    headers: tuple[Header, ...] = ()
    licence: str = ""
    doi: str = ""
    visit: str = ""
    fault: str = ""


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
        name = self.path.name.lower()
        return "volume" + next((end for end in SUFFIXES if name.endswith(end)), self.path.suffix)

    def read(self) -> bytes:
        """Its content."""
        return self.path.read_bytes()


class Archive(Protocol):
    """What a back end offers.

    Attributes:
        client: what fetches over the network; None where the files are at hand.
        own_folder: a person's own folder, every file of which is counted; None where the files are
            made or fetched.
    """

    client: "Client | None"
    own_folder: Path | None

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All series, sorted by patient and series UID. `progress` wraps a long iteration."""
        ...

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, by InstanceNumber; none if the archive lacks the series.

        Raises:
            TransferError: the network or the archive does not give it whole and right.
        """
        ...

    def unused(self) -> list[tuple[Path, str]]:
        """The files of `own_folder` that belong to no series, and why."""
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
        self.own_folder: Path | None = self.folder
        self._index: DicomIndex | None = None

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All series below the folder; one that cannot be used says why in `fault`.

        Raises:
            InputError: the folder is missing or holds no DICOM file that can be read.
        """
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; set cohort.archive to the DICOM archive"
            )
        self._index = index = index_folder(self.folder, progress)
        if not index.series:
            raise InputError(
                f"{self.folder}: holds no DICOM file{_instead(index)}; put the archive's files there"
            )
        made = [_series(own, index.fault(uid)) for (_, uid), own in index.series.items()]
        return sorted(made, key=lambda one: (one.first.patient, one.first.series_uid))

    def unused(self) -> list[tuple[Path, str]]:
        """The files that belong to no series, and why; the folder is searched once per process."""
        return self._files().unused

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series; the folder is searched once per process."""
        return instances(self._files().series.get((patient, series_uid), []))

    def _files(self) -> DicomIndex:
        if self._index is None:
            self._index = index_folder(self.folder)
        return self._index


def instances(headers: Iterable[Header]) -> Iterator[Instance]:
    """The files behind headers."""
    for header in headers:
        yield Instance(header.sop_uid, header.instance_number, header.size, Path(header.path))


def _instead(index: DicomIndex) -> str:
    """What the files of a folder without DICOM are, in brackets; "" where there is none."""
    counts = Counter(reason.partition(" (")[0] for _, reason in index.unused)
    return f" ({most_frequent(counts)})" if counts else ""


def _series(headers: list[Header], fault: str) -> Series:
    size = sum(header.size for header in headers)
    return Series(headers[0], len(headers), size, tuple(headers), fault=fault)
