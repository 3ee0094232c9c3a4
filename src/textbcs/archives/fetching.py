"""Many series from one archive: in parallel where they come over the network, one by one elsewhere.

Bounded in every way: connections, retries, failures and disk. Writes through the caller's work.
"""

import errno
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from typing import Any

from textbcs.archives.archive import Archive
from textbcs.archives.incoming import INCOMING, RAW, alone
from textbcs.archives.transfer import Client, TransferError
from textbcs.base.io import InputError

Job = tuple[str, str]
Rows = list[list[Any]]
# A server that fails so often is down: what remains is not tried.
_MOST_FAILURES = 5
_SIZE_COLUMN = 5


def each_series(
    archive: Archive,
    jobs: Sequence[Job],
    work: Callable[..., Rows],
    done: Callable[[int], object],
) -> list[Rows]:
    """Do the work for every series.

    Args:
        archive: says whether there is a network between.
        jobs: (patient, series UID).
        work: is called with a job; safe in threads where the archive has a client.
        done: is told the bytes of every finished series, one call at a time.

    Returns:
        What `work` returned, in the order of the jobs.

    Raises:
        InputError: names the series that failed, after the others were tried; or the disk is full.
    """
    try:
        with alone() if archive.client else nullcontext():
            if archive.client:
                return _parallel(archive.client, jobs, work, done)
            results = []
            for job in jobs:
                results.append(work(*job))
                done(_bytes(results[-1]))
            return results
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{RAW}: the disk is full; make room and run the same command again to continue"
            ) from error
        raise


def check_space(archive: Archive, jobs: Sequence[Job], sizes: Sequence[int]) -> None:
    """Refuse to start what cannot end.

    Args:
        archive: a network's series need room beside them while they are unpacked.
        jobs, sizes: the series and their bytes; what is here already counts as had.

    Raises:
        InputError: too little space, in numbers.
    """
    needed = 0
    for (patient, series_uid), size in zip(jobs, sizes, strict=True):
        folders = (RAW / patient / series_uid, INCOMING / series_uid)
        had = sum(
            path.stat().st_size
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
        )
        needed += max(0, size - had)
    if archive.client and needed:
        needed += archive.client.network.connections * max(sizes, default=0)
    RAW.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(RAW).free
    if needed > free:
        raise InputError(
            f"{RAW}: the download needs {needed / 1e9:.1f} GB more and the disk has "
            f"{free / 1e9:.1f} GB free; make room, link {RAW} to a larger disk, or choose fewer "
            "cohort.phases or cohort.patients"
        )


def _parallel(
    client: Client, jobs: Sequence[Job], work: Callable[..., Rows], done: Callable[[int], object]
) -> list[Rows]:
    """Do the work in threads; go on after a failed series, until the server seems to be down."""
    lock = threading.Lock()
    failures: dict[str, str] = {}

    def one(job: Job) -> Rows:
        """One job, in a thread; `done` is told of one at a time."""
        if client.stop.is_set():
            raise TransferError("not tried")
        rows = work(*job)
        with lock:
            done(_bytes(rows))
        return rows

    pool = ThreadPoolExecutor(client.network.connections, thread_name_prefix="fetch")
    futures: dict[Future[Rows], Job] = {pool.submit(one, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, TransferError):
                if not client.stop.is_set():
                    failures[futures[future][1]] = str(error)
                if len(failures) >= _MOST_FAILURES:
                    client.stop.set()
            elif error is not None:
                raise error
    finally:
        client.stop.set()  # an interrupt or a fault ends the other threads too
        pool.shutdown(wait=True, cancel_futures=True)
    if failures:
        named = "; ".join(f"series {uid}: {failures[uid]}" for uid in sorted(failures))
        raise InputError(
            f"{len(failures)} of {len(jobs)} series did not arrive: {named}; what arrived is kept: "
            "run the same command again to continue"
        )
    return [future.result() for future in futures]


def _bytes(rows: Rows) -> int:
    return sum(int(row[_SIZE_COLUMN]) for row in rows)
