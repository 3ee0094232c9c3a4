"""The phases of a study in a DICOM folder of any layout, or in one DICOM file of many frames.

Series are grouped, checked and named by the rules by which a cohort is made. Where no name says a phase, the
phases of one dynamic series are taken by time. One line says why a folder cannot be used; PatientIDs stand
in none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from textbcs.archives.archive import Series
from textbcs.archives.dicom_index import DicomIndex, index_folder
from textbcs.archives.dynamic_series import split_phases
from textbcs.base.io import InputError
from textbcs.cohort.exclusions import volume_fault
from textbcs.cohort.phases import Candidate, choose_described, choose_phases
from textbcs.cohort.visits import choose_visit
from textbcs.imaging.dicom import Header, read_header_or_reason
from textbcs.intake.counting import most_frequent
from textbcs.intake.series_uids import part_number, whole_uid
from textbcs.intake.spelling import hint, plain, short
from textbcs.study.study_files import (
    DICOM,
    PRE,
    PhaseFiles,
    StudyFiles,
    Wish,
    missing_phase,
    needed_phases,
)

Progress = Callable[[Iterable[Path]], Iterable[Path]]
_MOST_NAMED = 6
_DISORDER = "phases do not follow SeriesNumber"
_BY_TIME = "no name of a series says its phase; the phases of one dynamic series are taken by time"


def index_of(path: Path, progress: Progress) -> DicomIndex:
    """The DICOM files of a folder, or a single one, by series."""
    if path.is_dir():
        return index_folder(path, progress)
    header = read_header_or_reason(path)
    if isinstance(header, str):
        return DicomIndex(unused=[(path, header)])
    parts = split_phases({header.series_uid: [header]})
    return DicomIndex({(header.patient, uid): own for uid, own in parts.items()})


def find_dicom(
    path: Path,
    index: DicomIndex,
    wish: Wish,
) -> StudyFiles:
    """Choose the phases of a study.

    Args:
        path: as the user wrote it, for messages.
        index: its files by series.
        wish: which image is wanted; series are named by their UID.

    Raises:
        InputError: no DICOM, no MR series, several studies or patients, no series of a phase that is
            needed, or one that is no regular axial volume.
    """
    found = [_series(own, index.fault(uid)) for (_, uid), own in sorted(index.series.items())]
    images = [one for one in found if one.first.modality == "MR"]
    _require_images(path, index, found, images)
    images = _one_study(path, images, wish.study_uid)
    phases, warnings = _phases(path, images, found, wish)
    if reason := missing_phase(phases, wish.shown):
        raise InputError(f"{path}: {reason}; {_choose(images)}")
    cohort = {
        "kind": "folder",
        "phases": needed_phases(wish.shown),
        "spacing_tolerance": wish.tolerance,
    }
    if fault := volume_fault(images, phases_by_uid(phases), cohort):
        raise InputError(
            f"{path}: {fault}; copy the study again, or choose another series with --series"
        )
    own = {
        phase: _files(phase, one, wish.tolerance) for phase, one in phases.items() if not one.fault
    }
    return StudyFiles(path, DICOM, wish.shown, own, tuple(warnings))


def phases_by_uid(phases: Mapping[str, Series]) -> dict[str, str]:
    """{series UID: phase}, as the cohort's rules hold them."""
    return {one.first.series_uid: phase for phase, one in phases.items()}


def _series(headers: Sequence[Header], fault: str) -> Series:
    size = sum(header.size for header in headers)
    return Series(headers[0], len(headers), size, tuple(headers), fault=fault)


def _files(phase: str, one: Series, tolerance: float) -> PhaseFiles:
    uid = one.first.series_uid
    paths = tuple(Path(header.path) for header in one.headers)
    return PhaseFiles(phase, uid, paths, tolerance, part_number(uid), one.first)


def _require_images(
    path: Path, index: DicomIndex, found: Sequence[Series], images: Sequence[Series]
) -> None:
    """InputError where there is no MR series: it says what there is instead."""
    if not found:
        counts = Counter(reason.partition(" (")[0] for _, reason in index.unused)
        inside = f" ({most_frequent(counts)})" if counts else ", it is empty"
        raise InputError(f"{path}: holds no DICOM file{inside}; name the folder of one MR study")
    if not images:
        kinds = ", ".join(sorted({plain(one.first.modality, 16) for one in found}))
        raise InputError(f"{path}: modality {kinds}: no MR series; name the folder of one MR study")


