"""Damage to the bytes of a file, and what it means for a reader to come to terms with it."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

from textbcs.base.io import InputError

EQUAL, REFUSED, FAILED = "equal", "refused", "failed"
LONGEST_S, LONGEST_WAIT_S = 10, 120  # of CPU time, and of waiting, which a busy machine makes
_ROOM = 2 << 30  # bytes that a reader may take beyond what is loaded
_LONGEST_LINE = 10_000
Value = TypeVar("Value")


class WrongError(Exception):
    """What a reader must not do with a damaged file."""


class _LateError(BaseException):
    """Taking too long; no `except Exception` on the way stops it."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        kind: `EQUAL`: the voxels, values or cells are those of an independent reader or of the
            undamaged file; `REFUSED`: one line says why not; `FAILED`: anything else.
        words: the line, or what went wrong.
        seconds: CPU time that it took.
    """

    kind: str
    words: str
    seconds: float


def check(right: bool, words: object) -> None:
    """WrongError where something is not as it has to be."""
    if not right:
        raise WrongError(str(words))


def tried(
    call: Callable[[], Value], names: Sequence[str], reasons: tuple[type[Exception], ...] = ()
) -> tuple[Value | None, str]:
    """What a reader gives, or the line with which it refuses.

    Args:
        call: the reader.
        names: of files, one of which the line has to name.
        reasons: errors of the project whose text is a reason without a file's name.
    """
    try:
        return call(), ""
    except InputError as error:
        line = str(error)
        check(any(name in line for name in names), f"names no file of {names}: {line!r}")
    except reasons as error:
        line = str(error)
    check_line(line)
    return None, line


def check_line(line: str) -> None:
    """WrongError where a message or reason is not one short line."""
    check(line != "" and line == line.strip(), f"an empty reason: {line!r}")
    check(len(line.splitlines()) == 1, f"several lines: {line!r}")
    check(len(line) <= _LONGEST_LINE, f"{len(line)} characters: {line[:200]!r}")
    check("Traceback" not in line, line)


def check_equal(found: Any, expected: Any, what: str, tolerance: float = 1e-6) -> None:
    """WrongError where arrays differ by more than the rounding of 32-bit numbers."""
    one, other = np.asarray(found), np.asarray(expected)
    check(one.shape == other.shape, f"{what}: shape {one.shape}, not {other.shape}")
    near = np.isclose(one.astype(np.float64), other.astype(np.float64), tolerance, tolerance)
    check(bool(near.all()), f"{what}: {np.count_nonzero(~near)} of {near.size} values differ")


def trial(case: Callable[[Path, Generator], str], folder: Path, rng: Generator) -> Outcome:
    """Run a case, which returns "" where the reader was right, or the line of its refusal."""
    start = time.process_time()
    try:
        with _at_most(LONGEST_S, LONGEST_WAIT_S):
            words = case(folder, rng)
        kind = REFUSED if words else EQUAL
    except (Exception, _LateError) as error:
        kind, words = FAILED, f"{type(error).__name__}: {error}"
    return Outcome(kind, words, time.process_time() - start)


@contextmanager
def _at_most(working: int, waiting: int) -> Iterator[None]:
    """Interrupt the block after some seconds of CPU time, or of the clock."""

    def stop(*_: object) -> None:
        raise _LateError(f"over {working} s of CPU time, or {waiting} s")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, stop) for number in timers}
    signal.setitimer(signal.ITIMER_PROF, working)
    signal.setitimer(signal.ITIMER_REAL, waiting)
    try:
        yield
    finally:
        for number, timer in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def bound_memory() -> None:
    """Let this process take no more than 2 GiB beyond what it has now: what a header claims is no
    reason to ask for memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _ROOM
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def damaged(content: bytes, rng: Generator) -> bytes:
    """The bytes with one to three kinds of damage; half of them within the first kilobyte."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        content = _KINDS[int(rng.integers(len(_KINDS)))](content, rng)
    return content


def _place(content: bytes, rng: Generator) -> int:
    reach = min(len(content), 1024) if rng.random() < 0.5 else len(content)
    return int(rng.integers(max(reach, 1)))


def _block(content: bytes, rng: Generator) -> tuple[int, int]:
    """Start and end of a block of any length."""
    start = _place(content, rng)
    length = int(rng.choice([1, 2, 4, 8, 64, 512, max(len(content) // 2, 1)]))
    return start, min(start + length, len(content))


def _bit(content: bytes, rng: Generator) -> bytes:
    place = _place(content, rng)
    turned = bytes(one ^ (1 << int(rng.integers(8))) for one in content[place : place + 1])
    return content[:place] + turned + content[place + 1 :]


def _byte(content: bytes, rng: Generator) -> bytes:
    place = _place(content, rng)
    return content[:place] + rng.bytes(1) + content[place + 1 :]


def _odd_bytes(content: bytes, rng: Generator) -> bytes:
    """A byte, a word or a long word at the ends of its range."""
    place, width = _place(content, rng), int(rng.choice([1, 2, 4]))
    odd = bytes(rng.choice([0, 0x7F, 0x80, 0xFF], width).astype(np.uint8))
    return content[:place] + odd + content[place + width :]


def _cut(content: bytes, rng: Generator) -> bytes:
    return content[: _place(content, rng)]


def _removed(content: bytes, rng: Generator) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + content[end:]


def _doubled(content: bytes, rng: Generator) -> bytes:
    start, end = _block(content, rng)
    return content[:end] + content[start:end] + content[end:]


def _zeroed(content: bytes, rng: Generator) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _scrambled(content: bytes, rng: Generator) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + rng.bytes(end - start) + content[end:]


def _swapped(content: bytes, rng: Generator) -> bytes:
    place = _place(content, rng)
    return content[place:] + content[:place]


def _followed(content: bytes, rng: Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 600)))


_KINDS = (
    *(_bit, _bit, _bit, _byte, _byte, _odd_bytes, _odd_bytes, _cut, _removed, _doubled),
    *(_zeroed, _scrambled, _swapped, _followed),
)
