"""Which series a file belonged to that can no longer be read: said by the names beside it.

A series whose last slice is empty would otherwise be a volume that is one slice short. The rule: an empty
or damaged file is taken for a slice of the series whose files stand next to it in its folder, before and
after, among the files whose names differ from its own in numbers only.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Mapping
from pathlib import Path

_NUMBERS = re.compile(r"(\d+)")
# A UID has any number of numbers.
_PATTERN = re.compile(r"\d+(?:\.\d+)*")


def damaged_slices(
    damaged: Iterable[Path], series_of: Mapping[Path, Iterable[str]]
) -> dict[str, list[Path]]:
    """The damaged files of each series, in the order of their names.

    Args:
        damaged: files that are empty, or DICOM that cannot be read.
        series_of: for every file that can be read, the UIDs of the series that it belongs to.
    """
    alike: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(series_of, key=_counting):
        alike.setdefault(_pattern(path), []).append(path)
    found: dict[str, list[Path]] = {}
    for path in sorted(damaged, key=_counting):
        beside = alike.get(_pattern(path), [])
        place = bisect(beside, _counting(path), key=_counting)
        near = beside[max(place - 1, 0) : place + 1]
        for uid in sorted({uid for one in near for uid in series_of[one]}):
            found.setdefault(uid, []).append(path)
    return found


def _pattern(path: Path) -> tuple[Path, str]:
    """What files of one series in one folder have in common."""
    return path.parent, _PATTERN.sub("#", path.name)


def _counting(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sorts names as people count: IM9 before IM10."""
    parts = _NUMBERS.split(path.name)
    return [(int(part), "") if n % 2 else (0, part) for n, part in enumerate(parts)], str(path)
