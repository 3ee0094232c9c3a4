"""`textbcs audit export`: the run as an RO-Crate, profile Provenance Run Crate 0.5.

Reads receipts, run information, definitions and the tables of DICOM series; writes a folder with
`ro-crate-metadata.json` and copies of the files that fit (`limit`); larger ones are named by their hash
(RFC 6920). DICOM studies, series and instances are `urn:oid:<UID>`. No library: the format is JSON-LD.

Profile: https://w3id.org/ro/wfrun/provenance/0.5, on RO-Crate 1.1.
"""

import base64
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.io import InputError, read_csv, read_json, records, sha256_file, write_json
from textbcs.lineage.checks.content import SERIES, SPLITS, slices_of
from textbcs.lineage.graph import Graph, Item, Receipt
from textbcs.lineage.history import git
from textbcs.runinfo import FOLDER

Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
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
COMPLETED = "http://schema.org/CompletedActionStatus"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
# Files of the project that a reader needs to run it again; what is absent is left out.
PROJECT = ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock", "LICENSE", "README.md")
_FORMATS = {
    ".csv": "text/csv", ".json": "application/json", ".md": "text/markdown", ".tex": "text/x-tex",
    ".html": "text/html", ".png": "image/png", ".py": "text/x-python", ".yaml": "application/yaml",
    ".lock": "text/plain", ".gz": "application/gzip",
}  # fmt: skip


def export(graph: Graph, folder: Path, limit: int) -> dict[str, int]:
    """Write the crate.

    Args:
        graph: the stages; those that have run are exported.
        folder: where to; must be empty or absent.
        limit: largest file in bytes that is copied; 0 copies all.

    Returns:
        Counts: `files`, `of_them_named_only` (not copied), `actions`, `series`, `instances`.

    Raises:
        InputError: the folder is in use, there is no receipt, or a file is not what its receipt says.
    """
    receipts = list(graph.active())
    if not receipts:
        raise InputError(
            f"no receipts here; run snakemake, or dvc pull, before you export to {folder}"
        )
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder")
    crate = _Crate(folder, limit)
    for receipt in receipts:
        crate.add_stage(graph, receipt)
    crate.add_workflow(receipts)
    crate.add_dicom()
    write_json(folder / METADATA, {"@context": CONTEXT, "@graph": crate.graph()})
    kinds = [entity["@id"] for entity in crate.entities.values()]
    return {
        "files": sum("sha256" in one for one in crate.entities.values()),
        "of_them_named_only": sum(one.startswith("ni:") for one in kinds),
        "actions": len(receipts),
        "series": sum(
            entity.get("additionalType") == "DICOM series" for entity in crate.entities.values()
        ),
        "instances": sum(
            entity.get("additionalType") == "DICOM instance" for entity in crate.entities.values()
        ),
    }


