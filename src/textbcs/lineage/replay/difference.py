"""Where two files begin to differ, in words: a cell, a value of a tensor, a line, or a byte."""

import csv
from itertools import zip_longest
from pathlib import Path

from textbcs.base.io import InputError, read_tensors

_CHUNK = 1 << 20


def first_difference(before: Path, after: Path) -> str:
    """The first place at which two files differ.

    Args:
        before: the file of the tree.
        after: the same after another run.
    """
    try:
        if before.suffix == ".safetensors":
            return _tensors(before, after)
        if before.suffix == ".csv":
            return _cells(before, after)
    except (InputError, OSError, ValueError, csv.Error):
        pass  # one of them is no such file: bytes differ all the same
    return _bytes(before, after)


def _cells(before: Path, after: Path) -> str:
    """The first cell; the first row has the number 1, as in `trace --row`."""
    with (
        before.open(newline="", encoding="utf-8") as first,
        after.open(newline="", encoding="utf-8") as then,
    ):
        pairs = zip_longest(csv.reader(first), csv.reader(then))
        names: list[str] = []
        for number, (old, new) in enumerate(pairs):
            names = names or list(old or ())
            if old == new:
                continue
            if old is None or new is None:
                return f"row {number}: {'not written again' if new is None else 'is new'}"
            for place, (was, now) in enumerate(zip_longest(old, new)):
                if was != now:
                    name = names[place] if place < len(names) else f"column {place + 1}"
                    return f"row {number}, {name}: {was!r} here, {now!r} when it is run again"
    return _bytes(before, after)


def _tensors(before: Path, after: Path) -> str:
    import numpy as np

    old, new = read_tensors(before), read_tensors(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            return f"tensor {name}: {'is new' if name not in old else 'not written again'}"
        if old[name].shape != new[name].shape or old[name].dtype != new[name].dtype:
            return f"tensor {name}: {old[name].shape} here, {new[name].shape} when it is run again"
        if old[name].tobytes() != new[name].tobytes():
            other = np.flatnonzero(old[name].ravel() != new[name].ravel())
            place = int(other[0]) if len(other) else 0
            values = (
                f"{old[name].ravel()[place]} here, {new[name].ravel()[place]} when it is run again"
            )
            return f"tensor {name}, value {place + 1} of {old[name].size}: {values}"
    return _bytes(before, after)


def _bytes(before: Path, after: Path) -> str:
    place = 0
    with before.open("rb") as first, after.open("rb") as then:
        while True:
            old, new = first.read(_CHUNK), then.read(_CHUNK)
            if old != new:
                inside = next(
                    (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None
                )
                where = min(len(old), len(new)) if inside is None else inside
                return f"byte {place + where + 1}"
            if not old:
                return "no byte"
            place += len(old)
