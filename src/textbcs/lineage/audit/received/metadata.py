"""Does the metadata of an export say what its receipts give?

It is built a second time, by the code that exports, from the receipts and tables that lie in the crate. Of
the metadata alone are the times of the stages and the day, which are judged for themselves, and which of
the files are only named by their hash: an export may be small.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from textbcs.base.io import InputError
from textbcs.lineage.audit.run_facts import time_faults
from textbcs.lineage.export.crate import describe
from textbcs.lineage.export.entities import KEPT_HERE, METADATA, VERDICT
from textbcs.lineage.export.run_entities import Run
from textbcs.lineage.records.bounded import read_regular
from textbcs.lineage.records.data_tables import SERIES, SPLITS, slices_of
from textbcs.lineage.records.findings import Finding, Remark
from textbcs.lineage.records.graph import Graph, Receipt
from textbcs.lineage.records.hashing import Hashes

_OF_DICOM = ("urn:oid:", "https://doi.org/")
_LONGEST = 100  # characters of a value that a finding shows
Entity = Mapping[str, Any]


class _Again(Run):
    """The entities of a run as the receipts in a crate give them.

    Args:
        said: the crate's metadata, by identifier.
        hashes: of the files in the crate.
    """

    def __init__(self, said: Mapping[str, Entity], hashes: Hashes) -> None:
        super().__init__(0)
        self._said = said
        self._hashes = hashes
        self._named = {
            str(one.get("name")): (str(one["sha256"]), str(one.get("contentSize")))
            for at, one in said.items()
            if at.startswith("ni:") and "sha256" in one
        }

    def found(self, path: str) -> tuple[str, int] | None:
        there = self._hashes.of(path)
        return (there.sha256, there.bytes) if there else None

    def known(self, path: str) -> tuple[str, int] | None:
        sha256, size = self._named.get(path, ("", ""))
        return self.found(path) or ((sha256, int(size)) if size.isdecimal() else None)

    def fits(self, path: str, size: int) -> bool:
        return path not in KEPT_HERE

    def run_information(self, receipt: Receipt) -> Mapping[str, Any]:
        times = _times(self._said, f"#action-{receipt.address}")
        return {name: value for name, value in times.items() if isinstance(value, str)}

    def date(self) -> str:
        day = self._said.get("./", {}).get("datePublished")
        try:
            return date.fromisoformat(str(day)).isoformat()  # other spellings of a day then differ
        except ValueError:
            return "1970-01-01"


def check_metadata(graph: Graph, hashes: Hashes) -> Iterator[Finding | Remark]:
    """The first difference between the metadata and what is built again, and times that cannot be.

    Args:
        graph: the crate's stages.
        hashes: of its files.
    """
    content = json.loads(read_regular(METADATA))
    entities: list[Entity] = content["@graph"]
    said = {str(one["@id"]): one for one in entities}
    for receipt in graph.active():
        at = f"#action-{receipt.address}"
        times = _times(said, at)
        faults = list(time_faults(times)) if any(times.values()) else []
        if faults:
            yield Finding("TAMPERED", receipt.address, METADATA, f"{at}: {'; '.join(faults)}")
    if len(said) < len(entities):
        twice = [str(one["@id"]) for one in entities]
        at = next(name for name in twice if twice.count(name) > 1)
        yield Finding("TAMPERED", "", METADATA, f"two entities have the @id {at}")
        return
    verdict = read_regular(VERDICT)
    try:
        built = json.loads(json.dumps(describe(_Again(said, hashes), graph, verdict)))
    except InputError as error:
        yield Finding("TAMPERED", "", METADATA, str(error))
        return
    again = {one["@id"]: one for one in built.pop("@graph")}
    whole = {key: value for key, value in content.items() if key != "@graph"}
    if any(hashes.of(path) is None and _is_named(said, path) for path in _tables()):
        yield Remark("DICOM series were not compared: a table that names them is not in the export")
        said, again = _without_dicom(said), _without_dicom(again)
    differences = [*_differences(whole, built, ""), *_of_entities(said, again)]
    if differences:
        more = f"; and {len(differences) - 1} more" if len(differences) > 1 else ""
        detail = f"{differences[0]}{more} (another version of textbcs may write other words: check with it)"
        yield Finding("TAMPERED", "", METADATA, detail)


def _times(said: Mapping[str, Entity], at: str) -> dict[str, Any]:
    """When a stage began and ended, as the metadata has it."""
    action = said.get(at, {})
    return {"started": action.get("startTime"), "ended": action.get("endTime")}


def _tables() -> list[str]:
    """The tables from which series and instances come."""
    return [SERIES, *map(slices_of, SPLITS)]


def _is_named(said: Mapping[str, Entity], path: str) -> bool:
    """Whether a file is only named by its hash."""
    return any(at.startswith("ni:") and one.get("name") == path for at, one in said.items())


def _without_dicom(entities: Mapping[str, Entity]) -> dict[str, Entity]:
    """The entities that are no series, study, instance or collection, and name none."""

    def is_of_dicom(value: Any) -> bool:
        return isinstance(value, dict) and str(value.get("@id")).startswith(_OF_DICOM)

    def plain(value: Any) -> Any:
        kept = [one for one in value if not is_of_dicom(one)] if isinstance(value, list) else value
        return kept[0] if isinstance(kept, list) and len(kept) == 1 else kept

    return {
        at: {key: plain(value) for key, value in one.items()}
        for at, one in entities.items()
        if not at.startswith(_OF_DICOM)
    }


def _of_entities(said: Mapping[str, Entity], again: Mapping[str, Entity]) -> Iterator[str]:
    """What differs, an entity each."""
    for at in sorted(said.keys() | again.keys()):
        if at not in again:
            yield f"{at}: no receipt gives it"
        elif at not in said:
            yield f"{at}: is not there, the receipts give it"
        else:
            yield from list(_differences(said[at], again[at], f"{at}: "))[:1]


def _differences(said: Entity, again: Entity, where: str) -> Iterator[str]:
    """Properties that differ."""
    for key in sorted(said.keys() | again.keys()):
        if said.get(key) != again.get(key):
            yield f"{where}{key} is {_told(said.get(key))}, the receipts give {_told(again.get(key))}"


def _told(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
