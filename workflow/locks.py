"""Kernel locks of a checkout, and the healing of what a `kill -9` can leave behind.

Snakemake's own lock is a file that a killed run leaves; these locks are held by open files, so the
kernel drops them with their holder, whatever killed it.

- run lock: one run at a time. Exclusive; held by Snakemake's main process until it ends.
- jobs lock: shared by every running job; the start of a run takes it exclusively for a moment, which
  waits until the last job of a killed run is gone. Only then may the state be healed.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from textbcs.base.io import write_bytes
from textbcs.stage.stage_lock import is_stage_busy

STATE = Path(".snakemake/textbcs")
RUN_LOCK = STATE / "run.lock"
JOBS_LOCK = STATE / "jobs.lock"
GOOD_LOCKFILE = STATE / "dvc.lock.good"
FORCED = STATE / "forced"  # addresses of the stages that run whatever DVC says; a start writes it
LOCKFILE = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")

# A dry run holds the run lock for as long as it asks DVC: a second or two, more on a busy machine.
_PATIENCE_WITH_READERS = 60.0
_POLL = 0.1


class BusyError(Exception):
    """Somebody else is at work in this checkout: one line that says who, and what to do."""


def forced_addresses() -> list[str]:
    """Addresses of the stages that are to run although DVC knows their results."""
    return FORCED.read_text(encoding="utf-8").splitlines() if FORCED.is_file() else []


def take_run_lock(purpose: str, wait: bool = False) -> int:
    """Take the run lock.

    Args:
        purpose: `run`, or `read` for an invocation that only looks (it lets the lock go soon).
        wait: whether to wait for another run to end.

    Returns:
        The open descriptor that holds the lock; closing it, or dying, lets it go.

    Raises:
        BusyError: another run is going on.
    """
    descriptor = _open(RUN_LOCK)
    begun = time.monotonic()
    told = False
    while not _try(descriptor, fcntl.LOCK_EX):
        holder, kind = _note(descriptor)
        patience = _PATIENCE_WITH_READERS if kind != "run" else 5 * _POLL
        if time.monotonic() - begun > patience:
            if not wait:
                os.close(descriptor)
                raise BusyError(
                    f"another run (pid {holder}) is going on in this checkout; wait for it with "
                    f"TEXTBCS_WAIT=1, or stop it with: kill {holder}"
                )
            if not told:
                print(f"waiting for the run with pid {holder} to end", file=sys.stderr, flush=True)
                told = True
        time.sleep(_POLL)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {purpose} {socket.gethostname()}\n".encode(), 0)
    return descriptor


def share_jobs_lock() -> int:
    """Mark a running job; the lock lives as long as any process that inherits the descriptor."""
    descriptor = _open(JOBS_LOCK)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def wait_for_orphans() -> int:
    """Wait until no job of an earlier run is alive; return the descriptor that keeps new ones out."""
    descriptor = _open(JOBS_LOCK)
    if not _try(descriptor, fcntl.LOCK_EX):
        print("waiting for the last jobs of an interrupted run to end", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def heal() -> list[str]:
    """Repair what a kill can leave torn. Call it under the run lock and the exclusive jobs lock.

    Returns:
        One line for each repair.

    Raises:
        BusyError: a DVC command typed by hand is at work.
    """
    return [line for line in (heal_rwlock(), heal_lockfile()) if line]


def heal_rwlock() -> str | None:
    """Delete DVC's list of busy paths if it is torn, or if none of its processes is a DVC of ours.

    DVC rewrites the file in place: a kill can leave it empty, which stops every later command. Its
    own check of a listed process is that the number exists, so a reused number blocks for ever.
    """
    from dvc.lock import make_lock

    if not RWLOCK.exists():
        return None
    # DVC edits the file under this lock: a command that starts just now is not disturbed.
    with make_lock(str(RWLOCK) + ".lock", tmp_dir=str(RWLOCK.parent)):
        holders = _holders(RWLOCK)
        if holders is None:
            RWLOCK.unlink()
            return "removed a torn .dvc/tmp/rwlock that a killed run had left"
        for pid, command in sorted(holders):
            if is_dvc_here(pid):
                raise BusyError(
                    f"another DVC command (pid {pid}: {command}) is at work in this checkout; "
                    "wait for it to end"
                )
        RWLOCK.unlink()
        return "removed the traces of killed DVC commands from .dvc/tmp/rwlock" if holders else None


def forget_earlier_try(address: str, seconds: float = 60.0) -> None:
    """Wait until an earlier try of a stage is gone, and take it out of DVC's list of busy paths.

    A job that is submitted again can start while the one before is still dying, or while it is listed with
    a number that on this node is another process. For the job of a stage that nobody else may run now.

    Args:
        address: of the stage.
        seconds: how long to wait; after that DVC itself says who holds the paths.
    """
    from dvc.lock import make_lock

    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        tries = {
            pid for pid, command in _holders(RWLOCK) or () if command.split()[-1:] == [address]
        }
        if not any(map(is_dvc_here, tries)) and not is_stage_busy(address):
            break
        time.sleep(0.2)
    else:
        return
    if tries:
        with make_lock(str(RWLOCK) + ".lock", tmp_dir=str(RWLOCK.parent)):
            lists = json.loads(RWLOCK.read_text(encoding="utf-8"))
            writers, readers = lists.get("write", {}), lists.get("read", {})
            lists["write"] = {path: one for path, one in writers.items() if one["pid"] not in tries}
            kept = {
                path: [one for one in several if one["pid"] not in tries]
                for path, several in readers.items()
            }
            lists["read"] = {path: several for path, several in kept.items() if several}
            write_bytes(RWLOCK, json.dumps(lists).encode())


def _holders(path: Path) -> set[tuple[int, str]] | None:
    """Process ids and commands in DVC's list; None if it is torn."""
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
        writers = list(lists.get("write", {}).values())
        readers = [reader for readers in lists.get("read", {}).values() for reader in readers]
        return {(int(entry["pid"]), str(entry["cmd"])) for entry in writers + readers}
    except FileNotFoundError:
        return set()
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def is_dvc_here(pid: int) -> bool:
    """Whether a process is a DVC command in this checkout, and not a stranger with its number."""
    try:
        process = psutil.Process(pid)
        is_dvc = any(Path(part).name.startswith("dvc") for part in process.cmdline())
        return is_dvc and Path(process.cwd()).is_relative_to(Path.cwd())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    except psutil.AccessDenied:
        return True  # another user's process: leave it alone


