"""The entities of an RO-Crate in the making, and the files that go with them."""

import base64
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from textbcs.base.io import InputError, sha256_file
from textbcs.intake.series_uids import whole_uid
from textbcs.lineage.records.graph import Item
from textbcs.lineage.records.history import git
from textbcs.stage.definition import covered

Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
VERDICT = "audit-verdict.json"
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
WORKFLOW = "Snakefile"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
# Name files of a person's own, and a file's name may be a patient's: only their hash goes anywhere.
KEPT_HERE = ("data/cohort/intake.csv", "data/masks/unused.csv")
# Copied whatever their size: without them a crate says nothing that could be checked.
NEEDED = ("results/receipts", "dvc.yaml", "params.yaml", "dvc.lock")
COMPLETED = "http://schema.org/CompletedActionStatus"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
_FORMATS = {
    ".csv": "text/csv", ".json": "application/json", ".md": "text/markdown", ".tex": "text/x-tex",
    ".html": "text/html", ".png": "image/png", ".py": "text/x-python", ".yaml": "application/yaml",
    ".lock": "text/plain", ".gz": "application/gzip",
}  # fmt: skip


class Entities:
    """All entities by identifier, and which of them are the crate's data.

    Args:
        limit: largest file in bytes that belongs into the crate; 0: all do.

    Attributes:
        inside: paths of the files that belong into the crate, each as its receipt says.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside: dict[str, None] = {}
        self.entities: dict[str, Entity] = {}
        self.parts: dict[str, None] = {}
        self._found: dict[str, tuple[str, int] | None] = {}

    def add(self, at: str, kind: str | list[str], /, **facts: Any) -> str:
        """Add an entity, or more facts to one that is there; facts that are None are left out."""
        entity = self.entities.setdefault(at, {"@id": at, "@type": kind})
        entity.update({name: value for name, value in facts.items() if value is not None})
        return at

    def add_file(self, path: str, sha256: str, size: int, kind: str | list[str] = "File") -> str:
        """Put a file into the crate if it fits, is here and may leave, else name it by its hash.

        Raises:
            InputError: it is not what the receipt says.
        """
        there = self.found(path)
        if there is not None and there[0] != sha256:
            raise InputError(f"{path}: is not what its receipt says; run textbcs audit verify")
        facts = {
            "name": path,
            "sha256": sha256,
            "contentSize": str(size),
            "encodingFormat": _FORMATS.get(PurePosixPath(path).suffix, "application/octet-stream"),
        }
        if there is None or not self.fits(path, size):
            digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
            return self.part(self.add(f"ni:///sha-256;{digest}", kind, **facts))
        self.inside[path] = None
        return self.part(self.add(path, kind, **facts))

    def found(self, path: str) -> tuple[str, int] | None:
        """sha256 and size in bytes of a file that is here; None where there is none."""
        if path not in self._found:
            file = Path(path)
            is_here = file.is_file()
            self._found[path] = (sha256_file(file), file.stat().st_size) if is_here else None
        return self._found[path]

    def known(self, path: str) -> tuple[str, int] | None:
        """The same of a file that is here, or of which the hash is known."""
        return self.found(path)

    def fits(self, path: str, size: int) -> bool:
        """Whether a file may leave this place, and is small enough or needed."""
        small = self.limit == 0 or size <= self.limit or covered(path, NEEDED)
        return path not in KEPT_HERE and small

    def part(self, identifier: str) -> str:
        """Count an entity among the crate's data: the profile wants every file and data set there."""
        self.parts[identifier] = None
        return identifier

    def add_item(self, item: Item) -> Entity:
        """A reference to a file that a receipt names."""
        return to(self.add_file(item.path, item.sha256, item.bytes))

    def graph(self, mentions: Iterable[str]) -> list[Entity]:
        """All entities, the descriptor and the root first; `mentions` are the crate's actions."""
        profiles: list[Entity] = [
            {"@id": url, "@type": "CreativeWork", "name": name, "version": version}
            for url, (name, version) in PROFILES.items()
        ]
        descriptor: Entity = {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": to("./"),
            "conformsTo": [
                to("https://w3id.org/ro/crate/1.1"),
                to("https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
            ],
        }
        root: Entity = {
            "@id": "./",
            "@type": "Dataset",
            "name": "TextBCS run",
            "description": (
                "Tables and figures of text-guided breast-tumour segmentation, with every stage that "
                "led to them, from DICOM series to the printed numbers."
            ),
            "datePublished": self.date(),
            "license": to(LICENCE),
            "conformsTo": [to(url) for url in PROFILES],
            "mainEntity": to(WORKFLOW),
            "hasPart": [to(one) for one in self.parts],
            "mentions": [to(one) for one in mentions],
        }
        licence: Entity = {
            "@id": LICENCE,
            "@type": "CreativeWork",
            "name": "Apache License 2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        }
        entities = [self.entities[name] for name in sorted(self.entities)]
        return [_plain(one) for one in (descriptor, root, *profiles, licence, *entities)]

    def date(self) -> str:
        """The day of the last commit, so that two exports are equal; the epoch without git."""
        found = git("log", "-1", "--format=%cs")
        return found.decode().strip() if found and found.strip() else "1970-01-01"


def _plain(entity: Entity) -> Entity:
    """RO-Crate 1.1 wants one value, not a list of one."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
    }


def to(identifier: str) -> Entity:
    """A reference to the entity with this identifier."""
    return {"@id": identifier}


def urn_of(uid: object) -> str:
    """A DICOM UID as the URN of its object identifier; a part of a series has that of the series."""
    return f"urn:oid:{whole_uid(str(uid))}"


def distinct(entities: Iterable[Entity]) -> list[Entity]:
    """One entity for each identifier, the last of those that share it, in the order of the first."""
    return list({entity["@id"]: entity for entity in entities}.values())
