"""What varies between identical runs: commit, times, machine, cost. `results/runinfo/<address>.json`.

No output of DVC and ignored by git: it may be absent after a pull, and no result depends on it. It
names the receipt that it belongs to by sha256, so a restored result is not given another run's times.
Written with the receipt.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from textbcs.base import kernels
from textbcs.base.io import sha256_file, write_bytes

FOLDER = Path("results/runinfo")

# Of the CPU, those that libraries choose their code by.
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")

# What loads other libraries than the environment's; the values name folders of a person, so only whether.
PRELOADS = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT")

# What makes a result: an uncommitted change elsewhere (a note, a README) is none of it.
WATCHED = ("src", "workflow", "dvc.yaml", "params.yaml", "requirements.lock")


class Clock:
    """Times of one stage, and how much of its CPU time went into its receipt."""

    def __init__(self) -> None:
        self._cpu = _process_seconds()
        self._receipt = 0.0
        self._started: datetime | None = None
        self._commit: dict[str, Any] = {}

    @contextmanager
    def receipt(self) -> Iterator[None]:
        """Count the block's CPU time as the receipt's."""
        start = _thread_seconds()
        try:
            yield
        finally:
            self._receipt += _thread_seconds() - start

    def start(self) -> None:
        """Note the time and the commit at which the stage begins."""
        self._started = datetime.now(UTC)
        self._commit = commit()

    def write(self, address: str, receipt: str) -> None:
        """Write what is known of the stage `address`, whose receipt has the sha256 `receipt`."""
        with self.receipt():
            facts = {
                "stage": address,
                "receipt": receipt,
                **self._commit,
                "started": self._started.isoformat(timespec="seconds") if self._started else None,
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
                **machine(),
            }
        facts["cpu_seconds"] = round(_process_seconds() - self._cpu, 4)
        facts["receipt_cpu_seconds"] = round(self._receipt, 4)
        text = json.dumps(facts, sort_keys=True, indent=2) + "\n"
        write_bytes(FOLDER / f"{address}.json", text.encode(), durable=False)


def commit() -> dict[str, Any]:
    """`commit`, and `uncommitted`: changed files among those that make a result; None without git."""
    head = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", *WATCHED)
    return {
        "commit": head.strip() if head else None,
        "uncommitted": None if changed is None else [line[3:] for line in changed.splitlines()],
    }


def machine() -> dict[str, Any]:
    """Kind of machine (never its name), Python, torch, card and driver where they took part."""
    torch = sys.modules.get("torch")
    return {
        "host": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": _cpuinfo("model name") or platform.machine(),
            "vendor": _cpuinfo("vendor_id"),
            "instructions": [flag for flag in INSTRUCTIONS if kernels.has(flag)],
            "cores": os.cpu_count(),
        },
        "python": platform.python_version(),
        "installed": installed(),
        "preloads": [name for name in PRELOADS if os.environ.get(name)],
        "torch": str(torch.__version__) if torch else None,
        "card": torch.cuda.get_device_name() if torch and torch.cuda.is_initialized() else None,
        "driver": _first_line(Path("/proc/driver/nvidia/version"), ""),
    }


@cache
def installed() -> dict[str, list[str]]:
    """Name -> version and sha256 of the list of files, of each distribution that Python can import."""
    found: dict[str, list[str]] = {}
    for folder in map(Path, sys.path):
        for record in sorted(folder.glob("*.dist-info/RECORD")):
            name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
            found.setdefault(name, [version, sha256_file(record)])
    return dict(sorted(found.items()))


def _git(*arguments: str) -> str | None:
    """What git prints, or None where there is no git or no repository."""
    try:
        # Without optional locks: several jobs ask at once, and a user may be committing.
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _cpuinfo(name: str) -> str | None:
    line = _first_line(Path("/proc/cpuinfo"), name)
    return line.partition(":")[2].strip() if line else None


def _first_line(path: Path, prefix: str) -> str | None:
    try:
        with path.open() as file:
            return next((line.strip() for line in file if line.startswith(prefix)), None)
    except OSError:
        return None


def _thread_seconds() -> float:
    """CPU time of this thread and of ended child processes (git is one)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + children.ru_utime + children.ru_stime


def _process_seconds() -> float:
    """CPU time of the whole process and of ended child processes."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
