"""Presets: whole parameter files that `textbcs use` copies to `params.yaml`."""

from pathlib import Path
from typing import Any

from textbcs.io import InputError, write_text
from textbcs.params import flatten, load_params, read_yaml

PRESETS = Path("presets")


def preset_names() -> list[str]:
    """Names of all presets, sorted; none outside of a checkout."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


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
    source = PRESETS / f"{name}.yaml"
    lines, summary = _changes(Path("params.yaml"), flatten(load_params(source)))
    if not dry_run:
        write_text("params.yaml", source.read_text(encoding="utf-8"))
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
