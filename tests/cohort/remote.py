"""The phantom as the two archives would offer it, under the names of the Duke collection."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

import duckdb
from servers import Server, archive_files

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
    keys = {"kind": "idc", "archive": server.url, "collection": IDC, "index": str(index)}
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
    return {"kind": "nbia", "archive": archive_url, "collection": NBIA, "index": ""}
