"""Stage `cohort`: list an archive, map series to phases, choose one of each, exclude with reasons.

Reads the archive's DICOM headers and the clinical workbook; writes data/cohort/series.csv and
patients.csv. Phases follow from SeriesDescription as the Duke collection spells it, with SeriesNumber
where descriptions do not decide. No name, birth date or file path goes into a table.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.cohort.archive import Series, open_archive
from textbcs.cohort.clinical import read_clinical
from textbcs.cohort.dicom import read_grid
from textbcs.cohort.phases import Candidate, choose_phases
from textbcs.cohort.planes import SeriesError, check_planes
from textbcs.io import NONE, InputError, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

SERIES = Path("data/cohort/series.csv")
PATIENTS = Path("data/cohort/patients.csv")
SERIES_COLUMNS = (
    "patient",
    "study_uid",
    "series_uid",
    "modality",
    "phase",
    "description",
    "series_number",
    "instances",
    "bytes",
    "manufacturer",
    "source",
    "licence",
    "doi",
)
PATIENT_COLUMNS = (
    "patient",
    "manufacturer",
    "field_strength_t",
    "position",
    "tumour_location",
    "multifocal",
    "excluded",
)


def list_cohort(stage: "Stage") -> None:
    """List the archive that `params.cohort` names.

    Raises:
        InputError: no archive, an unreadable or contradictory file, a chosen image without
            geometry, a PatientID that is no file name, or no patient that can be used.
    """
    import pandas as pd

    cohort = stage.params["cohort"]
    found = open_archive(stage.params).series(lambda paths: stage.progress(paths, desc="headers"))
    found = _wanted(found, cohort["patients"])
    rows, patients = [], []
    for patient, own in _by_patient(found).items():
        phases, reason = choose_phases(_candidate(one) for one in own if one.first.modality == "MR")
        rows += [_series_row(one, phases, cohort) for one in own]
        reason = reason or _geometry_fault(own, phases, cohort)
        patients.append(_patient_row(patient, own, phases, reason))
    series = pd.DataFrame(rows, columns=list(SERIES_COLUMNS))
    series = series.sort_values(["patient", "series_number", "series_uid"], ignore_index=True)
    table = pd.DataFrame(patients, columns=list(PATIENT_COLUMNS)).astype(str)
    table = _with_clinical(stage, table.sort_values("patient", ignore_index=True))
    excluded = table[table["excluded"] != ""]
    stage.log(f"{len(table)} patients, {len(series)} series, {len(excluded)} excluded")
    if len(excluded) == len(table):
        reason = excluded["excluded"].iloc[0]
        raise InputError(f"{cohort['archive']}: no usable patient ({reason}); check cohort.archive")
    write_csv(stage.output(SERIES), series)
    write_csv(stage.output(PATIENTS), table)


def _wanted(found: list[Series], patients: Sequence[str]) -> list[Series]:
    """The series of the asked patients, image and segmentation series only."""
    for one in found:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", one.first.patient):
            raise InputError(
                f"{one.first.path}: PatientID is no plain name; use letters, digits, '.', '_', '-'"
            )
        for uid in (one.first.study_uid, one.first.series_uid, *(h.sop_uid for h in one.headers)):
            if not re.fullmatch(r"[0-9.]{1,64}", uid):
                raise InputError(
                    f"{one.first.path}: a UID is not digits and dots; correct the file"
                )
    missing = sorted(set(patients) - {one.first.patient for one in found})
    if missing:
        raise InputError(f"params.yaml: cohort.patients names {missing[0]!r}, not in the archive")
    return [
        one
        for one in found
        if one.first.modality in ("MR", "SEG") and (not patients or one.first.patient in patients)
    ]


def _by_patient(found: list[Series]) -> dict[str, list[Series]]:
    grouped: dict[str, list[Series]] = {}
    for one in found:
        grouped.setdefault(one.first.patient, []).append(one)
    return dict(sorted(grouped.items()))


def _candidate(one: Series) -> Candidate:
    first = one.first
    return Candidate(first.series_uid, first.description, first.series_number, len(one.headers))


def _series_row(one: Series, phases: Mapping[str, str], cohort: Mapping[str, Any]) -> list[Any]:
    first = one.first
    phase = "mask" if first.modality == "SEG" else phases.get(first.series_uid, "")
    return [
        first.patient,
        first.study_uid,
        first.series_uid,
        first.modality,
        phase,
        first.description,
        first.series_number,
        len(one.headers),
        one.bytes,
        first.manufacturer,
        cohort["source"],
        cohort["licence"],
        cohort["doi"],
    ]


def _geometry_fault(own: list[Series], phases: Mapping[str, str], cohort: Mapping[str, Any]) -> str:
    """Why a series that will be used is no regular volume, "" if all are."""
    for one in own:
        if phases.get(one.first.series_uid) not in cohort["phases"]:
            continue
        planes = [header.plane for header in one.headers if header.plane is not None]
        tolerance = float(cohort["spacing_tolerance"])
        try:
            if len(planes) < len(one.headers):  # says which file lacks which tag
                read_grid([Path(header.path) for header in one.headers], tolerance)
            check_planes(planes, tolerance)
        except SeriesError as error:
            return f"{phases[one.first.series_uid]}: {error}"
    return ""


def _patient_row(
    patient: str, own: list[Series], phases: Mapping[str, str], reason: str
) -> list[str]:
    """A patient's row; the scanner's facts come from her first post-contrast series."""
    images = [one.first for one in own if one.first.modality == "MR"]
    chosen = [first for first in images if phases.get(first.series_uid) == "post1"] + images
    if not chosen:
        return [patient, "", "", "", "", "", reason]
    first = chosen[0]
    position = first.patient_position if first.patient_position in ("FFP", "HFP") else ""
    return [patient, first.manufacturer, first.tesla, position, "", "", reason]


def _with_clinical(stage: "Stage", table: "pd.DataFrame") -> "pd.DataFrame":
    """Add what the clinical workbook knows, where there is one."""
    path = stage.params["cohort"]["clinical"]
    if path == NONE:
        return table
    clinical = read_clinical(stage.input(path)).set_index("patient")
    for name in ("tumour_location", "multifocal"):
        table[name] = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
    for name in ("field_strength_t", "position"):
        known = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
        table[name] = table[name].where(table[name] != "", known)
    return table
