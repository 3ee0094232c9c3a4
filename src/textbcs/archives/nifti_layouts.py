"""How volumes of kind `nifti` may lie in a folder: by patient, as nnU-Net wants them, or as BIDS.

A layout says of every file which patient, visit and phase it is, or why it is none. Reads the names of
files and folders alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.imaging import volume_files
from textbcs.intake.folder_walk import every_file, is_hidden

_CHANNEL = re.compile(r"(?P<case>.+)(?P<channel>_\d{4})")
_SUBJECT = re.compile(r"sub-(?P<label>[^_]+)")
_SEGMENTATION = ".seg.nrrd"
_SESSION = re.compile(r"ses-[^_]+")
_CASES = ("imagestr", "imagests")
# What folders are called that hold all patients' files.
_IMAGES = re.compile(r"(images?|imgs?|volumes?|scans?|data|nifti|mri?s?)$", re.IGNORECASE)
_MASKS = re.compile(r"(segmentations?|segs?|masks?|labels?|annotations?|rois?)$", re.IGNORECASE)
# Folders of these layouts that are no patients; what lies in them is said to be what it is.
_BESIDE = {
    "labelstr": "a mask: name its folder in masks.nifti_directory",
    "labelsts": "a mask: name its folder in masks.nifti_directory",
    "derivatives": "a derivative: for masks name their folder in masks.nifti_directory",
    "sourcedata": "source data, of which BIDS has the volumes",
    "code": "code",
}


@dataclass(frozen=True)
class VolumeFile:
    """A file that is a volume of a patient.

    Attributes:
        patient: as the layout calls her.
        session: her visit, "" where the layout has none.
        name: what takes the place of SeriesDescription.
        path: the file.
        fault: why it cannot be used, "" if it can.
    """

    patient: str
    session: str
    name: str
    path: Path
    fault: str = ""


@dataclass
class Found:
    """The volumes of a folder, and why its other files are none."""

    volumes: list[VolumeFile] = field(default_factory=list)
    unused: list[tuple[Path, str]] = field(default_factory=list)


def find_volumes(folder: Path, layout: str) -> Found:
    """The volumes of a folder, sorted by patient, session and name.

    Args:
        folder: the archive.
        layout: `folders`, `nnunet` or `bids`; `auto` takes the one that the files have.

    Raises:
        InputError: no file has the layout, or files of several layouts lie there and it is `auto`.
    """
    files, closed = _files(folder)
    tried = _LAYOUTS if layout == "auto" else {layout: _LAYOUTS[layout]}
    made = {name: find(folder, files) for name, find in tried.items()}
    if "folders" in made and _are_no_patients(made["folders"]):
        made["folders"] = Found()
    fitting = [name for name, one in made.items() if one.volumes]
    if not fitting:
        shapes = " or ".join(_SHAPES[name] for name in tried)
        raise InputError(f"{folder}: holds no {shapes}; {_nearest(folder, files)}")
    if len(fitting) > 1:
        examples = ", ".join(
            f"{name} ({made[name].volumes[0].path.relative_to(folder)})" for name in fitting
        )
        raise InputError(f"{folder}: files lie in several layouts: {examples}; set cohort.layout")
    return _unique(made[fitting[0]], closed)


def _are_no_patients(found: Found) -> bool:
    """Whether the folders of all "patients" say what is in them: images, masks."""
    return all(_IMAGES.match(one.patient) or _MASKS.match(one.patient) for one in found.volumes)


def _nearest(folder: Path, files: Sequence[Path]) -> str:
    """What to do with a folder that has no layout: what lies in it that comes nearest to one."""
    below: dict[str, list[Path]] = {}
    for path in files:
        name, *rest = path.relative_to(folder).parts
        if _stem(path) is not None:
            below.setdefault(name if rest else "", []).append(path)
    masks = [name for name in below if name and _MASKS.match(name)]
    for name in sorted(below, key=lambda name: (name in masks, -len(below[name]), name)):
        for find in _LAYOUTS.values() if name else ():
            found = find(folder / name, below[name])
            if found.volumes and not _are_no_patients(found):
                example = found.volumes[0].path.relative_to(folder).as_posix()
                there = [folder / one for one in masks if one != name][:1]
                also = f" and masks.nifti_directory to {there[0]}" if there else ""
                place = f"set cohort.archive to {folder / name}{also}"
                return f"volumes lie one folder deeper ({example}): {place}"
    example = next((own[0].relative_to(folder).as_posix() for own in below.values()), "")
    return f"put {example or 'the volumes'} into the folder of its patient"


_SHAPES = {
    "folders": "<patient>/<name>.nii.gz",
    "nnunet": "imagesTr/<case>_0000.nii.gz",
    "bids": "sub-<label>/anat/sub-<label>_<suffix>.nii.gz",
}


def _files(folder: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Files below a folder without hidden ones, and what must not be read (`intake.folder_walk`)."""
    files: list[Path] = []
    closed: list[tuple[Path, str]] = []
    for found in every_file(folder):
        if found.fault:
            closed.append((found.path, found.fault))
        elif not is_hidden(found.path, folder):
            files.append(found.path)
    return files, closed


