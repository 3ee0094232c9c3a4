"""The Imaging Data Commons: series from its index, files from its public bucket.

The index is a Parquet file in the package `idc-index-data`, whose version `cohort.index_version` names;
or `cohort.index` names a Parquet file with the same columns. So a cohort is listed without the network
and every series is pinned to one immutable version. Objects come through plain S3 REST without an
account: ListObjectsV2, then GET with Range, from `cohort.address`. Reads the index and the network;
writes through `textbcs.archives.incoming`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from textbcs.archives.archive import Series
from textbcs.archives.incoming import RejectedError, Wanted, check_md5
from textbcs.archives.remote import RemoteArchive, Row, listed_header
from textbcs.archives.transfer import TransferError
from textbcs.base.io import NONE, OWN_FILE, InputError, existing
from textbcs.intake.guard import reading

_COLUMNS = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "SeriesNumber",
    "Manufacturer",
    "instanceCount",
    "series_size_MB",
    "license_short_name",
    "source_DOI",
    "aws_bucket",
    "crdc_series_uuid",
)
_LISTING_LIMIT = 16 << 20
_MOST_OBJECTS = 100_000
# The index gives megabytes, which older versions of it round to two decimals.
_ROUNDING = 10_000


@dataclass(frozen=True)
class Object:
    """An object of the bucket: its key, its size and its ETag without quotes."""

    key: str
    size: int
    etag: str


class IdcArchive(RemoteArchive):
    """Series of one collection of the Imaging Data Commons, with the analysis results that belong to it."""

    @property
    def where(self) -> str:
        """What the index is called in messages."""
        return f"idc-index-data=={self.index_version}" if self.index == NONE else self.index

    def listing(self) -> dict[str, Row]:
        """The collection's rows of the index.

        Raises:
            InputError: the index is missing, is another version, or lacks the collection.
        """
        rows = read_index(index_path(self.index, self.index_version), self.collection)
        if not rows:
            raise InputError(
                f"{self.where}: has no collection {self.collection!r}; correct cohort.collection"
            )
        return {str(row["SeriesInstanceUID"]): row for row in rows}

    def described(self, row: Row) -> Series:
        """A row of the index as a series."""
        return Series(
            listed_header(row, f"{self.where}, collection {self.collection}"),
            int(row["instanceCount"]),
            round(row["series_size_MB"] * 1e6),
            licence=str(row["license_short_name"] or ""),
            doi=str(row["source_DOI"] or ""),
        )

    def wanted(self, patient: str, row: Row) -> Wanted:
        """The files of a row: their number, and the immutable version of their series."""
        version = str(row["crdc_series_uuid"])
        return Wanted(patient, str(row["SeriesInstanceUID"]), int(row["instanceCount"]), version)

    def bring(self, row: Row, folder: Path) -> None:
        """Fetch the objects of a series that the folder lacks; each has the listed size and MD5."""
        address = f"{self.address}/{row['aws_bucket']}"
        objects = self._listed(address, f"{row['crdc_series_uuid']}/")
        total, expected = sum(one.size for one in objects), row["series_size_MB"] * 1e6
        if len(objects) != row["instanceCount"] or abs(total - expected) > _ROUNDING:
            raise TransferError(
                f"{address}: lists {len(objects)} objects with {total} bytes, "
                f"the index {row['instanceCount']} with {expected:.0f}"
            )
        names = {one.key.rpartition("/")[2]: one for one in objects}
        for path in folder.glob("*.dcm"):
            if path.name not in names:
                path.unlink()
        for name, one in names.items():
            target = folder / name
            if not target.is_file():
                url = f"{address}/{one.key}"
                self.client.save(url, {}, target, one.size, size=one.size, etag=one.etag)
            if target.stat().st_size != one.size:
                raise RejectedError(target, "size differs from the archive's")
            if re.fullmatch(r"[0-9a-fA-F]{32}", one.etag):  # else several parts made it
                check_md5(target, one.etag)

    def _listed(self, address: str, prefix: str) -> list[Object]:
        """All objects below a prefix, over all pages of the listing."""
        found: list[Object] = []
        query = {"list-type": "2", "prefix": prefix}
        while len(found) <= _MOST_OBJECTS:
            page, token = self.client.read(
                address + "/", query, _LISTING_LIMIT, lambda body: parse_listing(body, prefix)
            )
            found += page
            if not token:
                return sorted(found, key=lambda one: one.key)
            query["continuation-token"] = token
        raise TransferError(f"{address}: lists no end of objects below {prefix}")


def index_path(index: str, version: str) -> Path:
    """The Parquet file that lists the archive.

    Args:
        index: `cohort.index`, a file or `presets/none`.
        version: `cohort.index_version`, the version of `idc-index-data` to use where there is no file.

    Raises:
        InputError: the file is missing, or another version is installed.
    """
    if index != NONE:
        return existing(index, OWN_FILE)
    from importlib import metadata

    import idc_index_data

    installed = metadata.version("idc-index-data")
    if installed != version:
        raise InputError(
            f"params.yaml: cohort.index_version wants {version!r} of idc-index-data, installed is "
            f"{installed}; install the one or name the other: the cohort may change with it"
        )
    return Path(str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH))


def read_index(path: Path, collection: str) -> list[Row]:
    """The rows of a collection with the columns that are used, and no others.

    Raises:
        InputError: the file is no such index.
    """
    import duckdb

    query = f"SELECT {', '.join(_COLUMNS)} FROM read_parquet(?) WHERE collection_id = ?"
    with reading(path, "index of the IDC"), duckdb.connect() as connection:
        rows = connection.execute(query, [str(path), collection]).fetchall()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def parse_listing(body: bytes, prefix: str) -> tuple[list[Object], str]:
    """A page of ListObjectsV2: its objects and the token of the next page ("" on the last).

    Raises:
        ValueError: the body is no listing, or names an object that is not `<prefix><name>.dcm`.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:  # no listing has them; bombs do
        raise ValueError("not XML without a DOCTYPE")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError("not XML") from error
    space = root.tag.partition("}")[0] + "}" if "}" in root.tag else ""
    if root.tag != f"{space}ListBucketResult":
        raise ValueError("not a ListBucketResult")

    def text(node: ElementTree.Element, name: str) -> str:
        return node.findtext(space + name) or ""

    objects = []
    for node in root.findall(f"{space}Contents"):
        key, size = text(node, "Key"), text(node, "Size")
        name = key.removeprefix(prefix)
        if name == key or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.dcm", name):
            raise ValueError("an object's name is not plain")
        objects.append(Object(key, int(size), text(node, "ETag").strip('"')))
    more = text(root, "IsTruncated") == "true"
    token = text(root, "NextContinuationToken") if more else ""
    if more and not token:
        raise ValueError("a listing without an end")
    return objects, token
