"""Which mask file of a folder is whose: by a pattern of names that people choose.

A pattern such as `{patient}_mask` is the path of a file below the source's folder, without its suffix.
Case does not matter: MAMA-MIA's own code and its copies disagree on it. Reads the names of files alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.imaging.volume_files import SUFFIXES, not_read, stem
from textbcs.intake.folder_walk import CLOSED, FoundFile, every_file
from textbcs.intake.spelling import hint, pattern_of

PATIENT, SERIES, ANY = "{patient}", "{series}", "*"
NO_PATIENT = "no patient of this name"
# Looking for the nearest name takes long among many; the first say what is wrong with all.
_HINTS = 50
_SYSTEM = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Named:
    """What a patient's files may be called after.

    Attributes:
        patients: her name, or those that a table gives her.
        series: UIDs of her series.
    """

    patients: tuple[str, ...]
    series: tuple[str, ...] = ()


@dataclass
class MaskFiles:
    """The mask files of a folder.

    Attributes:
        folder: where they lie.
        names: the pattern.
        of: each patient's files, in the order of their paths.
        strangers: files of nobody, and why.
    """

    folder: Path
    names: str
    of: dict[str, list[Path]] = field(default_factory=dict)
    strangers: dict[Path, str] = field(default_factory=dict)


def list_files(folder: Path) -> list[Path]:
    """The files below a folder that may be read, sorted; `found_files` says more.

    Raises:
        InputError: as `found_files`.
    """
    return [one.path for one in found_files(folder) if not one.fault]


def found_files(folder: Path) -> list[FoundFile]:
    """All files below a folder, sorted by path, each with why it must not be read, "" if it may.

    What lies in a linked folder below it must not: DVC would notice no change of it. The folder itself
    may be a link.

    Raises:
        InputError: no such folder, or one that cannot be opened.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; correct masks.nifti_directory or the source")
    found = sorted(every_file(folder), key=lambda one: one.path)
    for one in found:
        if one.fault.startswith(CLOSED):
            raise InputError(f"{one.path}: {one.fault}; correct its permissions")
    return found


def match_files(folder: Path, names: str, people: Mapping[str, Named]) -> MaskFiles:
    """Give every mask file of a folder to the patient whom it is called after.

    A file that fits several patients (`P1*` and `P12*`) is that of the longest name.

    Args:
        folder: of the source.
        names: the pattern; `{patient}` and `{series}` stand for what a patient's are called, `*` for
            any text but `/`.
        people: all patients of the cohort, also those without images.

    Raises:
        InputError: no such folder, or a file of two patients.
    """
    names = next((names[: -len(end)] for end in SUFFIXES if names.lower().endswith(end)), names)
    found = MaskFiles(folder, names)
    masks = {}
    for one in found_files(folder):
        if not one.fault and (name := _name(folder, one.path)):
            masks[one.path] = name
        else:
            found.strangers[one.path] = one.fault or _no_mask(one.path)
    owners = _owners(names, people, masks)
    shown = [name for person in people.values() for name in person.patients]
    hints = 0
    for path in masks:
        if len(owners[path]) > 1:
            both = " and ".join(owners[path][:2])
            raise InputError(f"{path}: is named after patients {both}; rename it, or one of them")
        if owners[path]:
            found.of.setdefault(owners[path][0], []).append(path)
            continue
        words = hint(stem(path) or "", shown) if hints < _HINTS else ""
        hints += 1
        found.strangers[path] = NO_PATIENT + (f"; {words}" if words else "")
    return found


def better_pattern(found: MaskFiles, without: Sequence[str]) -> str:
    """What `names` may have to be, said in words; "" where the files' names do not tell.

    Args:
        found: the files of a source.
        without: the patients who have none.
    """
    strange = [
        _name(found.folder, path) for path, why in found.strangers.items() if NO_PATIENT in why
    ]
    pattern, count = pattern_of([name for name in strange if name], without)
    if not count:
        return ""
    names = pattern.replace("{}", PATIENT)
    return f"{count} files are called like {names!r}: set names of masks.sources to that"


def _name(folder: Path, path: Path) -> str:
    """A mask file's path below its folder without the suffix; "" of what is no volume."""
    own = stem(path)
    return "" if own is None else (path.relative_to(folder).parent / own).as_posix()


def _no_mask(path: Path) -> str:
    """Why a file cannot be a mask."""
    if path.name.startswith(".") or path.name.lower() in _SYSTEM:
        return "hidden, or the system's"
    return not_read(path) or "neither NIfTI nor NRRD"


def _owners(
    names: str, people: Mapping[str, Named], masks: Mapping[Path, str]
) -> dict[Path, list[str]]:
    """The patients of each file; several only where none has a longer name than the others."""
    longest: dict[Path, int] = {}
    owners: dict[Path, list[str]] = {path: [] for path in masks}
    by_name: dict[str, list[Path]] = {}
    for path, name in masks.items():
        by_name.setdefault(name.casefold(), []).append(path)
    for patient, person in people.items():
        for length, wanted in _fillings(names, person):
            for path in _fitting(wanted, by_name):
                if length > longest.get(path, -1):
                    longest[path], owners[path] = length, [patient]
                elif length == longest[path] and patient not in owners[path]:
                    owners[path].append(patient)
    return owners


def _fillings(names: str, person: Named) -> Iterable[tuple[int, str]]:
    """The pattern with each of a patient's names in it, and how long what was put in is."""
    for patient in person.patients if PATIENT in names else ("",):
        for series in person.series if SERIES in names else ("",):
            filled = names.replace(PATIENT, _plain(patient)).replace(SERIES, series)
            yield len(patient) + len(series), filled.casefold()


def _plain(name: str) -> str:
    """A name in which no letter has a meaning of its own in a pattern."""
    return name.replace(ANY, "\0")


def _fitting(wanted: str, by_name: Mapping[str, list[Path]]) -> list[Path]:
    """The files of a filled pattern."""
    if ANY not in wanted:
        return by_name.get(wanted.replace("\0", ANY), [])
    rule = re.compile(
        "[^/]*".join(re.escape(part.replace("\0", ANY)) for part in wanted.split(ANY))
    )
    return [path for name, paths in by_name.items() if rule.fullmatch(name) for path in paths]
