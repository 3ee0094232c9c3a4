"""`textbcs audit export`: the run as an RO-Crate, profile Provenance Run Crate 0.5.

Reads receipts, run information, definitions and the tables of DICOM series; writes a folder with
`ro-crate-metadata.json` and copies of the files that fit (`limit`); larger ones are named by their hash
(RFC 6920). DICOM studies, series and instances are `urn:oid:<UID>`. No library: the format is JSON-LD.

Profile: https://w3id.org/ro/wfrun/provenance/0.5, on RO-Crate 1.1.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.io import InputError, atomic, read_csv, read_json, records, sha256_file, write_json
from textbcs.lineage.checks.content import SERIES, SPLITS, slices_of
from textbcs.lineage.entities import (
    COMPLETED,
    CONTEXT,
    METADATA,
    WORKFLOW,
    Entities,
    Entity,
    distinct,
    to,
    urn_of,
)
from textbcs.lineage.graph import Graph, Receipt
from textbcs.runinfo import FOLDER

ENGINE_RUN = "#engine-run"
# Files of the project that a reader needs to run it again; what is absent is left out.
PROJECT = ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock", "LICENSE", "README.md")


def export(graph: Graph, folder: Path, limit: int) -> dict[str, int]:
    """Write the crate.

    Args:
        graph: the stages; those that have run are exported.
        folder: where to; must be empty or absent.
        limit: largest file in bytes that is copied; 0 copies all.

    Returns:
        Counts: `files`, of them `named_only` (not copied), `actions`, `series`, `instances`.

    Raises:
        InputError: the folder is in use, there is no receipt, or a file is not what its receipt says;
            then nothing is written.
    """
    receipts = list(graph.active())
    if not receipts:
        raise InputError(
            f"no receipts here; run snakemake, or dvc pull, before you export to {folder}"
        )
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder")
    crate = _Run(limit)
    for receipt in receipts:
        crate.add_stage(graph, receipt)
    crate.add_workflow(receipts)
    crate.add_dicom()
    graph_of_all = crate.graph([*crate.actions, ENGINE_RUN])
    try:
        _write(folder, crate.inside, {"@context": CONTEXT, "@graph": graph_of_all})
    except OSError as error:  # it would name a temporary folder that nobody has asked for
        raise InputError(
            f"{folder}: the crate cannot be written: {error.strerror or error}"
        ) from error
    kinds = [entity["@id"] for entity in crate.entities.values()]
    return {
        "files": sum("sha256" in one for one in crate.entities.values()),
        "named_only": sum(one.startswith("ni:") for one in kinds),
        "actions": len(receipts),
        "series": sum(
            entity.get("additionalType") == "DICOM series" for entity in crate.entities.values()
        ),
        "instances": sum(
            entity.get("additionalType") == "DICOM instance" for entity in crate.entities.values()
        ),
    }


def _write(folder: Path, paths: Iterable[str], metadata: Mapping[str, Any]) -> None:
    """Make the crate's folder beside its place and rename it: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
        made = Path(place) / "crate"
        for path in paths:
            with Path(path).open("rb") as source, atomic(made / path, durable=False) as target:
                shutil.copyfileobj(source, target)
        write_json(made / METADATA, metadata)
        made.replace(folder)


class _Run(Entities):
    """The entities of the run of a pipeline."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.actions: list[str] = []
        self.controls: list[str] = []
        self.steps: list[str] = []
        self.tools: dict[str, Entity] = {}
        self.times: list[str] = []
        self.series: list[str] = []

    def add_stage(self, graph: Graph, receipt: Receipt) -> None:
        """A stage's action, its step of the workflow, its tool, files and parameters."""
        address = receipt.address
        tool = self._tool(receipt)
        info = _run_information(receipt)
        self.times += [info[name] for name in ("started", "ended") if info.get(name)]
        inputs = [self.add_item(item) for item in receipt.inputs]
        inputs += [to(one) for one in self._parameters(receipt, tool)]
        action = self.add(
            f"#action-{address}",
            "CreateAction",
            name=f"textbcs {' '.join(receipt.argv)}",
            instrument=to(tool),
            object=inputs,
            result=[self.add_item(item) for item in receipt.outputs],
            startTime=info.get("started"),
            endTime=info.get("ended"),
            actionStatus=COMPLETED,
            description=f"Device class {receipt.device}; receipt {receipt.path}",
            subjectOf=to(self._receipt(receipt)),
        )
        step = self.add(
            f"#step-{address}",
            "HowToStep",
            name=address,
            position=str(graph.order[address] + 1),
            workExample=to(tool),
        )
        control = self.add(
            f"#control-{address}",
            "ControlAction",
            name=f"orchestrate {address}",
            instrument=to(step),
            object=to(action),
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
                modules.append(to(self.add_file(path, digest, file.stat().st_size, kind)))
        known = self.entities.get(identifier, {}).get("hasPart", [])
        parts = [*known, *(one for one in modules if one not in known)]
        self.tools[identifier] = to(identifier)
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
                conformsTo=to("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
            )
            if to(parameter) not in formal:
                formal.append(to(parameter))
            yield self.add(
                f"#value-{receipt.address}-{key}",
                "PropertyValue",
                name=key,
                value="null" if value is None else str(value),
                exampleOfWork=to(parameter),
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
            identifier=to("https://snakemake.github.io"),
            url=to("https://snakemake.github.io"),
        )
        self.add(
            WORKFLOW,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name="TextBCS pipeline: Snakemake schedules the stages that dvc.yaml defines",
            programmingLanguage=to(language),
            hasPart=list(self.tools.values()),
            step=[to(one) for one in self.steps],
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
            instrument=to(WORKFLOW),
            object=distinct([*(self.add_item(item) for item in outside), to("params.yaml")]),
            result=distinct(self.add_item(item) for item in reports),
            startTime=times[0] if times else None,
            endTime=times[-1] if times else None,
            actionStatus=COMPLETED,
        )
        engine = self.add(
            "#engine", "SoftwareApplication", name="Snakemake", url="https://snakemake.github.io"
        )
        self.add(
            ENGINE_RUN,
            "OrganizeAction",
            name="Snakemake's run of the stages",
            instrument=to(engine),
            object=[to(one) for one in self.controls],
            result=to(run),
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
                collection = self.part(
                    self.add(
                        f"https://doi.org/{doi}",
                        "Dataset",
                        name=f"Collection {doi}",
                        license=licence,
                    )
                )
            study = self.part(urn_of(row["study_uid"]))
            self.add(
                study,
                "Dataset",
                name=f"DICOM study of patient {row['patient']}",
                identifier=study,
                additionalType="DICOM study",
                isPartOf=to(collection) if collection else None,
            )
            parts = []
            for uid in instances[row["series_uid"]]:
                name = f"DICOM instance of patient {row['patient']}"
                kind = "DICOM instance"
                urn = urn_of(uid)
                parts.append(
                    to(self.add(urn, "ImageObject", name=name, identifier=urn, additionalType=kind))
                )
            urn = self.part(urn_of(row["series_uid"]))
            self.series.append(
                self.add(
                    urn,
                    "Dataset",
                    name=f"DICOM series {row.get('phase', '')} of patient {row['patient']}".replace(
                        "  ", " "
                    ),
                    identifier=urn,
                    additionalType="DICOM series",
                    isPartOf=to(study),
                    license=licence,
                    hasPart=parts,
                )
            )
        for entity in self.entities.values():
            if entity["@id"] in ("#action-download", "#run"):
                entity["object"] = [*entity["object"], *(to(one) for one in self.series)]


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
