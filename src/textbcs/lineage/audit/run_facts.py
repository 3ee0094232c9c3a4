"""RUN-INFORMATION: can what is told of a run be so? It is no result, and may be absent."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, sha256_file
from textbcs.lineage.audit.circumstances import machine_faults
from textbcs.lineage.records.bounded import read_record, read_regular
from textbcs.lineage.records.findings import Finding, Remark, counted, short, some
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.records.history import files_at, is_shallow, no_history, sha256_of_blobs
from textbcs.lineage.records.tree import RUNINFO, Tree
from textbcs.stage.definition import covered
from textbcs.stage.receipt import ENVIRONMENT

_LIMIT = 4 << 20  # bytes
_AHEAD = timedelta(hours=1)  # a clock may be wrong by that
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CODE = ("src", "workflow", "dvc.yaml")
_STARTS = ("workflow/stage", "workflow/run_stage.py", "workflow/dvc_job.py")

Told = list[tuple[Receipt, Mapping[str, Any]]]


def check_run_information(tree: Tree) -> Iterator[Finding | Remark]:
    """Form, times and commit of each stage's run information that belongs to its receipt."""
    told: Told = []
    others = 0
    for receipt in tree.graph.active():
        path = RUNINFO / f"{receipt.address}.json"
        if not path.exists() and not path.is_symlink():
            continue
        try:
            facts = read_record(path, _LIMIT)
        except InputError as error:
            detail = str(error).removeprefix(f"{path}: ")
            yield Finding("RUN-INFORMATION", receipt.address, path.as_posix(), detail)
            continue
        if not isinstance(facts, dict) or facts.get("stage") != receipt.address:
            detail = f"does not say that it is of {receipt.address}"
            yield Finding("RUN-INFORMATION", receipt.address, path.as_posix(), detail)
        elif facts.get("receipt") != tree.sha256(receipt.path):
            others += 1
        else:
            told.append((receipt, facts))
            faults = [*time_faults(facts), *_costs(facts), *machine_faults(receipt, facts)]
            if faults:
                detail = "; ".join(faults)
                yield Finding("RUN-INFORMATION", receipt.address, path.as_posix(), detail)
    if others:
        yield Remark(
            f"run information of {counted(others, 'stage')} is of another run than the receipt"
        )
    yield from _commits(told)
    yield from _environments(told)


def _environments(told: Told) -> Iterator[Remark]:
    """What stages ran with besides the code: no fault, but another machine may not give the same."""
    versions: dict[str, dict[str, list[str]]] = {}
    preloaded = [one.address for one, facts in told if facts.get("preloads")]
    for receipt, facts in told:
        installed = facts.get("installed")
        for name, value in installed.items() if isinstance(installed, dict) else ():
            version = str(value[0]) if isinstance(value, list) and value else "?"
            versions.setdefault(_plain(name), {}).setdefault(version, []).append(receipt.address)
    mixed = [
        f"{name} {' and '.join(sorted(own))}" for name, own in versions.items() if len(own) > 1
    ]
    if mixed:
        yield Remark(f"stages ran with several versions of {some(sorted(mixed))}")
    if preloaded:
        yield Remark(f"libraries from outside were put before the environment's: {some(preloaded)}")
    pins = _pins()
    others = [
        f"{name} {version} ({pins[name]})"
        for name, own in versions.items()
        for version in own
        if name in pins and version.partition("+")[0] != pins[name].partition("+")[0]
    ]
    if others:
        yield Remark(
            f"stages ran with other versions than {ENVIRONMENT} has: {some(sorted(others))}"
        )


def _started_by(
    told: Told, trees: Mapping[str, Mapping[str, str]], blobs: Mapping[str, str]
) -> Iterator[Remark]:
    """What started stages, where it is another one now; it is no stage's dependency, and may move on."""
    older: dict[str, list[str]] = {}
    for path in _STARTS:
        now = sha256_file(path) if Path(path).is_file() else None
        for receipt, facts in told:
            then = trees.get(str(facts.get("commit")), {}).get(path)
            if then is not None and now != blobs.get(then, now):
                older.setdefault(path, []).append(receipt.address)
    if older:
        parts = (f"{path} ({counted(len(names), 'stage')})" for path, names in older.items())
        yield Remark(f"stages were started by another version than lies here of {some(parts)}")


def _pins() -> dict[str, str]:
    """Distribution, as its folder is named -> version, of the lock of the environment."""
    try:
        text = read_regular(ENVIRONMENT).decode()
    except (InputError, UnicodeDecodeError):
        return {}
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {_plain(name): version for name, version in found}


def _plain(name: object) -> str:
    """The name of a distribution as every index compares it."""
    return re.sub(r"[-_.]+", "_", str(name)).lower()


def time_faults(facts: Mapping[str, Any]) -> Iterator[str]:
    """Why the times of a run, `started` and `ended`, cannot be."""
    times = {}
    for name in ("started", "ended"):
        try:
            times[name] = datetime.fromisoformat(facts.get(name))  # type: ignore[arg-type]
            times[name] - datetime.now(UTC)
        except (TypeError, ValueError, OverflowError):
            yield f"{name} is no time with a zone: {facts.get(name)!r}"
            return
    if times["ended"] < times["started"]:
        yield f"it ended at {facts['ended']}, before it started at {facts['started']}"
    if max(times.values()) > datetime.now(UTC) + _AHEAD:
        yield f"it ended in the future, at {facts['ended']}"


def _costs(facts: Mapping[str, Any]) -> Iterator[str]:
    whole, part = facts.get("cpu_seconds"), facts.get("receipt_cpu_seconds")
    numbers = [float(value) for value in (whole, part) if isinstance(value, int | float)]
    if len(numbers) != 2 or not 0 <= numbers[1] <= numbers[0]:
        yield f"CPU times cannot be: {part!r} s of {whole!r} s"


def _commits(told: Told) -> Iterator[Finding | Remark]:
    """Whether each commit is there, and holds the code that the receipt names."""
    if no_history():
        return  # it has its own finding
    names = {facts.get("commit") for _, facts in told}
    trees = {
        name: files_at(name, *_CODE)
        for name in names
        if isinstance(name, str) and _COMMIT.fullmatch(name)
    }
    blobs = sha256_of_blobs(blob for files in trees.values() for blob in (files or {}).values())
    strange: dict[str, list[str]] = {}
    for receipt, facts in told:
        commit = facts.get("commit")
        if commit is None:
            continue
        files = trees.get(commit) if isinstance(commit, str) else None
        if files is None:
            strange.setdefault(str(commit), []).append(receipt.address)
            continue
        loose = tuple(str(one) for one in facts.get("uncommitted") or ())
        others = [
            path
            for path, digest in {**receipt.code, **receipt.loaded}.items()
            if not covered(path, loose)
            and (path not in files or blobs.get(files[path], digest) != digest)
        ]
        if others:
            detail = f"commit {short(commit)} does not hold the code that ran: {some(others)}"
            path = f"{RUNINFO}/{receipt.address}.json"
            yield Finding("RUN-INFORMATION", receipt.address, path, detail)
    yield from _started_by(told, {name: files for name, files in trees.items() if files}, blobs)
    shallow = bool(strange) and is_shallow()
    for commit, addresses in strange.items():
        text = f"commit {short(commit)} of {some(addresses)} is not in this repository"
        if shallow:
            yield Remark(f"{text}, whose history is shallow")
        else:
            path = f"{RUNINFO}/{addresses[0]}.json"
            yield Finding("RUN-INFORMATION", addresses[0], path, text)
