"""The DICOM series that a run has used, as entities: collections, studies, series and instances.

Studies, series and instances are `urn:oid:<UID>`; a collection is its DOI.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from textbcs.base.io import InputError, read_csv, records
from textbcs.lineage.export.entities import Entities, to, urn_of
from textbcs.lineage.records.data_tables import SERIES, SPLITS, slices_of

# What has read the raw files: the stage that fetched them, and the run as a whole.
_READERS = ("#action-download", "#run")


def add_dicom(crate: Entities) -> None:
    """Add every series from which a slice was cut, and name it as an input of the run."""
    instances: dict[str, list[str]] = {}
    for split in SPLITS:
        for row in _rows(slices_of(split)):
            instances.setdefault(row["series_uid"], []).append(row["sop_uid"])
    series = [
        _add_series(crate, row, instances[row["series_uid"]])
        for row in _rows(SERIES)
        if row["series_uid"] in instances
    ]
    for entity in crate.entities.values():
        if entity["@id"] in _READERS:
            entity["object"] = [*entity["object"], *(to(one) for one in series)]


def _add_series(crate: Entities, row: Mapping[str, Any], instances: Iterable[str]) -> str:
    """A series with its instances, its study and its collection."""
    licence = _text(row.get("licence"))
    study = _add_study(crate, row, licence)
    parts = [to(_add_instance(crate, uid, row["patient"])) for uid in instances]
    urn = crate.part(urn_of(row["series_uid"]))
    name = f"DICOM series {row.get('phase', '')} of patient {row['patient']}"
    return crate.add(
        urn,
        "Dataset",
        name=name.replace("  ", " "),
        identifier=urn,
        additionalType="DICOM series",
        isPartOf=to(study),
        license=licence,
        hasPart=parts,
    )


def _add_study(crate: Entities, row: Mapping[str, Any], licence: str | None) -> str:
    """The study of a series, and the collection that it belongs to, if it says so."""
    doi, collection = _text(row.get("doi")), None
    if doi:
        url = f"https://doi.org/{doi}"
        collection = crate.part(
            crate.add(url, "Dataset", name=f"Collection {doi}", license=licence)
        )
    study = crate.part(urn_of(row["study_uid"]))
    return crate.add(
        study,
        "Dataset",
        name=f"DICOM study of patient {row['patient']}",
        identifier=study,
        additionalType="DICOM study",
        isPartOf=to(collection) if collection else None,
    )


def _add_instance(crate: Entities, uid: str, patient: str) -> str:
    urn = urn_of(uid)
    return crate.add(
        urn,
        "ImageObject",
        name=f"DICOM instance of patient {patient}",
        identifier=urn,
        additionalType="DICOM instance",
    )


def _rows(path: str) -> list[dict[str, Any]]:
    try:
        return records(read_csv(path))
    except InputError:
        return []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
