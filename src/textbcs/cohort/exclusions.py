"""Why a patient cannot take part: her name, her images' modality, or a series that is no volume."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textbcs.archives.archive import Series
from textbcs.archives.incoming import PATIENT, UID
from textbcs.base.io import InputError
from textbcs.cohort.phases import matches
from textbcs.imaging.dicom import series_fault
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_grid
from textbcs.intake.series_uids import part_number, whole_uid

# Image series, and series of segmentations.
USED = ("MR", "SEG")
PLAIN_NAME = "use letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
# What holds no images: who has nothing else is no patient of a cohort.
_DOCUMENTS = frozenset(
    {"SR", "PR", "KO", "DOC", "REG", "FID", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "AU", "ECG"}
)


def has_images(own: Iterable[Series]) -> bool:
    """Whether a patient's series are more than reports and other documents."""
    return any(one.first.modality not in _DOCUMENTS for one in own)


def twins(known: Iterable[str]) -> dict[str, list[str]]:
    """Names of patients that differ in case only, each with all that are alike."""
    alike: dict[str, list[str]] = {}
    for patient in sorted(known):
        alike.setdefault(patient.casefold(), []).append(patient)
    return {name: names for names in alike.values() if len(names) > 1 for name in names}


def identity_fault(
    patient: str,
    usable: Sequence[Series],
    alike: Mapping[str, list[str]],
    cohort: Mapping[str, Any],
) -> str:
    """Why a patient cannot take part whatever her images show, "" if she can."""
    if patient in cohort["exclude"]:
        return "excluded by cohort.exclude"
    if not PATIENT.fullmatch(patient):
        return f"PatientID is no plain name: {PLAIN_NAME}"
    if patient in alike:
        return f"names of patients that differ in case only: {', '.join(alike[patient])}"
    for one in usable:
        uids = (one.first.study_uid, whole_uid(one.first.series_uid))
        if not all(UID.fullmatch(uid) for uid in (*uids, *(h.sop_uid for h in one.headers))):
            return "a UID is not digits and dots"
    return ""


def other_modality(
    own: Sequence[Series], phases: Mapping[str, str], cohort: Mapping[str, Any]
) -> str:
    """Why images that were meant are not used: that they are no MR; "" if none are."""
    others = [one.first for one in own if one.first.modality not in USED]
    for phase in sorted(set(cohort.get("descriptions", {})) - set(phases.values())):
        for first in others:
            if phase in matches(first.description, cohort["descriptions"]):
                return f"{phase}: modality {first.modality}: only MR is read as images"
    if others and len(others) == len(own):
        return f"modality {', '.join(sorted({first.modality for first in others}))}: no MR series"
    return ""


def volume_fault(
    usable: Sequence[Series], phases: Mapping[str, str], cohort: Mapping[str, Any]
) -> str:
    """Why a series that will be used is no regular volume, "" if all are or no file is here yet."""
    for one in usable:
        phase = phases.get(one.first.series_uid, "")
        if phase not in cohort["phases"]:
            continue
        fault = one.fault or _geometry_fault(one, cohort)
        if fault:
            return f"{phase}: {fault}"
    return ""


def _geometry_fault(one: Series, cohort: Mapping[str, Any]) -> str:
    """Why a series is no regular volume, "" if it is one or its files are not here.

    A volume of kind `nifti` is read whole: damage shows at its end at the earliest.
    """
    tolerance = float(cohort["spacing_tolerance"])
    if one.headers:
        # The first header speaks for the series: where others say otherwise, none can be believed.
        for name, several in (("study_uid", "studies"), ("modality", "modalities")):
            if len({getattr(header, name) for header in one.headers}) > 1:
                return f"files of several {several} in one series"
        return series_fault(one.headers, tolerance)
    if cohort["kind"] != "nifti":
        return ""
    path = Path(one.first.path)
    try:
        read_grid([path], tolerance, part_number(one.first.series_uid))
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    except SeriesError as error:
        return str(error)
    return ""
