"""File times, set right before Snakemake looks at them.

DVC says by content which stages are stale; Snakemake runs a job because an input is newer than its outputs,
and fails one whose outputs are older than its inputs. Clocks that were wrong (a resumed machine, `rsync -a`
from one whose clock is fast) leave files dated ahead, which would hide a stale stage or fail its job. No
result depends on a time, so what is too late is dated back.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from locks import STATE

from textbcs.base.io import InputError

_PROBE = STATE / "clock"
_TIMESTAMP = ".snakemake_timestamp"  # its time is what Snakemake takes for that of the folder
_BEFORE_NS = 2_000_000_000  # the coarsest file systems count in steps of two seconds


def now_ns() -> int:
    """The time by the clock that dates this checkout's files, in nanoseconds; a server has its own."""
    _PROBE.parent.mkdir(parents=True, exist_ok=True)
    _PROBE.touch()
    return _PROBE.stat().st_mtime_ns


def date_back(paths: Iterable[str], latest_ns: int) -> list[str]:
    """Give every file and folder that is as late as `latest_ns`, or later, a time two seconds before.

    Args:
        paths: files and folders that stages write; those that are missing are left out.
        latest_ns: nanoseconds.

    Returns:
        The paths whose time was changed.

    Raises:
        InputError: a time cannot be set.
    """
    changed = {path: [_date_back(one, latest_ns) for one in _dated(path)] for path in paths}
    return [path for path, done in changed.items() if any(done)]


def _dated(path: str) -> list[str]:
    """What carries the time of a path: a folder's mark where it has one."""
    mark = f"{path}/{_TIMESTAMP}"
    return [path, mark] if os.path.lexists(mark) else [path]


def _date_back(path: str, latest_ns: int) -> bool:
    changed = False
    for follow in {False, Path(path).is_symlink()}:  # Snakemake looks at a link and at its target
        try:
            found = os.stat(path, follow_symlinks=follow)  # noqa: PTH116 (several hundred at each start)
        except FileNotFoundError:
            continue
        if found.st_mtime_ns < latest_ns:
            continue
        before = latest_ns - _BEFORE_NS
        advice = "its owner, or a copy of it in its place, can set that right"
        try:
            os.utime(path, ns=(found.st_atime_ns, before), follow_symlinks=follow)
        except OSError as error:
            raise InputError(
                f"{path}: is dated ahead of the clock, and its time cannot be set "
                f"({error.strerror}); {advice}"
            ) from error
        if os.stat(path, follow_symlinks=follow).st_mtime_ns >= latest_ns:  # noqa: PTH116
            raise InputError(f"{path}: is dated ahead of the clock, and keeps its time; {advice}")
        changed = True
    return changed
