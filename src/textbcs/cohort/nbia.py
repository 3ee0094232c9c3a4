"""The NBIA server of The Cancer Imaging Archive, REST v4, and its `.tcia` manifests.

`getSeries` lists a collection; `getImageWithMD5Hash` gives a series as a zip with the MD5 of every
image. The zip is made while it is sent and its errors may come with status 200, so nothing in it is
believed before it was checked, and it cannot be resumed. `cohort.index` may name a manifest: then only
its series count. Reads the network; writes through `textbcs.cohort.incoming`.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.cohort.archive import Instance, Series
from textbcs.cohort.dicom import Header
from textbcs.cohort.incoming import UID, Wanted, deliver
from textbcs.cohort.transfer import Client, Network, TransferError
from textbcs.cohort.unpack import unpack
from textbcs.io import InputError, existing

_LIST_LIMIT = 1 << 28
_ZIP = "series.zip"
# FileSize counts the images; LICENSE and md5hashes.csv come on top.
_EXTRA = 1 << 20


class NbiaArchive:
    """Series of one collection on an NBIA server."""

    def __init__(self, params: Mapping[str, Any], network: Network | None = None) -> None:
        cohort = params["cohort"]
        self.client = Client(network or Network.from_environment())
        self.address = str(cohort["archive"]).rstrip("/")
        self.collection, self.manifest = str(cohort["collection"]), str(cohort["index"])
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """The collection's series, or those of them that the manifest names.

        Raises:
            InputError: the server does not answer or has no such collection, or the manifest names
                series of another one.
        """
        found = [_series(row, self.address) for row in self._all().values()]
        return sorted(found, key=lambda one: (one.first.patient, one.first.series_uid))

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, each with the archive's MD5."""
        with self._lock:
            self._rows = self._rows or self._all()
        row = self._rows.get(series_uid)
        if row is None:
            return iter(())
        wanted = Wanted(patient, series_uid, int(row["ImageCount"]))
        size = int(row["FileSize"])

        def bring(folder: Path) -> None:
            for path in folder.glob("*.dcm*"):
                path.unlink()
            zipped = folder / _ZIP
            self._save(series_uid, zipped, size)
            unpack(zipped, folder, wanted.instances, size + _EXTRA)
            zipped.unlink()

        return deliver(self.client, wanted, bring)

    def _save(self, series_uid: str, target: Path, size: int) -> None:
        if not target.is_file():
            query = {"SeriesInstanceUID": series_uid}
            # A zip of incompressible images is a little larger than they are.
            limit = size + size // 100 + _EXTRA
            self.client.save(f"{self.address}/getImageWithMD5Hash", query, target, limit)

    def _all(self) -> dict[str, Mapping[str, Any]]:
        query = {"Collection": self.collection, "format": "json"}
        try:
            rows = self.client.read(f"{self.address}/getSeries", query, _LIST_LIMIT, parse_series)
        except TransferError as error:
            raise InputError(f"{error}; check cohort.archive and the network") from error
        if not rows:
            raise InputError(
                f"{self.address}: has no collection {self.collection!r}; correct cohort.collection"
            )
        by_uid = {str(row["SeriesInstanceUID"]): row for row in rows}
        if not self.manifest:
            return by_uid
        wanted = read_manifest(self.manifest)
        foreign = [uid for uid in wanted if uid not in by_uid]
        if foreign:
            raise InputError(
                f"{self.manifest}: names series {foreign[0]} and {len(foreign) - 1} others that "
                f"{self.collection} on the server lacks; correct cohort.collection or the manifest"
            )
        return {uid: by_uid[uid] for uid in wanted}


def read_manifest(path: str | Path) -> list[str]:
    """The SeriesInstanceUIDs of a `.tcia` manifest, in its order.

    What stands before `ListOfSeriesToDownload=`, a server's address among it, is ignored.

    Raises:
        InputError: no such file, no list in it, or a line of the list is no UID.
    """
    lines = existing(path).read_text(encoding="utf-8-sig").splitlines()
    lines = [line.strip() for line in lines]
    start = next((n for n, line in enumerate(lines) if line.startswith("ListOfSeries")), None)
    if start is None:
        raise InputError(f"{path}: has no line ListOfSeriesToDownload=; it is no .tcia manifest")
    uids = []
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if line and not UID.fullmatch(line):
            raise InputError(f"{path}: line {number} is no SeriesInstanceUID; correct it")
        uids += [line] if line else []
    if not uids:
        raise InputError(f"{path}: lists no series; export the manifest again")
    return list(dict.fromkeys(uids))


def parse_series(body: bytes) -> list[Mapping[str, Any]]:
    """The answer of getSeries: one mapping a series; an empty body means none.

    Raises:
        ValueError: it is no such list, or a series lacks what it needs.
    """
    if not body.strip():
        return []
    rows = json.loads(body)
    needed = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "ImageCount")
    for row in rows if isinstance(rows, list) else [None]:
        if not isinstance(row, dict) or any(not row.get(key) for key in (*needed, "FileSize")):
            raise ValueError("a series lacks an identifier, its count or its size")
    return list(rows)


def _series(row: Mapping[str, Any], address: str) -> Series:
    header = Header(
        path=f"{address}, series {row['SeriesInstanceUID']}",
        size=0,
        patient=str(row["PatientID"]).strip(),
        study_uid=str(row["StudyInstanceUID"]),
        series_uid=str(row["SeriesInstanceUID"]),
        sop_uid="",
        modality=str(row["Modality"]),
        description=str(row.get("SeriesDescription") or "").strip(),
        series_number=int(row.get("SeriesNumber") or 0),
        instance_number=0,
        manufacturer=str(row.get("Manufacturer") or "").strip(),
        patient_position="",
        tesla="",
        plane=None,
    )
    size = int(row["FileSize"])
    doi = str(row.get("DataDescriptionURI") or "").split("doi.org/")[-1]
    licence = str(row.get("LicenseName") or "")
    return Series(header, int(row["ImageCount"]), size, licence=licence, doi=doi)
