"""Presets: `phantom.yaml` is complete, every other one is laid over it; `textbcs use` writes `params.yaml`.

A preset begins with two paragraphs of comments: how it is read, and what it is for. The first names the
preset below (`# Laid over own.yaml: ...`), if that is another than phantom; the second of an overlay takes
the place of phantom's in `params.yaml`.
"""

import functools
import io
import re
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, existing, write_text
from textbcs.settings.params import ROOT, Params, checked, flatten, read_yaml
from textbcs.settings.working_copy import is_working_copy, project_folder

PRESETS = Path("presets")
COMPLETE = "phantom"
_BELOW = re.compile(r"# Laid over (\w+)\.yaml:")


def preset_names() -> list[str]:
    """Names of all presets, sorted: of this working copy, elsewhere of those that textbcs carries."""
    folder = PRESETS if is_working_copy() else project_folder() / PRESETS
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_preset(name: str, folder: Path = PRESETS) -> Params:
    """The values of a preset.

    Args and raises: as `preset_text`.
    """
    from ruamel.yaml import YAML

    values: Params = YAML(typ="safe", pure=True).load(preset_text(name, folder))
    return values


def preset_text(name: str, folder: Path = PRESETS) -> str:
    """A preset as `params.yaml` holds it: complete, with its comments.

    Args:
        name: a file in `folder`, without its ending.
        folder: where the presets lie.

    Raises:
        InputError: the preset, or the complete one, is missing or no YAML.
    """
    return _merged(name, folder.absolute())


@functools.cache
def _merged(name: str, folder: Path) -> str:
    from textbcs.settings.overlays import lay_over, round_trip

    yaml = round_trip()
    complete = folder / f"{COMPLETE}.yaml"
    merged: Any = read_yaml(complete, yaml)
    rules, purpose = _paragraphs(complete)
    for one in [*reversed(presets_below(name, folder)), name][1:]:
        path = folder / f"{one}.yaml"
        overlay = read_yaml(path, yaml)
        try:
            lay_over(merged, overlay)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        purpose = _paragraphs(path)[1]
    merged.ca.comment = None  # the paragraphs
    text = io.StringIO()
    yaml.dump(merged, text)
    return f"{rules}\n\n{purpose}\n\n{text.getvalue()}"


def presets_below(name: str, folder: Path = PRESETS) -> list[str]:
    """The presets over which one is laid, the nearest first; none for the complete one.

    Args and raises: as `preset_text`; also where a preset lies over itself.
    """
    below: list[str] = []
    while (current := [name, *below][-1]) != COMPLETE:
        path = folder / f"{current}.yaml"
        match = _BELOW.match(existing(path, ROOT).read_text(encoding="utf-8"))
        following = match[1] if match else COMPLETE
        if following in (name, *below):
            raise InputError(f"{path}: laid over {following}.yaml, which is laid over it")
        below.append(following)
    return below


def _paragraphs(path: Path) -> tuple[str, str]:
    """The two paragraphs of comments at a preset's head: how it is read, and what it is for.

    Raises:
        InputError: it begins otherwise.
    """
    found = path.read_text(encoding="utf-8").split("\n\n", 2)
    if len(found) < 3 or not all(text.startswith("#") for text in found[:2]):
        raise InputError(
            f"{path}: begin with two paragraphs of comments: how it is read, what it is for"
        )
    return found[0], found[1]


def use_preset(name: str, dry_run: bool = False) -> list[str]:
    """Make a preset the current parameters.

    Args:
        name: a file in `presets/`, without its ending.
        dry_run: change nothing.

    Returns:
        Lines that name every value that changes, as `key: old -> new`.

    Raises:
        InputError: there is no such preset, or it is faulty.
    """
    known = preset_names()
    if not known:
        raise InputError(f"{PRESETS}/: no presets here; run in the root of the checkout")
    if name not in known:  # a name, not a path: nothing outside of presets/ is a preset
        raise InputError(f"no preset {name!r} in {PRESETS}/; allowed: {', '.join(known)}")
    new = checked(read_preset(name), PRESETS / f"{name}.yaml")
    lines, summary = _changes(Path("params.yaml"), flatten(new))
    if not dry_run:
        write_text("params.yaml", preset_text(name))
    verb = "would become" if dry_run else "is now"
    return [*lines, f"params.yaml {verb} presets/{name}.yaml ({summary})"]


def _changes(current: Path, new: dict[str, Any]) -> tuple[list[str], str]:
    try:
        old = flatten(read_yaml(current)) if current.is_file() else {}
    except InputError as error:  # a preset is the way out of a file that cannot be read
        return [f"the old values are unknown: {error}"], "replaced whole"
    lines = [
        f"{key}: {old.get(key, '(absent)')} -> {new.get(key, '(absent)')}"
        for key in sorted(old | new)
        if old.get(key) != new.get(key) or (key in old) != (key in new)
    ]
    return lines, f"{len(lines)} values differ"
