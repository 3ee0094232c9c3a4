"""The phases of a study in NIfTI or NRRD: one file with one or more volumes, or a folder of such files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.cohort.phases import matches
from textbcs.imaging import volume_files
from textbcs.intake.folder_walk import is_hidden
from textbcs.intake.spelling import hint, short
from textbcs.study.study_files import (
    PRE,
    VOLUME_FILE,
    PhaseFiles,
    StudyFiles,
    Wish,
    missing_phase,
    needed_phases,
)

# A phase at the end of a file's name: `_post1`, or `_0001` as MAMA-MIA counts them, `_0000` before contrast.
_NAMED = re.compile(
    r"(?:^|.*[^a-z0-9])(?:(?P<word>pre|post[1-9])|0{3}(?P<number>\d))", re.IGNORECASE
)
_MOST_NAMED = 6


def find_file(path: Path, wish: Wish) -> StudyFiles:
    """The phases of one file.

    A file of several volumes holds the phases by time, the first before contrast; `--series` may say
    otherwise, by the number of the volume.

    Args:
        path: a NIfTI or NRRD file.
        wish: which image is wanted; volumes are named by their number in the file, from 1.

    Raises:
        InputError: a damaged file, or one without a phase that is needed.
    """
    count, shown = volume_files.phases(path), wish.shown
    chosen = {phase: _number(path, name, count) for phase, name in wish.series.items()}
    warnings = []
    if missing_phase(chosen, shown):
        if count == 1 and len(needed_phases(shown)) == 1:
            chosen = {needed_phases(shown)[0]: 1, **chosen}
            warnings.append(f"the file says no phase; it is taken for {needed_phases(shown)[0]}")
        elif count > 1:
            by_time = [PRE, *(f"post{number}" for number in range(1, count))]
            chosen = {name: n for n, name in enumerate(by_time, 1)} | chosen
            warnings.append(
                f"the file says no phases; its {count} volumes are taken by time, the first for pre"
            )
    if reason := missing_phase(chosen, shown):
        raise InputError(
            f"{path}: {reason}; the network is shown {shown}, so the file must hold all of its phases, "
            "or a folder a file of each"
        )
    part = 0 if count == 1 else 1
    phases = {
        phase: PhaseFiles(phase, str(number), (path,), wish.tolerance, number * part)
        for phase, number in chosen.items()
    }
    return StudyFiles(path, VOLUME_FILE, shown, phases, tuple(warnings))


def _number(path: Path, name: str, count: int) -> int:
    """The number of a volume as the user wrote it."""
    if not (name.isascii() and name.isdigit()) or not 1 <= int(name) <= count:
        raise InputError(
            f"{path}: --series {short(name)}: the number of a volume in the file is wanted, from 1 to {count}"
        )
    return int(name)


def volume_paths(folder: Path) -> list[Path]:
    """The NIfTI and NRRD files directly in a folder, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and volume_files.stem(path) is not None and not is_hidden(path, folder)
    )


def find_in_folder(
    folder: Path,
    files: Sequence[Path],
    wish: Wish,
) -> StudyFiles:
    """The phases of a folder in which each file is a phase; a single file is taken as `find_file` does.

    Args:
        folder: as the user wrote it.
        files: as `volume_paths` gives them.
        wish: which image is wanted; series are named by their file. Without `descriptions`, which are
            sought in the file's name, a name ends in its phase (`_post1`, or `_0001` as MAMA-MIA counts).

    Raises:
        InputError: no file of a phase that is needed, or several.
    """
    if len(files) == 1 and not wish.series:
        return find_file(files[0], wish)
    shown = wish.shown
    found: dict[str, list[Path]] = {}
    for path in files:
        for phase in _phases_of(str(volume_files.stem(path)), wish.descriptions):
            found.setdefault(phase, []).append(path)
    for phase, name in wish.series.items():
        found[phase] = [_wished(folder, files, name)]
    names = ", ".join(short(path.name) for path in files[:_MOST_NAMED])
    if reason := missing_phase(found, shown):
        raise InputError(
            f"{folder}: {reason}; name its file with --series PHASE=FILE; there are {names}"
        )
    for phase in needed_phases(shown):
        if len(found[phase]) > 1:
            first, second = found[phase][:2]
            raise InputError(
                f"{folder}: {first.name} and {second.name} are both {phase}; name one with --series "
                "PHASE=FILE"
            )
    phases = {
        phase: PhaseFiles(phase, own[0].name, (own[0],), wish.tolerance)
        for phase, own in sorted(found.items())
        if len(own) == 1
    }
    return StudyFiles(folder, VOLUME_FILE, shown, phases)


def _phases_of(stem: str, descriptions: Mapping[str, str] | None) -> list[str]:
    if descriptions:
        return matches(stem, descriptions)
    said = _NAMED.fullmatch(stem)
    if said is None:
        return []
    if said["word"]:
        return [said["word"].lower()]
    return [PRE if said["number"] == "0" else f"post{said['number']}"]


def _wished(folder: Path, files: Sequence[Path], name: str) -> Path:
    for path in files:
        if name in (path.name, volume_files.stem(path)):
            return path
    words = hint(name, [path.name for path in files])
    raise InputError(
        f"{folder}: --series: no volume file {short(name)}" + (f"; {words}" if words else "")
    )
