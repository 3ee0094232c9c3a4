"""The series and patients of an archive: phases chosen, exclusions with their reasons."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Series, open_archive
from textbcs.base.io import NONE, InputError
from textbcs.cohort.exclusions import (
    USED,
    has_images,
    identity_fault,
    other_modality,
    twins,
    volume_fault,
)
from textbcs.cohort.phases import Candidate, choose_described, choose_phases, matches
from textbcs.cohort.series_choice import ChosenSeries
from textbcs.cohort.visits import Choice, choose_visit, of_another_visit, visit_of
from textbcs.intake.spelling import hint

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
    "age_years",
    "menopause",
    "density",
    "excluded",
)


@dataclass(frozen=True)
class Listing:
    """What an archive holds and what is taken of it.

    Attributes:
        series: the rows of series.csv.
        patients: the rows of patients.csv, without what the clinical workbook knows.
        left_out: series UID -> why the series is not used. Segmentations count as used; which of
            them are read is said by `masks.sources`.
    """

    series: "pd.DataFrame"
    patients: "pd.DataFrame"
    left_out: Mapping[str, str]


def list_tables(
    params: Mapping[str, Any], progress: Callable[[Iterable[Path]], Iterable[Path]]
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The tables of series and patients of `list_cohort`."""
    listing = list_cohort(params, progress)
    return listing.series, listing.patients


def list_cohort(
    params: Mapping[str, Any], progress: Callable[[Iterable[Path]], Iterable[Path]]
) -> Listing:
    """The series and patients of an archive, as far as the archive itself knows them.

    Args:
        params: section `cohort`, and what the archive's back end needs.
        progress: wraps the files whose headers are read, if any are.

    Raises:
        InputError: the archive cannot be listed; `cohort.patients`, `cohort.exclude` or the table
            `cohort.series` names a patient or a series that is not there; or a patient has several
            visits and `cohort.visit` is `error`.
    """
    return choose_cohort(open_archive(params).series(progress), params["cohort"])


def choose_cohort(found: Sequence[Series], cohort: Mapping[str, Any]) -> Listing:
    """Choose the series of each phase and the patients who take part.

    Args:
        found: all series of the archive.
        cohort: section `cohort`.

    Raises:
        InputError: as `list_cohort`.
    """
    import pandas as pd

    table = None if cohort["series"] == NONE else ChosenSeries(Path(cohort["series"]))
    known = {one.first.patient for one in found}
    _check_names(known, cohort)
    if table:
        table.check_patients(known, cohort["patients"])
    wanted = _by_patient(found, cohort["patients"])
    alike = twins(set(wanted) - set(cohort["exclude"]))
    rows: list[list[Any]] = []
    patients: list[list[str]] = []
    left_out = {
        one.first.series_uid: "the patient is not in cohort.patients"
        for one in found
        if one.first.patient not in wanted
    }
    for patient, own in wanted.items():
        usable = [one for one in own if one.first.modality in USED]
        if not has_images(own):
            left_out |= _left_out(own, {}, Choice({}, ""), "", cohort)
            continue
        reason = identity_fault(patient, usable, alike, cohort)
        choice = Choice({}, reason) if reason else _choice(patient, own, cohort, table)
        reason = choice.reason or volume_fault(usable, choice.phases, cohort)
        phases = _with_masks(usable, choice)
        rows += [_series_row(one, phases, cohort) for one in usable]
        patients.append(_patient_row(patient, usable, phases, reason))
        left_out |= _left_out(own, phases, choice, reason, cohort)
    series = pd.DataFrame(rows, columns=list(SERIES_COLUMNS))
    series = series.sort_values(["patient", "series_number", "series_uid"], ignore_index=True)
    people = pd.DataFrame(patients, columns=list(PATIENT_COLUMNS)).astype(str)
    return Listing(series, people.sort_values("patient", ignore_index=True), left_out)


def _check_names(known: set[str], cohort: Mapping[str, Any]) -> None:
    """InputError where a parameter names a patient whom the archive does not have."""
    for key in ("patients", "exclude"):
        missing = sorted(set(cohort[key]) - known)
        if missing:
            words = hint(missing[0], known)
            raise InputError(
                f"params.yaml: cohort.{key} names {missing[0]!r}, not in the archive"
                + (f"; {words}" if words else "")
            )


