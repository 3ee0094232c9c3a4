"""The same work for many items, in this process or in several; results come in the items' order.

`TEXTBCS_JOBS` in the environment says how many processes a stage may use, 1 if it is not set; Snakemake
sets it to the threads of the rule. It changes no byte of a result, hence it is no parameter.
"""

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from textbcs.base.io import InputError
from textbcs.stage.process import PARENT, die_with_parent

JOBS = "TEXTBCS_JOBS"
# A process takes about a second to start. Work that is done in less than this is not worth one.
_PATIENCE_S = 2.0
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def allowed_jobs() -> int:
    """How many processes the environment allows.

    Raises:
        InputError: the variable is no whole number above 0.
    """
    text = os.environ.get(JOBS, "") or "1"
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise InputError(
            f"environment: {JOBS} = {text!r} is no whole number above 0; unset or correct it"
        )
    return int(text)


def each(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    jobs: int,
    patience_s: float = _PATIENCE_S,
) -> Generator[_Result, None, None]:
    """What `work` returns for every item, in the order of the items.

    Items are done here until `patience_s` have passed; only what then remains goes to processes.

    Args:
        work: a function of a module, whose result depends on its item alone.
        items: like the results, small and picklable: they travel between processes.
        jobs: most processes that work at once.
        patience_s: seconds.

    Raises:
        InputError: as `work`; or a process was killed.
    """
    start = time.monotonic()
    for done, item in enumerate(items):
        workers = min(jobs, len(items) - done)
        if workers > 1 and time.monotonic() - start >= patience_s:
            yield from _spread(work, items[done:], workers)
            return
        yield work(item)


def _spread(
    work: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int
) -> Iterator[_Result]:
    """The results in the order of the items, from `jobs` processes."""
    # Fresh processes: a fork would copy threads' locks (progress bars and network clients have some).
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (os.getpid(),))
    try:
        yield from pool.map(work, items)
    except BrokenProcessPool as error:
        raise InputError(
            f"a process of {jobs} was killed, probably for lack of memory; set {JOBS} (or the "
            "stage's threads in workflow/resources.py) lower and run the same command again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """Start of a process: it ends with its parent, which alone answers to Ctrl-C."""
    os.environ[PARENT] = str(parent)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