def _stem(path: Path) -> str | None:
    """A volume's name without its suffix; None for what is no image by its name."""
    return None if path.name.lower().endswith(_SEGMENTATION) else volume_files.stem(path)


def _no_volume(path: Path) -> str:
    """Why a file is no volume by its name."""
    if path.name.lower().endswith(_SEGMENTATION):
        return _BESIDE["labelstr"]
    return volume_files.not_read(path) or "no volume"


def _patients(folder: Path, files: Sequence[Path]) -> Found:
    """`<patient>/<name>.nii.gz`."""
    found = Found()
    for path in files:
        name, parts = _stem(path), path.relative_to(folder).parts
        if name is None:
            found.unused.append((path, _no_volume(path)))
        elif beside := _BESIDE.get(parts[0].lower()):
            found.unused.append((path, beside))
        elif len(parts) == 1:
            found.unused.append((path, "lies in no patient's folder"))
        elif len(parts) > 2:
            found.unused.append((path, "lies deeper than <patient>/<name>"))
        elif parts[0].lower() in _CASES:
            found.unused.append((path, f"{parts[0]} is no patient; its files lack nnU-Net's _0000"))
        else:
            found.volumes.append(VolumeFile(parts[0], "", name, path))
    return found


def _nnunet(folder: Path, files: Sequence[Path]) -> Found:
    """`imagesTr/<case>_0000.nii.gz`, `imagesTs` as well, or such files in the folder itself."""
    found = Found()
    for path in files:
        name, parts = _stem(path), path.relative_to(folder).parts
        match = _CHANNEL.fullmatch(name or "")
        inside = len(parts) == 1 or (len(parts) == 2 and parts[0].lower() in _CASES)
        if name is None:
            found.unused.append((path, _no_volume(path)))
        elif beside := _BESIDE.get(parts[0].lower()):
            found.unused.append((path, beside))
        elif not inside:
            found.unused.append((path, "lies neither in imagesTr nor in imagesTs"))
        elif match is None:
            found.unused.append((path, "its name does not end with a channel such as _0000"))
        else:
            found.volumes.append(VolumeFile(match["case"], "", match["channel"], path))
    return found


def _bids(folder: Path, files: Sequence[Path]) -> Found:
    """`sub-<label>/[ses-<label>/]<datatype>/sub-<label>_[ses-<label>_]<entities>_<suffix>.nii.gz`."""
    found = Found()
    for path in files:
        name, parts = _stem(path), path.relative_to(folder).parts
        if name is None:
            found.unused.append((path, _no_volume(path)))
            continue
        if beside := _BESIDE.get(parts[0].lower()):
            found.unused.append((path, beside))
            continue
        session = parts[1] if len(parts) == 4 else ""
        subject = _SUBJECT.fullmatch(parts[0])
        begins = "_".join(part for part in (parts[0], session, "") if part) + "_"
        if (
            subject is None
            or len(parts) not in (3, 4)
            or (session and not _SESSION.fullmatch(session))
        ):
            found.unused.append((path, "lies at no place of BIDS"))
        elif not name.startswith(begins):
            found.unused.append((path, f"its name does not begin with {begins}"))
        else:
            rest = name[len(begins) :]
            found.volumes.append(VolumeFile(subject["label"], session, rest, path))
    return found


_LAYOUTS: Mapping[str, Callable[[Path, Sequence[Path]], Found]] = {
    "folders": _patients,
    "nnunet": _nnunet,
    "bids": _bids,
}


def _unique(found: Found, closed: Iterable[tuple[Path, str]]) -> Found:
    """One file for each name of a patient's visit; a name that several files bear is a fault."""
    named: dict[tuple[str, str, str], list[VolumeFile]] = {}
    for one in found.volumes:
        named.setdefault((one.patient, one.session, one.name), []).append(one)
    volumes = []
    for key in sorted(named):
        first, *others = named[key]
        fault = ""
        if others:
            files = " and ".join(one.path.name for one in named[key])
            fault = f"several files of one name ({files}); remove all but one"
        volumes.append(VolumeFile(*key, first.path, fault))
        found.unused += [(one.path, fault) for one in others]
    return Found(volumes, sorted([*found.unused, *closed]))
