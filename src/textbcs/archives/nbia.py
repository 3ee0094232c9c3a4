"""The NBIA server of The Cancer Imaging Archive, REST v4, and its `.tcia` manifests.

`getSeries` lists a collection; `getImageWithMD5Hash` gives a series as a zip with the MD5 of every
image. The zip is made while it is sent and its errors may come with status 200, so nothing in it is
believed before it was checked, and it cannot be resumed. `cohort.index` may name a manifest: then only
its series count. Reads the network; writes through `textbcs.archives.incoming`.
"""

import json
from pathlib import Path

from textbcs.archives.archive import Series
from textbcs.archives.incoming import UID, Wanted
from textbcs.archives.remote import RemoteArchive, Row, listed_header
from textbcs.archives.transfer import TransferError
from textbcs.archives.unpacking import unpack
from textbcs.base.io import NONE, OWN_FILE, InputError, existing
from textbcs.intake.guard import reading

_LIST_LIMIT = 1 << 28
_ZIP = "series.zip"
# FileSize counts the images; LICENSE and md5hashes.csv come on top.
_EXTRA = 1 << 20


class NbiaArchive(RemoteArchive):
    """Series of one collection on an NBIA server."""

    def listing(self) -> dict[str, Row]:
        """The collection's series, or those of them that the manifest names.

        Raises:
            InputError: the server does not answer or has no such collection, or the manifest names
                series of another one.
        """
        query = {"Collection": self.collection, "format": "json"}
        try:
            rows = self.client.read(f"{self.address}/getSeries", query, _LIST_LIMIT, parse_series)
        except TransferError as error:
            raise InputError(f"{error}; check cohort.address and the network") from error
        if not rows:
            raise InputError(
                f"{self.address}: has no collection {self.collection!r}; correct cohort.collection"
            )
        by_uid = {str(row["SeriesInstanceUID"]): row for row in rows}
        if self.index == NONE:
            return by_uid
        wanted = read_manifest(self.index)
        foreign = [uid for uid in wanted if uid not in by_uid]
        if foreign:
            raise InputError(
                f"{self.index}: names series {foreign[0]} and {len(foreign) - 1} others that "
                f"{self.collection} on the server lacks; correct cohort.collection or the manifest"
            )
        return {uid: by_uid[uid] for uid in wanted}

    def described(self, row: Row) -> Series:
        """A row of getSeries as a series."""
        return Series(
            listed_header(row, self.address),
            int(row["ImageCount"]),
            int(row["FileSize"]),
            licence=str(row.get("LicenseName") or ""),
            doi=str(row.get("DataDescriptionURI") or "").split("doi.org/")[-1],
        )

    def wanted(self, patient: str, row: Row) -> Wanted:
        """The files of a row: their number."""
        return Wanted(patient, str(row["SeriesInstanceUID"]), int(row["ImageCount"]))

    def bring(self, row: Row, folder: Path) -> None:
        """Fetch the zip of a series and unpack it; each file has the MD5 that comes with it."""
        for path in folder.glob("*.dcm*"):
            path.unlink()
        zipped, size = folder / _ZIP, int(row["FileSize"])
        if not zipped.is_file():
            query = {"SeriesInstanceUID": str(row["SeriesInstanceUID"])}
            # A zip of incompressible images is a little larger than they are.
            limit = size + size // 100 + _EXTRA
            self.client.save(f"{self.address}/getImageWithMD5Hash", query, zipped, limit)
        unpack(zipped, folder, int(row["ImageCount"]), size + _EXTRA)
        zipped.unlink()


def read_manifest(path: str | Path) -> list[str]:
    """The SeriesInstanceUIDs of a `.tcia` manifest, in its order.

    What stands before `ListOfSeriesToDownload=`, a server's address among it, is ignored.

    Raises:
        InputError: no such file, no list in it, or a line of the list is no UID.
    """
    with reading(existing(path, OWN_FILE), ".tcia manifest"):
        text = Path(path).read_text(encoding="utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
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


def parse_series(body: bytes) -> list[Row]:
    """The answer of getSeries: one mapping a series; an empty body means none.

    Raises:
        ValueError: it is no such list, or a series lacks what it needs.
    """
    if not body.strip():
        return []
    try:
        rows = json.loads(body)
    except RecursionError as error:
        raise ValueError("lists in lists without an end") from error
    needed = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "ImageCount")
    for row in rows if isinstance(rows, list) else [None]:
        if not isinstance(row, dict) or any(not row.get(key) for key in (*needed, "FileSize")):
            raise ValueError("a series lacks an identifier, its count or its size")
    return list(rows)
