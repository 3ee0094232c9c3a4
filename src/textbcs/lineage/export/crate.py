"""`textbcs audit export`: the run as an RO-Crate, profile Provenance Run Crate 0.5.

The crate is a folder with `ro-crate-metadata.json` and copies of the files that fit (`limit`); larger ones
are named by their hash (RFC 6920). No library: the format is JSON-LD.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, atomic, sha256_bytes, write_bytes, write_json
from textbcs.lineage.export.dicom_entities import add_dicom
from textbcs.lineage.export.entities import CONTEXT, METADATA, VERDICT, Entities
from textbcs.lineage.export.run_entities import ENGINE_RUN, Run
from textbcs.lineage.records.graph import Graph


def export(
    graph: Graph, folder: Path, limit: int, verdict: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Write the crate.

    Args:
        graph: the stages; those that have run are exported.
        folder: where to; must be empty or absent.
        limit: largest file in bytes that is copied; 0 copies all.
        verdict: what an audit has said of the tree just now; goes into the crate.

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
    said = _as_bytes(verdict) if verdict is not None else b""
    crate = Run(limit)
    metadata = describe(crate, graph, said)
    try:
        _write(folder, crate.inside, metadata, said)
    except OSError as error:  # it would name a temporary folder that nobody has asked for
        raise InputError(
            f"{folder}: the crate cannot be written: {error.strerror or error}"
        ) from error
    return {**_counts(crate), "actions": len(receipts)}


def describe(crate: Run, graph: Graph, verdict: bytes) -> dict[str, Any]:
    """The metadata of the stages that have run.

    Args:
        crate: the entities; is filled.
        graph: the stages.
        verdict: what an audit has said, as it lies in the crate; may be empty.

    Raises:
        InputError: a file is not what its receipt says.
    """
    receipts = list(graph.active())
    for receipt in receipts:
        crate.add_stage(graph, receipt)
    crate.add_workflow(receipts)
    add_dicom(crate)
    if verdict:
        crate.part(_add_verdict(crate, verdict))
    return {"@context": CONTEXT, "@graph": crate.graph([*crate.actions, ENGINE_RUN])}


def _as_bytes(verdict: Mapping[str, Any]) -> bytes:
    return (json.dumps(verdict, sort_keys=True, indent=2) + "\n").encode()


def _add_verdict(crate: Entities, said: bytes) -> str:
    return crate.add(
        VERDICT,
        "File",
        name="What textbcs audit verify said of the tree when it was exported",
        sha256=sha256_bytes(said),
        contentSize=str(len(said)),
        encodingFormat="application/json",
    )


def _counts(crate: Entities) -> dict[str, int]:
    """How many files, those that are only named, series and instances the crate tells of."""
    entities = crate.entities.values()
    kinds = [entity.get("additionalType") for entity in entities]
    return {
        "files": sum("sha256" in one for one in entities),
        "named_only": sum(one["@id"].startswith("ni:") for one in entities),
        "series": kinds.count("DICOM series"),
        "instances": kinds.count("DICOM instance"),
    }


def _write(folder: Path, paths: Iterable[str], metadata: Mapping[str, Any], verdict: bytes) -> None:
    """Make the crate's folder beside its place and rename it: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
        made = Path(place) / "crate"
        for path in paths:
            with Path(path).open("rb") as source, atomic(made / path, durable=False) as target:
                shutil.copyfileobj(source, target)
        if verdict:
            write_bytes(made / VERDICT, verdict, durable=False)
        write_json(made / METADATA, metadata)
        made.replace(folder)
