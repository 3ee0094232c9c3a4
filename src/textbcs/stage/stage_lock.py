"""The lock of a stage, held by the process that does its work, on whatever node that is.

Two engines, or a job that outlived its engine and a new one, must not write the same files at once. The
kernel drops the lock with its holder.
"""

import fcntl
import os
import socket
from pathlib import Path

from textbcs.base.io import InputError

FOLDER = Path(".snakemake/textbcs/stages")


def is_stage_busy(address: str) -> bool:
    """Whether a process is at work on a stage, as far as locks reach."""
    return is_held(FOLDER / f"{address}.lock")


def is_held(lock: Path) -> bool:
    """Whether somebody holds a lock file exclusively, as far as locks reach; disturbs no other look."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def hold_stage_lock(address: str) -> int:
    """Take the lock of a stage until this process and all that it starts have ended.

    Args:
        address: of the stage, such as `train@unet-1`.

    Returns:
        The descriptor that holds it; child processes that inherit it hold it too.

    Raises:
        InputError: another process is at work on the stage.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / f"{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise InputError(
            f"{address}: another process is at work on this stage ({holder}); wait for it to end, or stop it"
        ) from error
    os.ftruncate(descriptor, 0)
    job = os.environ.get("SLURM_JOB_ID")
    slurm = f", Slurm job {job}" if job else ""
    os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}{slurm}\n".encode(), 0)
    return descriptor
