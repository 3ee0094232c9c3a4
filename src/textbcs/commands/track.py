"""The command `textbcs track`, and the tracking that follows a run of Snakemake."""

import argparse
import os
import time

from textbcs.commands.arguments import add_command, number

SWITCH = "TEXTBCS_TRACKING"  # `off`: nothing is tracked unless somebody types `textbcs track`


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
        from textbcs.lineage.tracking.apart import track_apart

        track_apart()


def _update(arguments: argparse.Namespace) -> None:
    from textbcs.base.io import InputError
    from textbcs.lineage.tracking.database import TrackingError, synchronise

    start = time.process_time()
    try:
        outcome = synchronise(anew=arguments.anew)
    except TrackingError as error:
        raise InputError(f"tracking: {error}") from error
    print(f"{outcome.text()} ({time.process_time() - start:.1f} s CPU time)")


def _ui(arguments: argparse.Namespace) -> int:
    from textbcs.base.io import InputError
    from textbcs.lineage.tracking.database import TrackingError
    from textbcs.lineage.tracking.view import serve

    try:
        return serve(arguments.host, arguments.port)
    except TrackingError as error:
        raise InputError(f"tracking: {error}") from error
