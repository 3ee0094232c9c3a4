"""What archives on the network have in common: a listing of series first, then the files of one.

`idc` and `nbia` say how their listing is read and how the files of a series come; this is the rest of a
back end. Reads the network; writes through `textbcs.archives.incoming`.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.archives.archive import Instance, Series
from textbcs.archives.incoming import Wanted, deliver
from textbcs.archives.network import Network
from textbcs.archives.transfer import Client
from textbcs.base.io import NONE
from textbcs.imaging.dicom import Header
from textbcs.intake.guard import reading

Row = Mapping[str, Any]


class RemoteArchive(ABC):
    """Series of one collection of an archive on the network.

    Attributes:
        client: what fetches.
        own_folder: none; what is not used is no file of anybody's.
        address: `cohort.address` without a final slash.
        collection, index, index_version: as the parameters have them.
    """

    def __init__(self, params: Mapping[str, Any], network: Network | None = None) -> None:
        cohort = params["cohort"]
        self.client = Client(network or Network.from_environment())
        self.own_folder: Path | None = None
        self.address = str(cohort["address"]).rstrip("/")
        self.collection = str(cohort["collection"])
        self.index, self.index_version = str(cohort["index"]), str(cohort["index_version"])
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """What the listing is called in messages."""
        return self.address if self.index == NONE else self.index

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """The series that the archive lists, sorted by patient and series UID.

        Raises:
            InputError: there is no listing, or it lacks the collection.
        """
        rows = self.listing().values()
        with reading(self.where, "listing of series"):
            found = [self.described(row) for row in rows]
        return sorted(found, key=lambda one: (one.first.patient, one.first.series_uid))

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, checked; the listing is read once per process.

        Raises:
            TransferError: the series does not come whole and right.
        """
        with self._lock:
            self._rows = self._rows or self.listing()
        row = self._rows.get(series_uid)
        if row is None:
            return iter(())
        with reading(self.where, "listing of series"):
            wanted = self.wanted(patient, row)
        return deliver(self.client, wanted, lambda folder: self.bring(row, folder))

    def unused(self) -> list[tuple[Path, str]]:
        """Nothing: an archive lists series, and each of them is described."""
        return []

    @abstractmethod
    def listing(self) -> dict[str, Row]:
        """The rows of the archive's listing by series UID; raises InputError where there is none."""

    @abstractmethod
    def described(self, row: Row) -> Series:
        """A row of the listing as a series."""

    @abstractmethod
    def wanted(self, patient: str, row: Row) -> Wanted:
        """What the files of a row have to be."""

    @abstractmethod
    def bring(self, row: Row, folder: Path) -> None:
        """Put the files of a row into a folder; `textbcs.archives.incoming.deliver` says how."""


def listed_header(row: Row, where: str) -> Header:
    """What a listing says of a series. Both archives call it by DICOM's keywords.

    Args:
        row: one series.
        where: the listing, for messages.
    """
    return Header(
        path=f"{where}, series {row['SeriesInstanceUID']}",
        size=0,
        patient=str(row["PatientID"]).strip(),
        study_uid=str(row["StudyInstanceUID"]),
        series_uid=str(row["SeriesInstanceUID"]),
        sop_uid="",
        modality=str(row["Modality"]),
        description=str(row.get("SeriesDescription") or "").strip(),
        series_number=_whole(row.get("SeriesNumber")),
        instance_number=0,
        manufacturer=str(row.get("Manufacturer") or "").strip(),
        patient_position="",
        tesla="",
        plane=None,
    )


def _whole(value: Any) -> int:
    """A whole number, 0 where a listing has something else: it decides between series, no more."""
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0