def _by_patient(found: Iterable[Series], patients: Sequence[str]) -> dict[str, list[Series]]:
    """Series of the asked patients (none means all), patients in order."""
    grouped: dict[str, list[Series]] = {}
    for one in found:
        if not patients or one.first.patient in patients:
            grouped.setdefault(one.first.patient, []).append(one)
    return dict(sorted(grouped.items()))


def _choice(
    patient: str, own: Sequence[Series], cohort: Mapping[str, Any], table: ChosenSeries | None
) -> Choice:
    """The phases that are taken of a patient, of which visit, or why she has to be excluded."""
    images = [one for one in own if one.first.modality == "MR"]
    if table:
        phases, reason = table.choose(patient, own, cohort["phases"])
        return Choice(phases, reason, visit_of(phases, images))

    def choose(images: Sequence[Series]) -> tuple[dict[str, str], str]:
        """Phases by the names that `cohort.descriptions` gives them, or by those of Duke."""
        candidates = [_candidate(one) for one in images]
        if "descriptions" in cohort:
            return choose_described(candidates, cohort["descriptions"])
        return choose_phases(candidates)

    choice = choose_visit(patient, images, cohort["visit"], choose)
    if choice.reason and (other := other_modality(own, choice.phases, cohort)):
        return Choice(choice.phases, other)
    return choice


def _candidate(one: Series) -> Candidate:
    """A series as the choice of phases sees it."""
    first = one.first
    return Candidate(first.series_uid, first.description, first.series_number, one.instances)


def _series_row(one: Series, phases: Mapping[str, str], cohort: Mapping[str, Any]) -> list[Any]:
    """A row of series.csv."""
    first = one.first
    return [
        first.patient,
        first.study_uid,
        first.series_uid,
        first.modality,
        phases.get(first.series_uid, ""),
        first.description,
        first.series_number,
        one.instances,
        one.bytes,
        first.manufacturer,
        cohort["source"],
        one.licence or cohort["licence"],
        one.doi or cohort["doi"],
    ]


def _with_masks(usable: Sequence[Series], choice: Choice) -> dict[str, str]:
    """The chosen phases, and `mask` for the segmentations that belong to their visit."""
    images = [one for one in usable if one.first.modality == "MR"]
    masks = {
        one.first.series_uid: "mask"
        for one in usable
        if one.first.modality == "SEG"
        and not one.fault
        and not of_another_visit(one, choice.visit, images)
    }
    return {**choice.phases, **masks}


def _left_out(
    own: Sequence[Series],
    phases: Mapping[str, str],
    choice: Choice,
    reason: str,
    cohort: Mapping[str, Any],
) -> dict[str, str]:
    """Why each series of a patient that is not used is not."""
    descriptions = cohort.get("descriptions", {}) if cohort["series"] == NONE else {}
    visit = choice.visit
    taken = {one.first.series_uid for one in visit.series} if visit else set()
    found: dict[str, str] = {}
    for one in own:
        first, phase = one.first, phases.get(one.first.series_uid, "")
        if first.modality not in USED:
            found[first.series_uid] = f"modality {first.modality}: only MR and SEG are read"
        elif reason:
            found[first.series_uid] = f"the patient is excluded: {reason}"
        elif phase == "mask" or phase in cohort["phases"]:
            continue
        elif phase:
            found[first.series_uid] = f"{phase} is not in cohort.phases"
        elif first.modality == "SEG" and one.fault:
            found[first.series_uid] = one.fault
        elif first.modality == "SEG" or (visit and first.series_uid not in taken):
            found[first.series_uid] = "of another visit than the one that is taken"
        elif same := matches(first.description, descriptions):
            found[first.series_uid] = (
                f"{same[0]} is another series, with a lower SeriesNumber or UID"
            )
        else:
            found[first.series_uid] = "is no phase of the study"
    return found


def _patient_row(
    patient: str, own: list[Series], phases: Mapping[str, str], reason: str
) -> list[str]:
    """A patient's row; the scanner's facts come from her first post-contrast series."""
    images = [one.first for one in own if one.first.modality == "MR"]
    chosen = [first for first in images if phases.get(first.series_uid) == "post1"] + images
    if not chosen:
        return [patient, *[""] * 8, reason]
    first = chosen[0]
    position = first.patient_position if first.patient_position in ("FFP", "HFP") else ""
    return [patient, first.manufacturer, first.tesla, position, *[""] * 5, reason]
