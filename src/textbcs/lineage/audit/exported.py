"""`textbcs audit verify` of an export: does the crate hold what its metadata and its receipts say?

An export stands alone: it holds copies of the smaller files and the hashes of all, so no working copy is
needed, and no code that it holds is run. Writes nothing.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from textbcs.base.io import InputError, read_json
from textbcs.lineage.audit import runs
from textbcs.lineage.audit.summary import Judged, Report
from textbcs.lineage.audit.verify import in_order
from textbcs.lineage.export.entities import METADATA
from textbcs.lineage.records.findings import CLASSES, Finding, short
from textbcs.lineage.records.form import Form, check_form
from textbcs.lineage.records.graph import RECEIPTS, Receipt, load_graph, parse_receipt
from textbcs.lineage.records.hashing import Hashes, hash_files
from textbcs.settings.working_copy import is_export

_NAMED = "ni:"  # a file that is only named by its hash
_DEFINED_BY = ("dvc.yaml", "params.yaml")


@dataclass(frozen=True)
class _Crate:
    """What the metadata says, and what there is.

    Attributes:
        inside: path -> sha256 of the files that the crate should hold.
        named: sha256 of the files that it only names.
        actions: path of the receipt -> address, of each stage that has run.
        receipts: by path; those that can be read.
        faulty: path of a receipt -> why it cannot be read.
        hashes: of all files in the folder.
    """

    inside: Mapping[str, str]
    named: frozenset[str]
    actions: Mapping[str, str]
    receipts: Mapping[str, Receipt]
    faulty: Mapping[str, str]
    hashes: Hashes


def verify_export(folder: Path, deep: bool = False) -> Report:
    """Check an export.

    Args:
        folder: what `textbcs audit export` has written.
        deep: not possible here.

    Raises:
        InputError: it is no export of a run, or `deep` was asked for.
    """
    if not is_export(folder):
        raise InputError(
            f"{folder}: no export of a run (there is no {METADATA}); in a working copy, verify takes "
            "no folder"
        )
    if deep:
        raise InputError(
            "--deep: an export holds nothing to compute again; use it in the working copy"
        )
    with contextlib.chdir(folder):
        crate = _read(folder)
        findings = [*_check_files(crate), *_check_receipts(crate), *_check_chain(crate)]
        remarks = [f"{len(crate.named)} files are only named by their hash"] if crate.named else []
        if all(Path(path).is_file() for path in _DEFINED_BY):
            graph = load_graph(Form())
            for check in (runs.check_devices, runs.check_seeds, runs.check_test_peek):
                findings += check(graph)
            findings = in_order(findings, graph)
        else:
            remarks.append(
                "devices, seeds and the use of test data cannot be judged without dvc.yaml"
            )
            findings.sort(key=lambda one: (list(CLASSES).index(one.kind), one.path))
    return Report(findings, remarks, crate.hashes, Judged(len(crate.receipts)))


def _read(folder: Path) -> _Crate:
    """The crate in the working folder, which a person calls `folder`.

    Raises:
        InputError: its metadata is not what an export has.
    """
    try:
        entities = {str(one["@id"]): one for one in read_json(METADATA)["@graph"]}
        files = {at: str(one["sha256"]) for at, one in entities.items() if "sha256" in one}
        actions = {
            str(one["subjectOf"]["@id"]): at.removeprefix("#action-")
            for at, one in entities.items()
            if at.startswith("#action-")
        }
    except (InputError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{folder / METADATA}: not as textbcs audit export writes it") from error
    outside = [at for at in files if not at.startswith(_NAMED) and not _is_inside(at)]
    if (
        outside
        or not actions
        or any(not re.fullmatch("[0-9a-f]{64}", one) for one in files.values())
    ):
        raise InputError(f"{folder / METADATA}: not as textbcs audit export writes it")
    present = sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())
    receipts, faulty = _receipts()
    return _Crate(
        {at: digest for at, digest in files.items() if not at.startswith(_NAMED)},
        frozenset(digest for at, digest in files.items() if at.startswith(_NAMED)),
        actions,
        receipts,
        faulty,
        hash_files(dict.fromkeys(present, ("sha256",))),
    )


def _is_inside(path: str) -> bool:
    """Whether a path of the metadata stays in the crate."""
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts


def _receipts() -> tuple[dict[str, Receipt], dict[str, str]]:
    """The receipts that can be read, and why others cannot, by path."""
    form = Form()
    found: dict[str, Receipt] = {}
    faulty: dict[str, str] = {}
    for path in sorted(RECEIPTS.glob("*.json")):
        try:
            content = path.read_bytes()
            check_form(content, form)
            found[path.as_posix()] = parse_receipt(content)
        except (InputError, OSError) as error:
            faulty[path.as_posix()] = str(error)
    return found, faulty


def _check_files(crate: _Crate) -> Iterator[Finding]:
    """Files that are gone, are not what the metadata says, or stand in no metadata."""
    for path, digest in crate.inside.items():
        found = crate.hashes.of(path)
        if path in crate.hashes.unreadable:
            yield Finding("MISSING", "", path, f"cannot be read: {crate.hashes.unreadable[path]}")
        elif found is None:
            yield Finding("MISSING", "", path, f"{METADATA} says that the export holds it")
        elif found.sha256 != digest:
            detail = f"sha256 is {short(found.sha256)}, {METADATA} says {short(digest)}"
            yield Finding("TAMPERED", "", path, detail)
    for path in sorted({*crate.hashes.digests} - {*crate.inside, METADATA}):
        yield Finding("ORPHAN", "", path, f"{METADATA} does not name it")


def _check_receipts(crate: _Crate) -> Iterator[Finding]:
    """Receipts that are gone or faulty, and what they say against the metadata."""
    for path, reason in crate.faulty.items():
        yield Finding("TAMPERED", Path(path).stem, path, f"receipt cannot be used: {reason}")
    for path, address in crate.actions.items():
        known = path in crate.receipts or path in crate.faulty or path.startswith(_NAMED)
        if not known:
            yield Finding("MISSING", address, path, "the receipt of a stage that has run")
        elif path in crate.receipts and crate.receipts[path].address != address:
            detail = f"is of {crate.receipts[path].address}, {METADATA} says of {address}"
            yield Finding("TAMPERED", address, path, detail)
    digests = {*crate.inside.values()} | crate.named
    for receipt in crate.receipts.values():
        for item in (*receipt.inputs, *receipt.outputs):
            said = crate.inside.get(item.path)
            if item.sha256 not in digests or (said is not None and said != item.sha256):
                detail = (
                    f"sha256 is {short(item.sha256)} by the receipt of {receipt.address}, "
                    f"{short(said or '')} by {METADATA}"
                )
                yield Finding("TAMPERED", receipt.address, item.path, detail)


def _check_chain(crate: _Crate) -> Iterator[Finding]:
    """Inputs that are not what their maker's receipt says."""
    made = {item.path: item.sha256 for one in crate.receipts.values() for item in one.outputs}
    for receipt in crate.receipts.values():
        for item in receipt.inputs:
            if made.get(item.path, item.sha256) != item.sha256:
                detail = f"it read {item.path} as {short(item.sha256)}, made was {short(made[item.path])}"
                yield Finding("STALE", receipt.address, item.path, detail)
