"""The command `textbcs track`, and the tracking that follows a run of Snakemake. Is no stage."""

import argparse
import os
import subprocess
import sys
import time

from textbcs.arguments import add_command, number

SWITCH = "TEXTBCS_TRACKING"  # `off`: nothing is tracked unless somebody types `textbcs track`
APART_SECONDS = 900
NOT_SHOWN = "not shown: "


def add_track(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `track` and its actions to the command line."""
    text = (
        "show what has run in MLflow; without an action: write the runs that it does not show yet"
    )
    track = add_command(commands, "track", text)
    track.set_defaults(run=_update, anew=False)
    actions = track.add_subparsers(metavar="ACTION", title="actions")
    text = "make MLflow's database again, from the receipts"
    rebuild = add_command(actions, "rebuild", text)
    rebuild.set_defaults(run=_update, anew=True)
    pages = add_command(actions, "ui", "open MLflow's pages, up to date while they are open")
    pages.add_argument(
        "--host", default="127.0.0.1", help="who may see them; %(default)s: only this machine"
    )
    pages.add_argument(
        "--port", type=number(int, 1, 65535), default=5000, help="where they are (%(default)s)"
    )
    pages.set_defaults(run=_ui)


def track_after_run() -> None:
    """Track what a run of Snakemake has done, if anything; never fails, says one line at most."""
    if os.environ.get(SWITCH, "on").lower() != "off":
        track_apart()


def track_apart() -> None:
    """Write what is new in a process of its own; whatever happens to it is one warning.

    Nothing that MLflow does can reach the caller, and it never works on a database that somebody has
    deleted under its open connections.
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


def _update(arguments: argparse.Namespace) -> None:
    from textbcs.io import InputError
    from textbcs.lineage.tracking.database import TrackingError, synchronise

    start = time.process_time()
    try:
        outcome = synchronise(anew=arguments.anew)
    except TrackingError as error:
        raise InputError(f"tracking: {error}") from error
    print(f"{outcome.text()} ({time.process_time() - start:.1f} s CPU time)")


def _ui(arguments: argparse.Namespace) -> int:
    from textbcs.io import InputError
    from textbcs.lineage.tracking.database import TrackingError
    from textbcs.lineage.tracking.view import serve

    try:
        return serve(arguments.host, arguments.port)
    except TrackingError as error:
        raise InputError(f"tracking: {error}") from error


def _environment() -> dict[str, str]:
    """Ours, with the modules that this process runs, whatever is installed."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _warn(reason: str) -> None:
    reason = reason.removeprefix("tracking: ")
    print(f"tracking: {reason}; results are not affected", file=sys.stderr, flush=True)