class _Crate:
    """The entities in the making, by identifier."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.entities: dict[str, Entity] = {}
        self.parts: dict[str, None] = {}
        self.actions: list[str] = []
        self.controls: list[str] = []
        self.steps: list[str] = []
        self.tools: dict[str, Entity] = {}
        self.times: list[str] = []
        self.series: list[str] = []

    def add(self, at: str, kind: str | list[str], /, **facts: Any) -> str:
        """Add an entity, or more facts to one that is there; facts that are None are left out."""
        entity = self.entities.setdefault(at, {"@id": at, "@type": kind})
        entity.update({name: value for name, value in facts.items() if value is not None})
        return at

    def add_file(self, path: str, sha256: str, size: int, kind: str | list[str] = "File") -> str:
        """Copy a file into the crate if it fits and is here, else name it by its hash.

        Raises:
            InputError: it is not what the receipt says.
        """
        source = Path(path)
        is_here = source.is_file()
        if is_here and sha256_file(source) != sha256:
            raise InputError(f"{path}: is not what its receipt says; run textbcs audit verify")
        fits = self.limit == 0 or size <= self.limit
        facts = {
            "name": path,
            "sha256": sha256,
            "contentSize": str(size),
            "encodingFormat": _FORMATS.get(source.suffix, "application/octet-stream"),
        }
        if not (is_here and fits):
            digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
            return self._part(self.add(f"ni:///sha-256;{digest}", kind, **facts))
        if path not in self.entities:
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return self._part(self.add(path, kind, **facts))

    def _part(self, identifier: str) -> str:
        """Count an entity among the crate's data: the profile wants every file and data set there."""
        self.parts[identifier] = None
        return identifier

    def add_item(self, item: Item) -> Entity:
        """A reference to a file that a receipt names."""
        return _to(self.add_file(item.path, item.sha256, item.bytes))

    def add_stage(self, graph: Graph, receipt: Receipt) -> None:
        """A stage's action, its step of the workflow, its tool, files and parameters."""
        address = receipt.address
        tool = self._tool(receipt)
        info = _run_information(receipt)
        self.times += [info[name] for name in ("started", "ended") if info.get(name)]
        inputs = [self.add_item(item) for item in receipt.inputs]
        inputs += [_to(one) for one in self._parameters(receipt, tool)]
        action = self.add(
            f"#action-{address}",
            "CreateAction",
            name=f"textbcs {' '.join(receipt.argv)}",
            instrument=_to(tool),
            object=inputs,
            result=[self.add_item(item) for item in receipt.outputs],
            startTime=info.get("started"),
            endTime=info.get("ended"),
            actionStatus=COMPLETED,
            description=f"Device class {receipt.device}; receipt {receipt.path}",
            subjectOf=_to(self._receipt(receipt)),
        )
        step = self.add(
            f"#step-{address}",
            "HowToStep",
            name=address,
            position=str(graph.order[address] + 1),
            workExample=_to(tool),
        )
        control = self.add(
            f"#control-{address}",
            "ControlAction",
            name=f"orchestrate {address}",
            instrument=_to(step),
            object=_to(action),
        )
        self.actions.append(action)
        self.steps.append(step)
        self.controls.append(control)

    def _receipt(self, receipt: Receipt) -> str:
        path = Path(receipt.path)
        return self.add_file(receipt.path, sha256_file(path), path.stat().st_size)

    def _tool(self, receipt: Receipt) -> str:
        """The command behind a stage, with the modules that it ran."""
        identifier = f"#tool-{receipt.stage}"
        kind = ["File", "SoftwareSourceCode"]
        modules = []
        for path, digest in receipt.code.items():
            file = Path(path)
            is_same = file.is_file() and sha256_file(file) == digest
            if is_same:
                modules.append(_to(self.add_file(path, digest, file.stat().st_size, kind)))
        known = self.entities.get(identifier, {}).get("hasPart", [])
        parts = [*known, *(one for one in modules if one not in known)]
        self.tools[identifier] = _to(identifier)
        return self.add(
            identifier,
            "SoftwareApplication",
            name=f"textbcs {receipt.stage}",
            hasPart=parts or None,
        )

    def _parameters(self, receipt: Receipt, tool: str) -> Iterator[str]:
        """A value for each parameter, and the tool's formal parameter behind it."""
        formal = self.entities[tool].setdefault("input", [])
        for key, value in receipt.params.items():
            parameter = self.add(
                f"#parameter-{receipt.stage}-{key}",
                "FormalParameter",
                name=key,
                additionalType=_type(value),
                conformsTo=_to("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
            )
            if _to(parameter) not in formal:
                formal.append(_to(parameter))
            yield self.add(
                f"#value-{receipt.address}-{key}",
                "PropertyValue",
                name=key,
                value="null" if value is None else str(value),
                exampleOfWork=_to(parameter),
            )
        if not formal:
            del self.entities[tool]["input"]

    def add_workflow(self, receipts: Iterable[Receipt]) -> None:
        """The workflow, its engine, and the run as a whole."""
        chain = list(receipts)
        for path in (WORKFLOW, *PROJECT):
            file = Path(path)
            if file.is_file():
                self.add_file(path, sha256_file(file), file.stat().st_size)
        language = self.add(
            "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
            "ComputerLanguage",
            name="Snakemake",
            identifier=_to("https://snakemake.github.io"),
            url=_to("https://snakemake.github.io"),
        )
        self.add(
            WORKFLOW,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name="TextBCS pipeline: Snakemake schedules the stages that dvc.yaml defines",
            programmingLanguage=_to(language),
            hasPart=list(self.tools.values()),
            step=[_to(one) for one in self.steps],
        )
        self.entities[WORKFLOW]["@type"] = [
            "File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"
        ]  # fmt: skip
        made = {item.path for one in chain for item in one.outputs}
        outside = [item for one in chain for item in one.inputs if item.path not in made]
        reports = [
            item for one in chain for item in one.outputs if item.path.startswith("reports/")
        ]
        times = sorted(self.times)
        run = self.add(
            "#run",
            "CreateAction",
            name="Run of the TextBCS pipeline",
            description="All stages of dvc.yaml that have run, with the parameters of params.yaml",
            instrument=_to(WORKFLOW),
            object=_distinct([*(self.add_item(item) for item in outside), _to("params.yaml")]),
            result=_distinct(self.add_item(item) for item in reports),
            startTime=times[0] if times else None,
            endTime=times[-1] if times else None,
            actionStatus=COMPLETED,
        )
        engine = self.add(
            "#engine", "SoftwareApplication", name="Snakemake", url="https://snakemake.github.io"
        )
        self.add(
            "#engine-run",
            "OrganizeAction",
            name="Snakemake's run of the stages",
            instrument=_to(engine),
            object=[_to(one) for one in self.controls],
            result=_to(run),
            startTime=times[0] if times else None,
            endTime=times[-1] if times else None,
        )
        self.actions.insert(0, run)

    def add_dicom(self) -> None:
        """Series that were used, their studies and collections, and the instances of all slices."""
        instances: dict[str, list[str]] = {}
        for split in SPLITS:
            for row in _rows(slices_of(split)):
                instances.setdefault(row["series_uid"], []).append(row["sop_uid"])
        for row in _rows(SERIES):
            if row["series_uid"] not in instances:
                continue
            doi, licence = _text(row.get("doi")), _text(row.get("licence"))
            collection = None
            if doi:
                collection = self._part(
                    self.add(
                        f"https://doi.org/{doi}",
                        "Dataset",
                        name=f"Collection {doi}",
                        license=licence,
                    )
                )
            study = self._part(_urn(row["study_uid"]))
            self.add(
                study,
                "Dataset",
                name=f"DICOM study of patient {row['patient']}",
                identifier=study,
                additionalType="DICOM study",
                isPartOf=_to(collection) if collection else None,
            )
            parts = []
            for uid in instances[row["series_uid"]]:
                name = f"DICOM instance of patient {row['patient']}"
                kind = "DICOM instance"
                urn = _urn(uid)
                parts.append(
                    _to(
                        self.add(urn, "ImageObject", name=name, identifier=urn, additionalType=kind)
                    )
                )
            urn = self._part(_urn(row["series_uid"]))
            self.series.append(
                self.add(
                    urn,
                    "Dataset",
                    name=f"DICOM series {row.get('phase', '')} of patient {row['patient']}".replace(
                        "  ", " "
                    ),
                    identifier=urn,
                    additionalType="DICOM series",
                    isPartOf=_to(study),
                    license=licence,
                    hasPart=parts,
                )
            )
        for entity in self.entities.values():
            if entity["@id"] in ("#action-download", "#run"):
                entity["object"] = [*entity["object"], *(_to(one) for one in self.series)]

    def graph(self) -> list[Entity]:
        """All entities, the descriptor and the root first."""
        profiles: list[Entity] = [
            {"@id": url, "@type": "CreativeWork", "name": name, "version": version}
            for url, (name, version) in PROFILES.items()
        ]
        descriptor: Entity = {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": _to("./"),
            "conformsTo": [
                _to("https://w3id.org/ro/crate/1.1"),
                _to("https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
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
            "datePublished": self._date(),
            "license": _to(LICENCE),
            "conformsTo": [_to(url) for url in PROFILES],
            "mainEntity": _to(WORKFLOW),
            "hasPart": [_to(one) for one in self.parts],
            "mentions": [_to(one) for one in (*self.actions, "#engine-run")],
        }
        licence: Entity = {
            "@id": LICENCE,
            "@type": "CreativeWork",
            "name": "Apache License 2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        }
        entities = [self.entities[name] for name in sorted(self.entities)]
        return [_plain(one) for one in (descriptor, root, *profiles, licence, *entities)]

    def _date(self) -> str:
        """The day of the last commit, so that two exports are equal; the epoch without git."""
        found = git("log", "-1", "--format=%cs")
        return found.decode().strip() if found and found.strip() else "1970-01-01"


def _plain(entity: Entity) -> Entity:
    """RO-Crate 1.1 wants one value, not a list of one."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
    }


def _to(identifier: str) -> Entity:
    return {"@id": identifier}


def _urn(uid: object) -> str:
    return f"urn:oid:{uid}"


def _distinct(entities: Iterable[Entity]) -> list[Entity]:
    return list({entity["@id"]: entity for entity in entities}.values())


def _rows(path: str) -> list[dict[str, Any]]:
    try:
        return records(read_csv(path))
    except InputError:
        return []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _type(value: Any) -> str:
    """schema.org's name of a value's type."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    return "Float" if isinstance(value, float) else "Text"


def _run_information(receipt: Receipt) -> Mapping[str, Any]:
    """Times of the run, where run information belongs to this very receipt."""
    try:
        facts: Mapping[str, Any] = read_json(FOLDER / f"{receipt.address}.json")
        return facts if facts["receipt"] == sha256_file(receipt.path) else {}
    except (InputError, KeyError, TypeError, OSError):
        return {}
