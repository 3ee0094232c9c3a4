"""A patient's visits: images of one study and one frame of reference, which alone may be combined."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from textbcs.archives.archive import Series
from textbcs.base.io import InputError
from textbcs.cohort.phases import MISSING

# What chooses phases among series: {series UID: phase}, and why the patient has to be excluded.
Chooser = Callable[[Sequence[Series]], tuple[dict[str, str], str]]
_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Visit:
    """A patient's MR series that share a study and a frame of reference.

    Attributes:
        study_uid: StudyInstanceUID.
        frame_of_reference: its UID; "" where no series of the study states one.
        series: in the order of the archive.
    """

    study_uid: str
    frame_of_reference: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Choice:
    """What is taken of a patient.

    Attributes:
        phases: {series UID: phase}.
        reason: why the patient has to be excluded, "" if not.
        visit: the visit that was taken; None where there is none to tell from others.
    """

    phases: dict[str, str]
    reason: str
    visit: Visit | None = None


def visits_of(images: Iterable[Series]) -> list[Visit]:
    """A patient's MR series as visits.

    A series that states no frame of reference belongs to the only one of its study, if there is one.
    """
    images = list(images)
    frames: dict[str, set[str]] = {}
    for one in images:
        frames.setdefault(one.first.study_uid, set()).add(one.first.frame_of_reference)
    grouped: dict[tuple[str, str], list[Series]] = {}
    for one in images:
        study, frame = one.first.study_uid, one.first.frame_of_reference
        stated = frames[study] - {""}
        if not frame and len(stated) == 1:
            frame = next(iter(stated))
        grouped.setdefault((study, frame), []).append(one)
    return [Visit(study, frame, tuple(found)) for (study, frame), found in grouped.items()]


def choose_visit(patient: str, images: Sequence[Series], rule: str, choose: Chooser) -> Choice:
    """Choose the phases of one visit.

    Visits in which a phase is missing do not count. Studies follow each other by StudyDate, then
    StudyTime; frames of reference of one study by their lowest SeriesNumber, then by their UID.

    Args:
        patient: for messages.
        images: her MR series.
        rule: `first` or `last` of the visits that have all phases, or `error` where there are
            several.
        choose: chooses phases within a visit.

    Raises:
        InputError: there are several and the rule is `error`.
    """
    visits = visits_of(images)
    if len(visits) <= 1:
        return Choice(*choose(images), *visits)
    found = [(visit, *choose(visit.series)) for visit in visits]
    complete = [(visit, phases) for visit, phases, reason in found if not reason]
    if not complete:
        return _no_visit(found, choose(images))
    if len(complete) == 1:
        visit, phases = complete[0]
        return Choice(phases, "", visit)
    if rule == "error":
        raise InputError(
            f"params.yaml: cohort.visit = 'error': patient {patient} has {len(complete)} visits with "
            "all phases; use first or last, exclude the patient, or name the series in cohort.series"
        )
    if _unordered([visit for visit, _ in complete]):
        return Choice(
            choose(images)[0],
            "several visits without a StudyDate that orders them; name the series in cohort.series",
        )
    complete.sort(key=lambda one: _order(one[0]))
    visit, phases = complete[0 if rule == "first" else -1]
    return Choice(phases, "", visit)


def visit_of(phases: dict[str, str], images: Iterable[Series]) -> Visit | None:
    """The visit of the first post-contrast series, where a person chose the series."""
    for visit in visits_of(images):
        if any(phases.get(one.first.series_uid) == "post1" for one in visit.series):
            return visit
    return None


def of_another_visit(one: Series, chosen: Visit | None, images: Iterable[Series]) -> bool:
    """Whether a segmentation belongs to a visit that was not taken.

    Its frame of reference and study say so, or its frame of reference alone, or, where no image
    shares that, its study. One that belongs to no visit stays: the masks say what is wrong with it.
    """
    if chosen is None:
        return False
    visits = visits_of(images)
    frame, study = one.first.frame_of_reference, one.first.study_uid
    same_frame = [visit for visit in visits if frame and visit.frame_of_reference == frame]
    same_study = [visit for visit in visits if visit.study_uid == study]
    both = [visit for visit in same_frame if visit in same_study]
    found = both or same_frame or same_study
    return bool(found) and chosen not in found


def _no_visit(
    found: Sequence[tuple[Visit, dict[str, str], str]], together: tuple[dict[str, str], str]
) -> Choice:
    """Why no visit can be used: its own fault, a phase that is nowhere, or phases that lie apart."""
    for visit, phases, reason in found:
        if not reason.startswith(MISSING):
            return Choice(phases, reason, visit)
    phases, reason = together
    if reason.startswith(MISSING):
        return Choice(phases, reason)
    studies = {
        visit.study_uid
        for visit, _, _ in found
        if any(one.first.series_uid in phases for one in visit.series)
    }
    if len(studies) > 1:
        return Choice(phases, "phases lie in different studies: none has all of them")
    return Choice(
        phases, "phases lie in different frames of reference: the patient moved between them"
    )


def _unordered(visits: Sequence[Visit]) -> bool:
    """Whether the order of visits of different studies is unknown."""
    studies: dict[str, tuple[str, str]] = {visit.study_uid: _when(visit) for visit in visits}
    if len(studies) < 2:
        return False
    times = list(studies.values())
    by_day: dict[str, list[str]] = {}
    for day, time in times:
        by_day.setdefault(day, []).append(time)
    return "" in by_day or any(
        len(found) > 1 and ("" in found or len(set(found)) < len(found))
        for found in by_day.values()
    )


def _when(visit: Visit) -> tuple[str, str]:
    """The day and time of a visit's study as texts that sort; "" where unknown."""
    for one in visit.series:
        if one.visit:  # a session's name, whose numbers count as numbers: 2 before 10
            parts = _NUMBERS.split(one.visit.casefold())
            return "".join(part.zfill(12) if part.isdigit() else part for part in parts), ""
        day = re.sub(r"\D", "", one.first.study_date)
        if len(day) == 8:
            return day, one.first.study_time.strip().replace(":", "")
    return "", ""


def _order(visit: Visit) -> tuple[tuple[str, str], int, str]:
    """By time; within a study by the lowest SeriesNumber, then by UID."""
    number = min(one.first.series_number for one in visit.series)
    return _when(visit), number, visit.frame_of_reference
