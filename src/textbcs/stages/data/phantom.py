"""Stage `phantom`: write a synthetic cohort as an archive of DICOM files with its two workbooks.

Reads nothing; writes data/phantom/archive (DICOM), the two workbooks of the Duke collection, reports.csv
with a free-text report of each patient, and manifest.csv with every file's hash.
docs/explanation/phantom.md says what is drawn and from which sources.
"""

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.folders import walk
from textbcs.base.io import sha256_bytes, write_bytes, write_csv
from textbcs.phantom.dicom_headers import raw_planes
from textbcs.phantom.files import files
from textbcs.phantom.patient import make_patient
from textbcs.phantom.reports import write_report
from textbcs.phantom.settings import Settings
from textbcs.phantom.workbooks import (
    box_row,
    boxes_workbook,
    clinical_row,
    clinical_workbook,
)
from textbcs.stage.pool import allowed_jobs, each

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

FOLDER = Path("data/phantom")
ARCHIVE = FOLDER / "archive"


@dataclass(frozen=True)
class _Written:
    """A patient's files (path, bytes, sha256) and her rows in the two workbooks and the reports."""

    files: list[tuple[str, int, str]]
    box: list[Any]
    clinical: list[Any]
    report: list[str]


def run(stage: "Stage") -> None:
    """Write the cohort of `params.phantom`; files of an earlier cohort are removed.

    Raises:
        InputError: the section `phantom` is incomplete or impossible.
    """
    import pandas as pd

    settings = Settings.of(stage.params["phantom"])
    stage.seed = settings.seed
    indices = range(1, settings.patients + 1)
    with closing(each(partial(_write_patient, settings), indices, allowed_jobs())) as found:
        written = list(stage.progress(found, total=len(indices), desc="phantom"))
    listed = [row for one in written for row in one.files]
    boxes, clinical = [one.box for one in written], [one.clinical for one in written]
    _remove_others({path for path, _, _ in listed})
    write_bytes(stage.output(FOLDER / "Annotation_Boxes.xlsx"), boxes_workbook(boxes))
    write_bytes(
        stage.output(FOLDER / "Clinical_and_Other_Features.xlsx"), clinical_workbook(clinical)
    )
    reports = pd.DataFrame([one.report for one in written], columns=["patient", "report"])
    write_csv(stage.output(FOLDER / "reports.csv"), reports)
    manifest = pd.DataFrame(sorted(listed), columns=["path", "bytes", "sha256"])
    write_csv(stage.output(FOLDER / "manifest.csv"), manifest)


def _write_patient(settings: Settings, index: int) -> _Written:
    """Write a patient's files."""
    patient = make_patient(settings, index)
    listed = []
    for entry in files(settings, patient):
        _write(ARCHIVE / entry.path, entry.content)
        listed.append((entry.path, len(entry.content), sha256_bytes(entry.content)))
    corner = raw_planes(patient).positions[0]
    clinical = clinical_row(patient.facts, corner, patient.anatomy.density)
    report = [patient.facts.patient, write_report(settings, patient)]
    return _Written(listed, box_row(patient), clinical, report)


def _write(path: Path, content: bytes) -> None:
    """Write a file unless it is there already: a killed run goes on where it was."""
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content, durable=False)


def _remove_others(listed: set[str]) -> None:
    """Delete files of a cohort with another seed or size, which a later stage would list too."""
    for path in list(walk(ARCHIVE)):
        if path.relative_to(ARCHIVE).as_posix() not in listed:
            path.unlink()
