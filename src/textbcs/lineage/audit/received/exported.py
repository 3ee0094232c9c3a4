"""`textbcs audit verify` of an export: does the crate hold what its metadata and its receipts say?

An export stands alone: it holds copies of the smaller files and the hashes of all, so no working copy is
needed, and no code that it holds is run. Writes nothing. `textbcs audit check` does the same with a zip.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.lineage.audit import content, definitions, files, lock, runs
from textbcs.lineage.audit.received.metadata import check_metadata
from textbcs.lineage.audit.received.zipped import unpacked
from textbcs.lineage.audit.summary import Judged, Report
from textbcs.lineage.audit.verify import guarded, in_order
from textbcs.lineage.export.entities import METADATA, VERDICT
from textbcs.lineage.records.bounded import parse_json, path_fault, read_record, read_regular
from textbcs.lineage.records.findings import CLASSES, Finding, Remark, counted, short
from textbcs.lineage.records.folders import Folders
from textbcs.lineage.records.form import Form, judge
from textbcs.lineage.records.graph import RECEIPTS, Receipt, load_graph, receipt_of
from textbcs.lineage.records.hashing import Hashes, hash_files
from textbcs.lineage.records.lock_file import LOCK
from textbcs.lineage.records.tree import BOTH, Tree
from textbcs.settings.working_copy import is_export

_NAMED = "ni:"  # a file that is only named by its hash
_DEFINED_BY = ("dvc.yaml", "params.yaml")
_MOST_METADATA = 1 << 30  # bytes
_UNDEFINED = "devices, seeds and the use of test data cannot be judged without dvc.yaml"
_LEFT = (
    "whether the code that ran is committed, and what dvc.lock says of folders: a crate has no history",
    "nothing was computed again: a crate holds no code that is run",
)


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
        others: links, pipes and what else is no file.
    """

    inside: Mapping[str, str]
    named: frozenset[str]
    actions: Mapping[str, str]
    receipts: Mapping[str, Receipt]
    faulty: Mapping[str, str]
    hashes: Hashes
    others: tuple[str, ...]


def verify_export(folder: Path, deep: bool = False, called: Path | None = None) -> Report:
    """Check an export.

    Args:
        folder: what `textbcs audit export` has written.
        deep: not possible here.
        called: what a person calls it, where that is a zip.

    Raises:
        InputError: it is no export of a run, or `deep` was asked for.
    """
    _check_asked(folder, deep)
    with contextlib.chdir(folder):
        crate = _read(called or folder)
        findings = [*_check_files(crate), *_check_receipts(crate), *_check_chain(crate)]
        findings += [*_check_needed(crate), *_told_by_the_sender(crate)]
        remarks = (
            [f"only named by their hash: {counted(len(crate.named), 'file')}"]
            if crate.named
            else []
        )
        defined, left = 0, list(_LEFT)
        if all(Path(path).is_file() for path in _DEFINED_BY):
            graph = load_graph(Form(), heeds_list=False)
            defined = len(graph.definitions)
            found = list(_judge(Tree(graph, crate.hashes, Folders(heeds_list=False))))
            if not findings and not any(isinstance(one, Finding) for one in found):
                found += guarded(METADATA, lambda: check_metadata(graph, crate.hashes))
            else:
                left.append(f"{METADATA} was not built again, since there are faults")
            findings += [one for one in found if isinstance(one, Finding)]
            remarks += [one.text for one in found if isinstance(one, Remark)]
            findings = in_order(_distinct(findings), graph)
        else:
            remarks.append(_UNDEFINED)
            findings.sort(key=lambda one: (list(CLASSES).index(one.kind), one.path))
    return Report(
        findings, remarks, crate.hashes, Judged(len(crate.receipts), defined, left_out=left)
    )


def _check_asked(folder: Path, deep: bool) -> None:
    if not is_export(folder):
        raise InputError(
            f"{folder}: no export of a run (there is no {METADATA}); in a working copy, verify takes "
            "no folder"
        )
    if deep:
        raise InputError(
            "--deep: an export holds nothing to compute again; use it in the working copy"
        )


def check_crate(place: Path) -> Report:
    """Check an export, a folder or a zip of it.

    Raises:
        InputError: it is neither, or the zip may not be unpacked.
    """
    if place.is_dir():
        return verify_export(place)
    with unpacked(place) as folder:
        return verify_export(folder, called=place)


