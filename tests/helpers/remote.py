"""The phantom as the two archives would offer it, under the names of the Duke collection.

Two patients on a server, parameters that lead there, and what has to be true afterwards.
"""

import copy
import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from cohort_stage import make_stage
from servers import NbiaHandler, S3Handler, Server, archive_files, serve

from textbcs.archives.incoming import INCOMING, QUARANTINE, RAW
from textbcs.base.io import NONE
from textbcs.cohort.cohort_tables import FILES, read_files
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download

IDC, NBIA = "duke_breast_cancer_mri", "Duke-Breast-Cancer-MRI"
BUCKET = "idc-open-data-cr"


def series_of(archive: Path) -> dict[str, list[tuple[Any, bytes]]]:
    """Files of the archive by series UID."""
    grouped: dict[str, list[tuple[Any, bytes]]] = {}
    for dataset, body in archive_files(archive):
        grouped.setdefault(str(dataset.SeriesInstanceUID), []).append((dataset, body))
    return grouped


def offer_idc(server: Server, archive: Path, index: Path) -> dict[str, Any]:
    """Put the archive into a bucket, write its index; the `cohort` keys that lead there."""
    rows = []
    for series_uid, files in series_of(archive).items():
        first, folder = files[0][0], str(uuid.uuid5(uuid.NAMESPACE_OID, series_uid))
        for dataset, body in files:
            name = uuid.UUID(hashlib.md5(dataset.SOPInstanceUID.encode()).hexdigest())
            server.objects[f"{BUCKET}/{folder}/{name}.dcm"] = body
        size = sum(len(body) for _, body in files) / 1e6
        seg = first.Modality == "SEG"
        rows.append(
            [
                *(IDC, first.PatientID, first.StudyInstanceUID, series_uid, first.Modality),
                *(first.SeriesDescription, first.SeriesNumber, first.Manufacturer, len(files)),
                *(size, "CC BY 4.0" if seg else "CC BY-NC 4.0", "10.1/seg" if seg else "10.1/mr"),
                *(BUCKET, folder),
            ]
        )
    columns = (
        "collection_id VARCHAR, PatientID VARCHAR, StudyInstanceUID VARCHAR, SeriesInstanceUID VARCHAR,"
        "Modality VARCHAR, SeriesDescription VARCHAR, SeriesNumber VARCHAR, Manufacturer VARCHAR,"
        "instanceCount BIGINT, series_size_MB DOUBLE, license_short_name VARCHAR, source_DOI VARCHAR,"
        "aws_bucket VARCHAR, crdc_series_uuid VARCHAR"
    )
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({columns})")
        values = [[v if type(v) in (int, float) else str(v) for v in row] for row in rows]
        connection.executemany(f"INSERT INTO t VALUES ({','.join('?' * 14)})", values)
        connection.execute(f"COPY t TO '{index}' (FORMAT parquet)")
    keys = {"kind": "idc", "address": server.url, "collection": IDC, "index": str(index)}
    return keys


def offer_nbia(server: Server, archive: Path) -> dict[str, Any]:
    """Put the archive on an NBIA server; the `cohort` keys that lead there."""
    for series_uid, files in series_of(archive).items():
        first = files[0][0]
        for dataset, body in files:
            key = hashlib.md5(dataset.SOPInstanceUID.encode()).hexdigest()
            server.objects[f"{series_uid}/{key}"] = body
        server.series.append(
            {
                "SeriesInstanceUID": series_uid,
                "StudyInstanceUID": str(first.StudyInstanceUID),
                "Modality": first.Modality,
                "SeriesDescription": first.SeriesDescription,
                "SeriesNumber": int(first.SeriesNumber),
                "Collection": NBIA,
                "PatientID": first.PatientID,
                "PatientSex": "F",
                "AdmittingDiagnosisDescription": "CANARY^DIAGNOSIS",
                "Manufacturer": first.Manufacturer,
                "ImageCount": len(files),
                "LicenseName": "CC BY-NC 4.0",
                "DataDescriptionURI": "https://doi.org/10.1/mr",
                "FileSize": sum(len(body) for _, body in files),
            }
        )
    archive_url = f"{server.url}/nbia-api/services/v4"
    return {"kind": "nbia", "address": archive_url, "collection": NBIA, "index": NONE}


Place = tuple[Server, dict[str, Any]]


@contextmanager
def remote_place(
    kind: str,
    finished: Path,
    folder: Path,
    params: dict[str, Any],
    change: Callable[[Path], None] = lambda _: None,
) -> Iterator[Place]:
    """An empty working folder with a server of two patients and the parameters that lead there."""
    archive = folder / "offered"
    for patient in ("Breast_MRI_001", "Breast_MRI_002"):
        shutil.copytree(finished / "data/phantom/archive" / patient, archive / patient)
    change(archive)
    (folder / "data/phantom").mkdir(parents=True)
    for workbook in (finished / "data/phantom").glob("*.xlsx"):
        shutil.copy(workbook, folder / "data/phantom")
    params = copy.deepcopy(params)
    with serve(S3Handler if kind == "idc" else NbiaHandler) as server, chdir(folder):
        if kind == "idc":
            params["cohort"] |= offer_idc(server, archive, Path("index.parquet"))
        else:
            params["cohort"] |= offer_nbia(server, archive)
        yield server, params


def expected(finished: Path) -> pd.DataFrame:
    """What the folder archive gives for the same two patients."""
    files = read_files(finished / FILES)
    return files[files["patient"] <= "Breast_MRI_002"].reset_index(drop=True)


def raw_is_right(files: pd.DataFrame) -> bool:
    """Whether every file below data/raw has a place and content that the right list names."""
    known = dict(zip(files["path"], files["sha256"], strict=True))
    here = [path for path in RAW.rglob("*.dcm") if INCOMING not in path.parents]
    return all(
        hashlib.sha256(path.read_bytes()).hexdigest() == known.get(str(path.relative_to(RAW)))
        for path in here
    )


def fetch(params: dict[str, Any]) -> None:
    """List the cohort and download it."""
    for verb in (list_cohort, download):
        verb(make_stage(params, verb.__name__))


def nothing_left() -> bool:
    """Whether no staged, half or refused file remains."""
    rest = [path.name for path in INCOMING.rglob("*") if path.suffix != ".json"]
    return rest == ["lock"] and not (QUARANTINE.exists() and list(QUARANTINE.iterdir()))


def address(series_uid: str, params: dict[str, Any]) -> str:
    """What the address of every request for a series' images contains."""
    if params["cohort"]["kind"] == "nbia":
        return f"SeriesInstanceUID={series_uid}"
    row = duckdb.execute(
        "SELECT crdc_series_uuid FROM 'index.parquet' WHERE SeriesInstanceUID = ?", [series_uid]
    ).fetchone()
    assert row
    return str(row[0])


def images(series_uid: str, params: dict[str, Any]) -> str:
    """A pattern of the requests for its images, those for their list left out."""
    return address(series_uid, params) + (".*dcm$" if params["cohort"]["kind"] == "idc" else "")