def heal_lockfile() -> str | None:
    """Keep a copy of a good dvc.lock; put it back when a kill has torn the file.

    DVC rewrites dvc.lock in place after every stage. What an older copy does not know is not lost:
    DVC finds the finished stages in its run cache.
    """
    if not LOCKFILE.exists():
        return None
    content = LOCKFILE.read_bytes()
    # What equals the copy was good before; reading a long one takes seconds.
    if GOOD_LOCKFILE.exists() and GOOD_LOCKFILE.read_bytes() == content and content:
        return None
    if is_good_lockfile(content):
        write_bytes(GOOD_LOCKFILE, content)
        return None
    sources: dict[str, Callable[[], bytes]] = {
        "the last good copy": lambda: GOOD_LOCKFILE.read_bytes() if GOOD_LOCKFILE.exists() else b"",
        "git": _committed_lockfile,
    }
    for name, read in sources.items():
        copy = read()
        if copy and is_good_lockfile(copy):
            write_bytes(LOCKFILE, copy)
            return f"restored a torn dvc.lock from {name}"
    LOCKFILE.unlink()
    return "removed a torn dvc.lock; finished stages come back from DVC's run cache"


def is_good_lockfile(content: bytes) -> bool:
    """Whether DVC can read this dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    try:
        # An empty file parses as an empty mapping; DVC then refuses it.
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(content.decode("utf-8"), str(LOCKFILE)))
    except (YAMLFileCorruptedError, Invalid, UnicodeDecodeError):
        return False
    return bool(content.strip())


def _committed_lockfile() -> bytes:
    shown = subprocess.run(["git", "show", "HEAD:./dvc.lock"], capture_output=True, check=False)
    return shown.stdout if shown.returncode == 0 else b""


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _note(descriptor: int) -> tuple[str, str]:
    """Process and purpose that the holder wrote; it may just be about to write them."""
    words = os.pread(descriptor, 400, 0).decode(errors="replace").split()
    if len(words) != 3:
        return "unknown", "unknown"
    elsewhere = "" if words[2] == socket.gethostname() else f" on {words[2]}"
    return words[0] + elsewhere, words[1]
