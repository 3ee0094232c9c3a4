"""The start of every Snakemake invocation: settings, locks, healing, and DVC's verdict.

An invocation that executes takes the run lock, waits for orphans of a killed run, heals what the
kill left torn and asks DVC which stages are stale. One that only looks (`-n`, `--rulegraph`, ...) does the
same if nobody runs; while somebody does, it goes by file times and says so.
"""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkout_faults import check_checkout, check_links, name_the_user, system_fault
from engine_options import check_options, forced, reads_only
from file_times import date_back, now_ns
from locks import FORCED, BusyError, heal, take_run_lock, wait_for_orphans
from snakemake.cli import parse_args
from stages import TRIGGER
from stale import Pipeline, ask_dvc

from textbcs.base.io import InputError, write_bytes, write_text
from textbcs.commands.check import check_own_files
from textbcs.commands.clean import delete, leftovers
from textbcs.commands.reports_aside import put_aside
from textbcs.models.common.device import slow_precision
from textbcs.settings.params import Params, load_params
from textbcs.stage.command import one_line
from textbcs.stage.definition import read_stages
from textbcs.stage.process import PARENT


@dataclass(frozen=True)
class Session:
    """What the Snakefile works with.

    Attributes:
        params: the checked values of params.yaml.
        pipeline: the stages, and which of them are stale.
        lock: descriptor that holds the run lock until the process ends; None where none is needed.
    """

    params: Params
    pipeline: Pipeline
    lock: int | None = None

    @property
    def gpus(self) -> int:
        """GPUs that a job takes whose stage computes on the device."""
        return int(self.params["training"]["device"] != "cpu")


def begin(is_main_process: bool, argv: Sequence[str]) -> Session:
    """Prepare an invocation of Snakemake.

    Args:
        is_main_process: False in the processes that Snakemake starts on a cluster for one job.
        argv: Snakemake's command line, without the program.

    Raises:
        SystemExit: with one line, where something has to be done first.
    """
    os.environ[PARENT] = str(os.getpid())  # jobs end with this process
    name_the_user()
    try:
        if not is_main_process:
            # The main process has decided that the job runs.
            return Session(load_params(), ask_dvc(status=False))
        with contextlib.redirect_stderr(io.StringIO()):  # Snakemake has said which profile it uses
            options = parse_args(list(argv))[1]
        check_options(options)
        check_checkout()
        params = load_params()
        check_own_files(params)
        if slow_precision(params):
            print(f"slow: {slow_precision(params)}", file=sys.stderr)
        return Session(params, *_judge(options, params))
    except (BusyError, InputError) as error:
        raise SystemExit(f"error: {one_line(str(error))}") from error
    except Exception as error:
        line = system_fault(error)
        if line is None:
            raise
        raise SystemExit(f"error: {one_line(line)}") from error


def _judge(options: argparse.Namespace, params: Params) -> tuple[Pipeline, int | None]:
    looks = reads_only(options)
    wait = not looks and os.environ.get("TEXTBCS_WAIT") == "1"
    try:
        lock = take_run_lock("read" if looks else "run", wait)
    except BusyError as error:
        if not looks:
            raise
        print(f"freshness unknown, showing file times: {error}", file=sys.stderr)
        return ask_dvc(status=False), None
    if options.executor == "slurm" and not looks:
        refuse_running_cluster_jobs()
    jobs = wait_for_orphans()
    try:
        for repair in heal():
            print(repair, file=sys.stderr)
        if not looks:
            for line in put_aside(params):
                print(line, file=sys.stderr)
        pipeline = ask_dvc(status=True)
        check_links(pipeline.outs(pipeline.stages))
        # Where DVC has nothing to do, `dvc repro` may have run beside them: its folders hold them.
        if not looks and pipeline.stale and remove_leftovers(params):
            pipeline = ask_dvc(status=True)
        names = "".join(f"{name}\n" for name in sorted(forced(options, pipeline)))
        write_bytes(FORCED, names.encode(), durable=False)
        hand_over(pipeline)
    finally:
        os.close(jobs)
    if looks:
        os.close(lock)
    return pipeline, None if looks else lock


def hand_over(pipeline: Pipeline) -> None:
    """Make Snakemake run every stale stage, whatever the times of files are.

    What a stale stage has left becomes older than the trigger, which is an input of it. Nothing else is
    dated ahead of the clock, or Snakemake would fail the jobs that read it.

    Raises:
        InputError: a time cannot be set.
    """
    told = date_back(pipeline.outs(pipeline.stages), now_ns() + 1)
    if pipeline.stale:
        # New content each time: Snakemake ignores a new time on unchanged content.
        write_text(TRIGGER, uuid.uuid4().hex)
        # Snakemake's seconds are floating-point numbers: times closer than a microsecond are the same.
        date_back(pipeline.outs(pipeline.stale), Path(TRIGGER).stat().st_mtime_ns - 1_000_000)
    if told:
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        print(f"dated ahead of the clock, set right: {told[0]}{more}", file=sys.stderr)


def remove_leftovers(params: Params) -> bool:
    """Delete what other parameters have left, so that no stage finds it in a folder that it reads whole.

    Returns:
        Whether there was any.
    """
    paths = leftovers(params, read_stages())
    if paths:
        delete(paths)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        told = f"removed what no stage writes with these parameters: {paths[0]}{more}"
        print(f"{told} (results stay in DVC's cache)", file=sys.stderr)
    return bool(paths)


def refuse_running_cluster_jobs() -> None:
    """After a kill, Slurm's jobs run on; a new run would submit them twice.

    Raises:
        BusyError: jobs of this checkout are queued or running.
    """
    if shutil.which("squeue") is None:
        return
    command = ["squeue", "--noheader", "--me", "--format=%i %Z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    entries = [line.split(maxsplit=1) for line in listed.splitlines()]
    here = [entry[0] for entry in entries if len(entry) == 2 and Path(entry[1]) == Path.cwd()]
    if here:
        raise BusyError(
            f"Slurm jobs {' '.join(here)} of an earlier run still work in this checkout; wait for them, "
            f"or end them with: scancel {' '.join(here)}"
        )