def _one_study(path: Path, images: Sequence[Series], study_uid: str) -> list[Series]:
    """The MR series of the one study, or of the one that the user names."""
    studies = sorted({one.first.study_uid for one in images})
    if study_uid and study_uid not in studies:
        words = hint(study_uid, studies) or f"there are {_listed(studies)}"
        raise InputError(f"{path}: has no MR study {short(study_uid, 70)}; {words}")
    own = [one for one in images if not study_uid or one.first.study_uid == study_uid]
    people = len({one.first.patient for one in own})
    whose = f" of {people} patients" if people > 1 else ""
    if len({one.first.study_uid for one in own}) > 1:
        raise InputError(
            f"{path}: holds {len(studies)} studies{whose}; choose one with --study UID: "
            f"{_listed(studies)}"
        )
    if people > 1:
        raise InputError(
            f"{path}: the files of one study have {people} PatientIDs; keep those of one patient"
        )
    return own


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _choose(images: Sequence[Series]) -> str:
    """How to name a series, and which there are."""
    ordered = sorted(images, key=lambda one: (one.first.series_number, one.first.series_uid))
    told = [f"{short(one.first.description)} {one.first.series_uid}" for one in ordered]
    return f"name it with --series UID; there are {_listed(told)}"


def _phases(
    path: Path,
    images: Sequence[Series],
    found: Sequence[Series],
    wish: Wish,
) -> tuple[dict[str, Series], list[str]]:
    """The series of each phase, by the user's words first, and what to warn of."""
    wished = {phase: _wished(path, images, found, name) for phase, name in wish.series.items()}
    if not missing_phase(wished, wish.shown):
        return wished, []
    warnings: list[str] = []

    def choose(some: Sequence[Series]) -> tuple[dict[str, str], str]:
        return _named(some, wished, wish)

    try:
        choice = choose_visit("", list(images), "error", choose)
    except InputError as error:
        raise InputError(
            f"{path}: several visits have all phases (frames of reference differ); {_choose(images)}"
        ) from error
    named = choice.phases
    if choice.reason:
        by_time = _by_time(images)
        if missing_phase({**dict.fromkeys(by_time.values()), **wished}, wish.shown):
            raise InputError(f"{path}: {choice.reason}; {_choose(images)}")
        named = by_time
        warnings.append(_BY_TIME)
    of_uid = {one.first.series_uid: one for one in images}
    chosen = {phase: of_uid[uid] for uid, phase in named.items()}
    return {**chosen, **wished}, warnings


def _named(
    images: Sequence[Series], wished: Mapping[str, Series], wish: Wish
) -> tuple[dict[str, str], str]:
    """Phases by the names of series, and why they are not enough for the image that is shown."""
    candidates = [
        Candidate(
            one.first.series_uid, one.first.description, one.first.series_number, one.instances
        )
        for one in images
    ]
    if wish.descriptions:
        phases, _ = choose_described(candidates, wish.descriptions)
        reason = ""
    else:
        phases, reason = choose_phases(candidates)
    missing = missing_phase({**dict.fromkeys(phases.values()), **wished}, wish.shown)
    # A dynamic study may lack what is not shown, but not be out of order: then a name lies.
    return phases, missing or (reason if reason == _DISORDER else "")


def _by_time(images: Sequence[Series]) -> dict[str, str]:
    """{series UID: phase} of the one series that holds several phases; none where several do, or none."""
    parts: dict[str, list[tuple[int, str]]] = {}
    for one in images:
        uid = one.first.series_uid
        if part_number(uid):
            parts.setdefault(whole_uid(uid), []).append((part_number(uid), uid))
    if len(parts) != 1:
        return {}
    (own,) = parts.values()
    names = [PRE, *(f"post{number}" for number in range(1, 10))]
    return {uid: name for (_, uid), name in zip(sorted(own), names, strict=False)}


def _wished(path: Path, images: Sequence[Series], found: Sequence[Series], name: str) -> Series:
    """The series that the user names."""
    for one in images:
        if one.first.series_uid == name:
            return one
    others = [one for one in found if one.first.series_uid == name]
    if others:
        kind = plain(others[0].first.modality, 16)
        where = "" if kind != "MR" else " of another study"
        raise InputError(
            f"{path}: --series: {name} is a series{where} of modality {kind}; name an MR series of "
            "the study"
        )
    words = hint(name, [one.first.series_uid for one in images])
    raise InputError(f"{path}: --series: no series {short(name, 70)}; {words or _choose(images)}")
