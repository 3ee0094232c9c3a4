"""`textbcs check`: is `params.yaml` valid, and does every file of one's own that it names exist?

DVC would end with a traceback where a folder is missing, or where it holds what cannot be compared by
content, so Snakemake asks here too before it starts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import NONE, InputError
from textbcs.commands.clean import BESIDE, RAW
from textbcs.intake.folder_walk import (
    CLOSED,
    NO_PERMISSION,
    NOWHERE,
    SPECIAL,
    FoundFile,
    every_file,
    shown,
)
from textbcs.settings.params import flatten
from textbcs.stage.definition import Makers, define_all, lines, read_stages

_FIELD = re.compile(r"\$\{((?!item\.)[\w.]+)\}")
_FOLDERS = ("cohort.archive", "masks.nifti_directory")
# What DVC cannot hash, or waits for without an end.
_UNREADABLE = (NOWHERE, SPECIAL, CLOSED, NO_PERMISSION)
_MOST_NAMED = 3


def check_own_files(params: Mapping[str, Any], stages: Mapping[str, Any] | None = None) -> None:
    """Check what people bring, as far as names and kinds of files tell.

    Args:
        params: all parameters, valid.
        stages: those of dvc.yaml; read where they are not given.

    Raises:
        InputError: a file or folder that params.yaml names is missing, or holds what DVC cannot
            compare by content; names all of them.
    """
    faults = list(_faults(params, read_stages() if stages is None else stages))
    if faults:
        raise InputError("; ".join(faults))


def own_files(params: Mapping[str, Any], stages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every parameter that names a file or folder of a person's own, and its value.

    Args:
        params: all parameters.
        stages: those of dvc.yaml.
    """
    values = flatten(params)
    makers = Makers(define_all(params, stages))
    keys = {
        match[1]
        for entry in stages.values()
        for line in lines(entry, "deps")
        if (match := _FIELD.fullmatch(line))
    }
    for key in sorted(keys):
        value = str(values.get(key, NONE))
        if value != NONE and (key in _FOLDERS or makers.of(value) is None):
            yield key, value


def _faults(params: Mapping[str, Any], stages: Mapping[str, Any]) -> Iterator[str]:
    outs = (out for one in define_all(params, stages).values() for out in one.outputs)
    written = [*BESIDE, *RAW, *outs]
    for key, value in own_files(params, stages):
        path = Path(value)
        if not path.exists():
            what = "folder" if key in _FOLDERS else "file"
            yield f"params.yaml: {key} = {value!r}: no such {what}; put it there or correct the key"
        elif key in _FOLDERS and not path.is_dir():
            yield f"params.yaml: {key} = {value!r}: is a file; name the folder"
        elif key in _FOLDERS and (own := _overlap(path, written)):
            yield (
                f"params.yaml: {key} = {value!r}: is or holds {own}, which the pipeline writes; use a "
                "folder of your own"
            )
        elif path.is_dir():
            yield from _unhashable(key, path)


def _overlap(folder: Path, written: Iterable[str]) -> str:
    """What the pipeline writes in or around a folder, "" if nothing: DVC would see a circle."""
    place, root = folder.resolve(), Path.cwd().resolve()
    for name in written:
        other = root / name
        if place.is_relative_to(other) or other.is_relative_to(place):
            return name
    return ""


def _unhashable(key: str, folder: Path) -> Iterator[str]:
    """What of a folder DVC cannot compare by content."""
    found = [one for one in every_file(folder) if _fault(one)]
    if found:
        named = ", ".join(
            f"{shown(one.path, folder)} ({_fault(one)})" for one in found[:_MOST_NAMED]
        )
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        yield (
            f"params.yaml: {key} = {str(folder)!r}: holds what DVC cannot compare by content: {named}"
            f"{more}; take it out of the folder"
        )


def _fault(found: FoundFile) -> str:
    """Why DVC cannot hash a file, "" if it can."""
    try:
        str(found.path).encode()
    except UnicodeEncodeError:
        return "a name that is not UTF-8"
    return found.fault if found.fault.startswith(_UNREADABLE) else ""


def notes_on_names(params: Mapping[str, Any]) -> list[str]:
    """What the names of folders tell before anything is read: patients who could not take part."""
    from textbcs.archives.incoming import (
        PATIENT,
    )  # its package reads DICOM, which is slow to import

    cohort = params["cohort"]
    folder = Path(cohort["archive"])
    if cohort["kind"] != "nifti" or not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    wrong = [name for name in names if not PATIENT.fullmatch(name) and not name.startswith(".")]
    if not wrong:
        return []
    named = ", ".join(repr(name) for name in wrong[:_MOST_NAMED])
    return [
        f"{folder}: {len(wrong)} of {len(names)} folders cannot be patients ({named}): a name has "
        "letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
    ]
