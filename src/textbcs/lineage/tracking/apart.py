"""Tracking in a process of its own: nothing that MLflow does can reach a run of the pipeline."""

import os
import subprocess
import sys

APART_SECONDS = 900
NOT_SHOWN = "not shown: "


def track_apart() -> None:
    """Write what is new in a process of its own; whatever happens to it is one warning.

    It never works on a database that somebody has deleted under its open connections.
    """
    try:
        from textbcs.lineage.tracking.database import is_behind

        if not is_behind():
            return
        done = subprocess.run(
            [sys.executable, "-m", "textbcs.cli", "track"],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=APART_SECONDS,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            _warn(lines[-1].removeprefix("error: ") if lines else f"exit code {done.returncode}")
        elif NOT_SHOWN in done.stdout:
            _warn(done.stdout.strip())
    except Exception as error:
        _warn(" ".join(f"{type(error).__name__}: {error}".split())[:300])


def _environment() -> dict[str, str]:
    """Ours, with the modules that this process runs, whatever is installed."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _warn(reason: str) -> None:
    reason = reason.removeprefix("tracking: ")
    print(f"tracking: {reason}; results are not affected", file=sys.stderr, flush=True)
