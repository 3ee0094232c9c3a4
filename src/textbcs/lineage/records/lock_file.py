"""dvc.lock: what DVC has written down of each stage."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError
from textbcs.lineage.records.bounded import read_regular
from textbcs.settings.params import flatten

LOCK = Path("dvc.lock")
_DEEPEST = 50


@dataclass(frozen=True)
class Locked:
    """One stage of dvc.lock: md5 of each dep and out by path (folders end in `.dir`), parameters.

    `command` is its command; `extent` has by path the size in bytes and, of a folder, the number of files.
    """

    deps: Mapping[str, str]
    outs: Mapping[str, str]
    params: Mapping[str, Any]
    command: str = ""
    extent: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)


def read_lock() -> tuple[dict[str, Locked] | None, str]:
    """What dvc.lock says, and why it cannot be read; without the file neither."""
    if not LOCK.exists():
        return None, ""
    try:
        return parse_lock(parse_yaml(read_regular(LOCK))), ""
    except InputError as error:
        return None, str(error).removeprefix(f"{LOCK}: ")


def parse_yaml(content: bytes) -> Mapping[str, Any]:
    """The mapping of a YAML text as DVC writes it, by libyaml, which takes a tenth of the time.

    Raises:
        InputError: it is no UTF-8, no YAML or no mapping.
    """
    from ruamel.yaml import YAML

    try:
        text = content.decode("utf-8")
        if not _is_plain(text):
            raise ValueError("nested deeper than DVC writes")
        found = YAML(typ="safe").load(text)
    except Exception as error:  # ruamel passes on the ValueError of a date, and RecursionError
        raise InputError(f"no valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise InputError(f"expected sections with keys, found {type(found).__name__}")
    return found


def _is_plain(text: str) -> bool:
    """Whether a text is nested no deeper than DVC writes: libyaml does not survive what is nested deep."""
    depth = 0
    for character in re.findall(r"[\[\]{}]", text):
        depth += 1 if character in "[{" else -1
        if depth > _DEEPEST:
            return False
    return re.search(rf"^(?:[ \t]|[-?:][ \t]){{{2 * _DEEPEST}}}", text, re.MULTILINE) is None


def parse_lock(content: Mapping[str, Any]) -> dict[str, Locked]:
    """The stages of a dvc.lock.

    Raises:
        InputError: it does not have the form of schema 2.0.
    """
    try:
        return {
            str(address): _locked(stage) for address, stage in (content.get("stages") or {}).items()
        }
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{LOCK}: not a lock file of DVC ({error!r}); restore it") from error


def _locked(stage: Mapping[str, Any]) -> Locked:
    deps, outs = stage.get("deps") or [], stage.get("outs") or []
    return Locked(
        {str(entry["path"]): _md5(entry.get("md5", "")) for entry in deps},
        {str(entry["path"]): _md5(entry.get("md5", "")) for entry in outs},
        locked_params(stage.get("params") or {}),
        str(stage.get("cmd", "")),
        {str(one["path"]): (one.get("size"), one.get("nfiles")) for one in (*deps, *outs)},
    )


def _md5(value: Any) -> str:
    """A hash as it stands in the file; YAML takes one of digits alone, without quotes, for a number."""
    return f"{value:032d}" if isinstance(value, int) else str(value)


def locked_params(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The lock's parameters as `dotted.key -> value`, as receipts have them."""
    flat: dict[str, Any] = {}
    for values in files.values():
        flat |= flatten(values)
    return flat
