"""What `--quick` takes from the last audit: its verdict, where every file and folder it looked at is as then.

`.cache/audit/verdict.json` has the size, time and inode of each file, the names in each folder, the commit,
and what was said. Whatever differs, or cannot be read, means that all is judged anew.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, canonical_json, write_bytes
from textbcs.lineage.audit.cost import Cost
from textbcs.lineage.audit.summary import Judged, Report, as_json
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.findings import CLASSES, Finding
from textbcs.lineage.records.hashing import Hashes, mark_of
from textbcs.lineage.records.history import git
from textbcs.lineage.records.tree import RUNINFO, Tree
from textbcs.stage.trainings import LIST as TRAININGS

VERDICT = Path(".cache/audit/verdict.json")
_MOST = 1 << 30  # bytes
# Read, and no output or input of any stage.
_BESIDE = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local")
_LEFT = "the bytes of {} files that --quick took as they were, and all that follows from them"


def remember(tree: Tree, report: Report) -> None:
    """Keep a verdict for the next quick audit; a read-only tree keeps none."""
    facts = {
        "audit": _own_marks(),
        "commit": _commit(),
        "files": {path: mark_of(path) for path in [*tree.wanted, *_BESIDE, *_told(tree)]},
        "folders": {folder: _names(folder) for folder in tree.folders.read()},
        "report": as_json(report),
    }
    try:
        write_bytes(VERDICT, canonical_json(facts).encode(), durable=False)
    except (OSError, ValueError):
        return


def _told(tree: Tree) -> list[str]:
    """Run information and the list of trainings."""
    return [*tree.folders.files(RUNINFO.as_posix()), TRAININGS.as_posix()]


def recall() -> Report | None:
    """The last verdict, where nothing has changed since by sizes, times and names; else None."""
    try:
        facts = read_record(VERDICT, _MOST)
        files, folders = facts["files"], facts["folders"]
        same = facts["audit"] == _own_marks() and facts["commit"] == _commit()
        same = same and all(mark_of(path) == mark for path, mark in files.items())
        if not same or any(_names(folder) != names for folder, names in folders.items()):
            return None
        return _report(facts["report"], len(files))
    except (InputError, KeyError, TypeError, AttributeError, ValueError):
        return None  # it is absent, or somebody has spoiled it


def _report(said: Mapping[str, Any], files: int) -> Report:
    findings = [
        Finding(
            **{name: str(one[name]) for name in ("kind", "node", "path", "detail")},
            evidence=tuple(one["evidence"]),
        )
        for one in said["findings"]
    ]
    if any(one.kind not in CLASSES for one in findings):
        raise ValueError("no verdict of this audit")
    judged = Judged(
        **{**said["judged"], "left_out": [_LEFT.format(files), *said["judged"]["left_out"]]}
    )
    cost = Cost(**said["receipt_cost"]) if said["receipt_cost"] else None
    remarks = [str(text) for text in said["remarks"]]
    return Report(findings, remarks, Hashes({}, remembered=files), judged, cost, said["seal"] or "")


def _names(folder: str) -> list[list[str]]:
    """What lies in a folder, with what links point to."""
    try:
        with os.scandir(folder or ".") as found:
            return sorted([one.name, _kind(one)] for one in found)
    except (OSError, ValueError):
        return []


def _kind(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return f"link {os.readlink(entry.path)}"  # noqa: PTH115
    return "folder" if entry.is_dir() else "file" if entry.is_file() else "other"


def _own_marks() -> list[Any]:
    """Sizes and times of the audit's own code: another version judges anew."""
    package = Path(__file__).parents[2]
    folders = (package / "lineage", package / "stage", package / "settings")
    return [mark_of(str(path)) for folder in folders for path in sorted(folder.rglob("*.py"))]


def _commit() -> str:
    """The commit, and what all references name: code may have been committed since."""
    return (git("for-each-ref", "--format=%(objectname)") or b"").decode() + (
        (git("rev-parse", "HEAD") or b"").decode()
    )
