"""A folder of 2-D images and one of masks: which belong together, whose they are, what they are called.

An image's name is its place below the folder without the suffix (`benign/benign (1)`). A mask belongs to
the image whose name its own gives, and several masks of one image are united. Names become plain ones
(`benign_benign_1`); two that would become the same are refused, so a table can lead back from each.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.base.io import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
# x.png, x_mask.png, x_mask_1.png are masks of x (the last two as in the BUSI ultrasound collection).
MASK_NAMES = r"(.+?)(?:_mask(?:_\d+)?)?"
PATIENT = r"(.+)"
_PLAIN = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Pair:
    """An image with its masks.

    Attributes:
        name: of the image, below its folder and without suffix.
        patient: plain name of the patient.
        image: file.
        masks: files, at least one.
    """

    name: str
    patient: str
    image: Path
    masks: tuple[Path, ...]


@dataclass
class Found:
    """What two folders hold.

    Attributes:
        pairs: by patient, then name, as people count (2 before 10).
        problems: what keeps files from being used, a line each.
        ignored: files that are no images, by suffix.
    """

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def pair_up(
    images: Path, masks: Path, patient: str = PATIENT, mask_names: str = MASK_NAMES
) -> Found:
    """Find the images, their masks and their patients.

    Args:
        images: folder, searched with all below it.
        masks: folder, searched likewise; may be the same, and then what `mask_names` shortens is a mask.
        patient: regular expression that is looked for in an image's name; its group is the patient.
        mask_names: regular expression of a mask's whole name; its group is the image's name.

    Raises:
        InputError: a folder is missing, or a pattern is no regular expression with one group.
    """
    whose, named = _pattern(patient, "--patient"), _pattern(mask_names, "--mask-names")
    found = Found()
    shown, drawn = _by_name(images, found), {}
    if images.resolve() == masks.resolve():
        drawn = {
            name: paths for name, paths in shown.items() if _owner(named, name) not in ("", name)
        }
        shown = {name: paths for name, paths in shown.items() if name not in drawn}
    else:
        drawn = _by_name(masks, found)
    if not shown and not drawn:
        raise InputError(f"{images}: holds no image ({', '.join(SUFFIXES)})")
    masks_of = _masks_of(shown, drawn, named, found)
    patients = _patients_of(shown, masks_of, whose, found)
    found.problems += _clashes(patients.values())
    found.pairs = sorted(
        (
            Pair(name, plain_name(own), shown[name][0], masks_of[name])
            for name, own in patients.items()
        ),
        key=lambda pair: (_counting(pair.patient), _counting(pair.name)),
    )
    return found


def _patients_of(
    shown: dict[str, list[Path]],
    masks_of: Mapping[str, tuple[Path, ...]],
    whose: re.Pattern[str],
    found: Found,
) -> dict[str, str]:
    """The patient of each image that can be used; what is wrong with the others is a problem."""
    patients: dict[str, str] = {}
    for name in sorted(shown, key=_counting):
        if len(shown[name]) > 1:
            both = " and ".join(path.name for path in shown[name])
            found.problems.append(f"{shown[name][0]}: {both} have one name; remove one")
        elif name not in masks_of:
            found.problems.append(f"{shown[name][0]}: has no mask")
        elif (match := whose.search(name)) is None or not plain_name(match[1] or ""):
            found.problems.append(f"{shown[name][0]}: --patient finds no patient in {name!r}")
        else:
            patients[name] = match[1]
    return patients


def plain_name(name: str) -> str:
    """A name of letters, digits, `.`, `_` and `-`: each run of others becomes one `_`, none at an end."""
    return _PLAIN.sub("_", name).strip("_.")


def _pattern(text: str, option: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InputError(f"{option} {text!r}: no regular expression ({error})") from error
    if pattern.groups != 1:
        raise InputError(f"{option} {text!r}: needs one group, as in '(.+)'; has {pattern.groups}")
    return pattern


def _by_name(folder: Path, found: Found) -> dict[str, list[Path]]:
    """The images below a folder by name; files of other kinds are counted in `found`."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    names: dict[str, list[Path]] = {}
    for path in _files(folder):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            found.ignored[path.suffix.lower() or path.name] += 1
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        names.setdefault(name, []).append(path)
    return names


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted; links to folders are followed once."""

    def stop(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be listed ({error.strerror})") from error

    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _owner(named: re.Pattern[str], name: str) -> str:
    """The image that a mask's name gives, "" where it gives none; folders above are kept."""
    above, slash, last = name.rpartition("/")
    match = named.fullmatch(last)
    return f"{above}{slash}{match[1]}" if match and match[1] else ""


def _masks_of(
    shown: dict[str, list[Path]], drawn: dict[str, list[Path]], named: re.Pattern[str], found: Found
) -> dict[str, tuple[Path, ...]]:
    """The masks of each image; a mask of no image is a problem."""
    masks: dict[str, list[Path]] = {}
    for name in sorted(drawn, key=_counting):
        owner = name if name in shown else _owner(named, name)
        if owner in shown:
            masks.setdefault(owner, []).extend(drawn[name])
        else:
            said = (
                f", by its name of {owner!r}" if owner else "; --mask-names does not fit its name"
            )
            found.problems += [f"{path}: mask of no image{said}" for path in drawn[name]]
    return {name: tuple(paths) for name, paths in masks.items()}


def _clashes(patients: Iterable[str]) -> list[str]:
    """Different patients whose plain names would be one; file systems may not tell case."""
    became: dict[str, set[str]] = {}
    for own in patients:
        became.setdefault(plain_name(own).casefold(), set()).add(own)
    return [
        f"patients {_listed(sorted(names))} would all be called {plain_name(min(names))}; rename one"
        for names in became.values()
        if len(names) > 1
    ]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown


def _counting(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts as people count."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts if part]