def _judge(tree: Tree) -> Iterator[Finding | Remark]:
    """What the receipts and tables of a crate say, as `verify` judges them in a working copy."""
    graph = tree.graph
    yield from guarded("receipts", lambda: files.check_receipts(tree))
    yield from guarded("versions of receipts", lambda: definitions.check_versions(tree))
    yield from guarded("definitions", lambda: definitions.check_definitions(tree))
    yield from guarded("dvc.lock", lambda: lock.check_lock_in_export(tree))
    for check in (runs.check_devices, runs.check_seeds, runs.check_test_peek):
        yield from guarded("runs", lambda check=check: check(graph))  # type: ignore[misc]
    for told in (content.check_leaks, content.check_denominators, content.check_counts):
        yield from guarded("tables", lambda told=told: told(tree))  # type: ignore[misc]


def _told_by_the_sender(crate: _Crate) -> Iterator[Finding]:
    """The faults of the verdict that a crate carries; it is as true as the rest of the crate."""
    if VERDICT not in crate.inside or crate.hashes.of(VERDICT) is None:
        return  # MISSING
    try:
        told = read_record(VERDICT)
        found = [] if told["clean"] is True else list(told["findings"])
        for one in found:
            detail = f"by the audit of who exported it: {one['detail']}"
            kind = one["kind"] if one["kind"] in CLASSES else "UNJUDGED"
            yield Finding(kind, str(one["node"]), str(one["path"]), detail)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        yield Finding("UNREADABLE", "", VERDICT, f"is no verdict of an audit ({error})")


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each class, node and file: a receipt that is none is found from two sides."""
    return list({(one.kind, one.node, one.path): one for one in findings}.values())


def _read(folder: Path) -> _Crate:
    """The crate in the working folder, which a person calls `folder`.

    Raises:
        InputError: its metadata is not what an export has.
    """
    try:
        content = read_record(METADATA, _MOST_METADATA)
        entities = {str(one["@id"]): one for one in content["@graph"]}
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
    # A link would lead out of the crate, to a file of this machine.
    there = [
        one for one in Folders(heeds_list=False).below("") if one.kind != "folder" or one.target
    ]
    present = [one.path for one in there if one.kind == "file" and not one.target]
    receipts, faulty = _receipts()
    return _Crate(
        {at: digest for at, digest in files.items() if not at.startswith(_NAMED)},
        frozenset(digest for at, digest in files.items() if at.startswith(_NAMED)),
        actions,
        receipts,
        faulty,
        hash_files(dict.fromkeys(sorted(present), BOTH)),
        tuple(one.path for one in there if one.kind != "file" or one.target),
    )


def _is_inside(path: str) -> bool:
    """Whether a path of the metadata stays in the crate."""
    return not path_fault(path)


def _receipts() -> tuple[dict[str, Receipt], dict[str, str]]:
    """The receipts that can be read, and why others cannot, by path."""
    form = Form()
    found: dict[str, Receipt] = {}
    faulty: dict[str, str] = {}
    for path in sorted(RECEIPTS.glob("*.json")):
        try:
            facts = parse_json(read_regular(path))
            judge(facts, form)
            found[path.as_posix()] = receipt_of(facts)
        except InputError as error:
            faulty[path.as_posix()] = str(error)
    return found, faulty


def _check_needed(crate: _Crate) -> Iterator[Finding]:
    """What each export holds, however small it is."""
    for path in (*_DEFINED_BY, str(LOCK), VERDICT):
        if path not in crate.inside:
            yield Finding(
                "MISSING", "", path, f"each export holds it, and {METADATA} does not name it"
            )


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
    for path in crate.others:
        yield Finding("ORPHAN", "", path, "is no file, but a link, a pipe or a device")


def _check_receipts(crate: _Crate) -> Iterator[Finding]:
    """Receipts that are gone or faulty, and what they say against the metadata."""
    for path, reason in crate.faulty.items():
        yield Finding("TAMPERED", Path(path).stem, path, f"receipt cannot be used: {reason}")
    for path, address in crate.actions.items():
        if path.startswith(_NAMED):
            whole = f"{RECEIPTS}/{address}.json"
            yield Finding(
                "MISSING",
                address,
                whole,
                "is only named by its hash; an export holds every receipt",
            )
        elif path not in crate.receipts and path not in crate.faulty:
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
