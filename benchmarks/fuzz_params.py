"""Trials of params.yaml: what is accepted fits its declaration and is what ruamel's other reader gives."""

import math
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from fuzz_damage import check, damaged, tried
from numpy.random import Generator
from ruamel.yaml import YAML

from textbcs.settings.params import fault_of, flatten, load_params
from textbcs.settings.presets import read_preset

ROOT = Path(__file__).resolve().parent.parent
_PRESETS = ("phantom", "own", "tiny")
_ODD: tuple[Any, ...] = (
    *(math.nan, math.inf, -math.inf, 14.0, [1.0], 10**30, -1, 0, None, "", "text", True, {}, []),
    *(
        {"kind": "folder"},
        {"a": {"b": 1}},
        [[]],
        [None],
        "1",
        "../..",
        "a\nb",
        1e-320,
        0.1,
        [{}],
        "*",
    ),
    *("(", "[a-", "\x00", "{patient}", ["all"], "all", {1: 2}, {None: 1}, "é", "x" * 5000, 2**63),
    *("2020-01-01", ["a", "a"], -0.0, 1e308, {"kind": "nifti"}, {"kind": []}, [1, 2, 3]),
)
_KEYS: tuple[Any, ...] = ("unknown", "a\nb", "", 1, None, "\u2028x", "x" * 500, True, 1.5, "é")
_LINES = (
    *(
        "a: &x [*x]",
        "? [1, 2]\n: 3",
        "!!python/object:os.system x",
        "cohort: 1",
        "- a",
        "\tx: 1",
        "'",
    ),
    *(
        "a: &a [b, b]\nb: [*a, *a]",
        "<<: 3",
        "--- \n---",
        "%YAML 3.0",
        "k: !!binary x",
        "? ",
        "{",
        "x: *y",
    ),
    *(
        "x: !!set {a}",
        "x: 2020-13-45",
        "x: 1_000",
        "x: 0o9",
        "x: !!float nan",
        "\x07: 1",
        "x: |9\n a",
    ),
)


def params(folder: Path, rng: Generator) -> str:
    """A preset with damaged bytes, odd lines or odd values."""
    name = str(rng.choice(_PRESETS))
    path = folder / "params.yaml"
    kind = rng.random()
    if kind < 0.4:
        content = damaged(_text(name), rng)
    elif kind < 0.55:
        lines = _text(name).decode().split("\n")
        place = int(rng.integers(len(lines)))
        indent = " " * int(rng.choice([0, 2, 4]))
        lines.insert(place, indent + str(rng.choice(_LINES)))
        content = "\n".join(lines).encode()
    else:
        content = _odd_values(name, rng)
    path.write_bytes(content)
    values, line = tried(lambda: load_params(path), [str(path)])
    if values is None:
        return line
    check(fault_of(values) is None, "accepted, with a fault")
    other = YAML(typ="rt", pure=True).load(path.read_text("utf-8"))
    check(flatten(values) == flatten(_plain(other)), "other values than ruamel's round trip")
    for key, value in flatten(values).items():
        check(not isinstance(value, float) or math.isfinite(value), f"{key} = {value}")
    return ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


@lru_cache
def _text(name: str) -> bytes:
    buffer = StringIO()
    YAML(typ="safe", pure=True).dump(_plain(read_preset(name, ROOT / "presets")), buffer)
    return buffer.getvalue().encode()


def _odd_values(name: str, rng: Generator) -> bytes:
    """A preset with values anywhere replaced, keys lost or added."""
    values = YAML(typ="safe", pure=True).load(_text(name).decode())
    for _ in range(int(rng.choice([1, 1, 2]))):
        places: list[tuple[Any, Any]] = []

        def collect(holder: Any) -> None:
            keys = holder if isinstance(holder, dict) else range(len(holder))
            for key in keys:
                places.append((holder, key))  # noqa: B023
                if isinstance(holder[key], dict | list):
                    collect(holder[key])

        collect(values)
        holder, key = places[int(rng.integers(len(places)))]
        action = rng.random()
        if action < 0.15:
            del holder[key]
        elif action < 0.25 and isinstance(holder, dict):
            holder[_KEYS[int(rng.integers(len(_KEYS)))]] = holder[key]
        else:
            holder[key] = _ODD[int(rng.integers(len(_ODD)))]
    buffer = StringIO()
    YAML(typ="safe", pure=True).dump(values, buffer)
    return buffer.getvalue().encode()
