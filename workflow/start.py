"""The start of every Snakemake invocation: settings, locks, healing, and DVC's verdict.

An invocation that executes takes the run lock, waits for orphans of a killed run, heals what the
kill left torn and asks DVC which stages are stale. One that only looks (`-n`, `--rulegraph`, ...) does the
same if nobody runs; while somebody does, it goes by file times and says so.
"""

import argparse
import contextlib
import io
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkout_faults import check_checkout, check_links, name_the_user, system_fault
from engine_options import check_options, forced, reads_only
from file_times import date_back, now_ns
from locks import FORCED, BusyError, heal, take_run_lock, wait_for_orphans
from resources import gpus
from slurm.job_request import HERE_AT_ONCE, is_submitted, kind_of
from slurm.lab_file import Lab, profile_folder, read_lab
from slurm.lab_file import hand_over as hand_over_lab
from slurm.shared_locks import check_shared_locks
from slurm.stop import tell_jobs_of_a_kill
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
from textbcs.stage.slurm_jobs import refuse_beside_slurm_jobs


@dataclass(frozen=True)
class Session:
    """What the Snakefile works with.

    Attributes:
        params: the checked values of params.yaml.
        pipeline: the stages, and which of them are stale.
        lock: descriptor that holds the run lock until the process ends; None where none is needed.
        lab: settings of the cluster; None where the stages run here.
    """

    params: Params
    pipeline: Pipeline
    lock: int | None = None
    lab: Lab | None = None

    @property
    def limits(self) -> dict[str, int]:
        """Most jobs at once, of those that Slurm has and of those that run here; nothing without Slurm."""
        return {"slurm": self.lab.jobs_at_once, "here": HERE_AT_ONCE} if self.lab else {}

    def slots(self, stage: str) -> dict[str, int]:
        """What a job of the stage takes of the limits."""
        return {"slurm" if is_submitted(stage) else "here": 1} if self.lab else {}

    @property
    def gpus(self) -> int:
        """GPUs that a job takes whose stage computes on the device."""
        return int(self.params["training"]["device"] != "cpu")

    def runner(self, stage: str) -> str:
        """The program that runs a job of the stage, before its address and log."""
        if self.lab and is_submitted(stage):
            asked = f"{kind_of(stage)} {gpus(stage, self.gpus)}"
            return f"workflow/slurm/submit_stage.py {asked}"
        return "workflow/run_stage.py"


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
        profile = profile_folder([options.profile, options.workflow_profile])
        lab = read_lab(profile) if profile else None
        params = load_params()
        check_own_files(params)
        if slow_precision(params):
            print(f"slow: {slow_precision(params)}", file=sys.stderr)
        pipeline, lock = _judge(options, params)
        if lab and lock is not None:
            check_shared_locks()
            hand_over_lab(lab)
            tell_jobs_of_a_kill()
        return Session(params, pipeline, lock, lab)
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
    try:
        refuse_beside_slurm_jobs(thorough=True)
    except InputError as error:
        os.close(lock)
        if not looks:
            raise
        print(f"freshness unknown, showing file times: {error}", file=sys.stderr)
        return ask_dvc(status=False), None
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
