"""Reports of one cohort never lie beside those of another: they are put aside, and come back.

`reports/cohort.md` says which cohort the reports are of. Where `params.yaml` names another, all that stages
wrote there moves to `reports/earlier/<source>-<hash>/`, which git ignores, and what lay aside of the cohort
that is now named moves back. `textbcs use` does it, and every run of Snakemake before its first stage, so
that a run that makes some tables leaves none of another cohort beside them. `git checkout reports` brings
back those of the last commit, with their `cohort.md`.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import canonical_json, write_text
from textbcs.stage.definition import lines, read_stages

REPORTS = Path("reports")
RECORD = REPORTS / "cohort.md"
ASIDE = REPORTS / "earlier"
# What makes a cohort another one. The phantom's own parameters do not: a smaller phantom is a phantom. Nor
# does the place that a collection comes from; of people's own files, the folder tells two cohorts apart.
_FOLDERS = ("folder", "nifti")
KEYS = ("kind", "collection", "archive", "source")
_LINE = re.compile(r"^- (\w+):[ ]?(.*)$", re.MULTILINE)


def put_aside(params: Mapping[str, Any]) -> list[str]:
    """Make the reports of the working folder those of the cohort that the parameters name, or none.

    Args:
        params: all parameters.

    Returns:
        A line for each thing done; none where the reports are of this cohort, or there are none.
    """
    now = _identity(params["cohort"])
    before = _recorded() or _locked()
    if before is None or before == now:
        return []
    told = []
    there = [Path(out) for out in _outputs() if Path(out).is_file()]
    target = folder_of(before)
    if there:
        for path in there:
            _move(path, target / path.relative_to(REPORTS))
        told.append(f"the reports are of cohort {before['source']!r}: moved to {target}")
    write_text(RECORD, _record(now))
    own = folder_of(now)
    if own.is_dir():
        for path in sorted(path for path in own.rglob("*") if path.is_file()):
            _move(path, REPORTS / path.relative_to(own))
        told.append(f"reports of cohort {now['source']!r} brought back from {own}")
    return told


def folder_of(cohort: Mapping[str, str]) -> Path:
    """Where the reports of a cohort lie while another one is in use."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", cohort["source"]).strip("._") or "cohort"
    digest = hashlib.sha256(canonical_json(dict(cohort)).encode()).hexdigest()
    return ASIDE / f"{name}-{digest[:8]}"


def _identity(cohort: Mapping[str, Any]) -> dict[str, str]:
    found = {key: str(cohort[key]) for key in KEYS}
    return found if found["kind"] in _FOLDERS else found | {"archive": ""}


def _outputs() -> list[str]:
    """Every file that a stage writes into the reports."""
    outs = (line for entry in read_stages().values() for line in lines(entry, "outs"))
    return sorted(line for line in outs if line.startswith(f"{REPORTS}/"))


def _recorded() -> dict[str, str] | None:
    """The cohort that `reports/cohort.md` names; None where it names none."""
    if not RECORD.is_file():
        return None
    found = dict(_LINE.findall(RECORD.read_text(encoding="utf-8", errors="replace")))
    return _identity(found) if found.keys() >= set(KEYS) else None


def _locked() -> dict[str, str] | None:
    """The cohort that was listed last, by dvc.lock; None where none was.

    A search in the text: reading the whole file as YAML takes seconds.
    """
    lock = Path("dvc.lock")
    text = lock.read_text(encoding="utf-8", errors="replace") if lock.is_file() else ""
    stage = re.search(r"^  cohort:\n(.*?)(?=^  \S|\Z)", text, re.MULTILINE | re.DOTALL)
    found = {
        key: match[1].strip("'\"")
        for key in KEYS
        if stage and (match := re.search(rf"^ +{key}: (.*)$", stage[1], re.MULTILINE))
    }
    return _identity(found) if len(found) == len(KEYS) else None


def _record(cohort: Mapping[str, str]) -> str:
    listed = "\n".join(f"- {key}: {value}".rstrip() for key, value in cohort.items())
    return (
        f"# The cohort of these reports\n\n{listed}\n\nA run of another cohort first moves what stages wrote "
        "here to `reports/earlier/`.\n"
    )


def _move(path: Path, target: Path) -> None:
    """Move a file; the folders that it leaves empty go."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    folder = path.parent
    while folder != REPORTS and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
