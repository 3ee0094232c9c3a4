"""The series and patients of an archive: phases chosen, exclusions with their reasons."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Series, open_archive
from textbcs.archives.incoming import PATIENT, UID
from textbcs.base.io import InputError
from textbcs.cohort.phases import Candidate, choose_described, choose_phases
from textbcs.imaging.dicom import read_grid
from textbcs.imaging.planes import SeriesError, check_planes

if TYPE_CHECKING:
    import pandas as pd


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


def list_tables(
    params: Mapping[str, Any], progress: Callable[[Iterable[Path]], Iterable[Path]]
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The tables of series and patients, as far as the archive itself knows them.

    Args:
        params: section `cohort`, and what the archive's back end needs.
        progress: wraps the files whose headers are read, if any are.

    Raises:
        InputError: as `list_cohort`.
    """
    import pandas as pd

    cohort = params["cohort"]
    found = _wanted(open_archive(params).series(progress), cohort["patients"])
    rows, patients = [], []
    for patient, own in _by_patient(found).items():
        phases, reason = _phases(own, cohort)
        rows += [_series_row(one, phases, cohort) for one in own]
        reason = reason or _geometry_fault(own, phases, cohort)
        patients.append(_patient_row(patient, own, phases, reason))
    series = pd.DataFrame(rows, columns=list(SERIES_COLUMNS))
    series = series.sort_values(["patient", "series_number", "series_uid"], ignore_index=True)
    table = pd.DataFrame(patients, columns=list(PATIENT_COLUMNS)).astype(str)
    return series, table.sort_values("patient", ignore_index=True)


def _wanted(found: list[Series], patients: Sequence[str]) -> list[Series]:
    """The series of the asked patients, image and segmentation series only."""
    for one in found:
        if not PATIENT.fullmatch(one.first.patient):
            raise InputError(
                f"{one.first.path}: PatientID is no plain name; use letters, digits, '.', '_', '-'"
            )
        for uid in (one.first.study_uid, one.first.series_uid, *(h.sop_uid for h in one.headers)):
            if not UID.fullmatch(uid):
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
    """Series by patient, patients in order."""
    grouped: dict[str, list[Series]] = {}
    for one in found:
        grouped.setdefault(one.first.patient, []).append(one)
    return dict(sorted(grouped.items()))


def _phases(own: list[Series], cohort: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """The phases of a patient's series, and why she has to be excluded ("" if not)."""
    images = [_candidate(one) for one in own if one.first.modality == "MR"]
    if "descriptions" in cohort:
        return choose_described(images, cohort["descriptions"])
    return choose_phases(images)


def _candidate(one: Series) -> Candidate:
    """A series as the choice of phases sees it."""
    first = one.first
    return Candidate(first.series_uid, first.description, first.series_number, one.instances)


def _series_row(one: Series, phases: Mapping[str, str], cohort: Mapping[str, Any]) -> list[Any]:
    """A row of series.csv."""
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
        one.instances,
        one.bytes,
        first.manufacturer,
        cohort["source"],
        one.licence or cohort["licence"],
        one.doi or cohort["doi"],
    ]


def _geometry_fault(own: list[Series], phases: Mapping[str, str], cohort: Mapping[str, Any]) -> str:
    """Why a series that will be used is no regular volume, "" if all are or no file is here yet."""
    for one in own:
        if not one.headers or phases.get(one.first.series_uid) not in cohort["phases"]:
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
