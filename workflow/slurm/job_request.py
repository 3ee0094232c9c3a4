"""Which stages are submitted, and what a job asks of Slurm.

A stage is a job of Slurm if it trains or runs a network, or spreads its patients over processes. Every
other one works for seconds to minutes in one process: it runs where snakemake runs, because waiting in a
queue would take longer.
"""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from slurm.lab_file import NONE, Lab
from textbcs.stage.slurm_jobs import COMMENT
from textbcs.stage.trainings import TRAINS

LOGS = Path("logs/slurm")
HERE_AT_ONCE = 2  # stages that run beside snakemake


@dataclass(frozen=True)
class Request:
    """What one stage asks for."""

    address: str
    kind: str
    processes: int
    gpus: int


def is_submitted(stage: str) -> bool:
    """Whether a stage is a job of Slurm."""
    return kind_of(stage) is not None


def kind_of(stage: str) -> str | None:
    """`training`, `network` or `patients`; None for a stage that runs where snakemake runs."""
    # Not at the top: the processes that submit are many, and are told the kind.
    from resources import gpus, threads

    if TRAINS.fullmatch(stage):
        return "training"
    if gpus(stage, 1):
        return "network"
    return "patients" if threads(stage) > 1 else None


def slurm_log(address: str) -> str:
    """Where Slurm writes what a job prints besides its stage's log; `%j` is the job's number."""
    return str(LOGS / f"{address}-%j.log")


def sbatch_options(request: Request, lab: Lab) -> list[str]:
    """The options of sbatch that decide whether a job is accepted and where it runs."""
    partition = lab.gpu_partition if request.gpus else lab.partition
    options = [
        f"--job-name={request.address}",
        f"--time={lab.minutes[request.kind]}",
        f"--mem={lab.memory_mb[request.kind]}M",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={request.processes}",
        "--no-requeue",
        f"--chdir={Path.cwd()}",
        f"--output={slurm_log(request.address)}",
        "--export=ALL",
    ]
    if request.gpus:
        options.append(f"--gpus={request.gpus}")
    if partition != NONE:
        options.append(f"--partition={partition}")
    if lab.account != NONE:
        options.append(f"--account={lab.account}")
    if lab.options != NONE:
        options += shlex.split(lab.options)
    return options


def comment(submission: str) -> str:
    """What Slurm keeps with a job, so that a start knows it as ours."""
    return f"--comment={COMMENT}{submission}"


def script(request: Request, lab: Lab, log: str, submission: str) -> str:
    """The batch script: the lab's environment, then the stage."""
    lines = ["#!/bin/sh"]
    if lab.activate != NONE:
        lines += [lab.activate + " || exit 127"]
    if lab.scratch != NONE:
        lines += [f"export TMPDIR={_expanding(lab.scratch)}"]
    job = Path(__file__).resolve().with_name("job_on_node.py")
    words = [sys.executable, str(job), request.address, log, submission]
    lines += [
        "unset TEXTBCS_PARENT",  # names a process of another machine
        f"export TEXTBCS_JOBS={request.processes}",
        f"exec {shlex.join(words)}",
    ]
    return "\n".join(lines) + "\n"


def _expanding(folder: str) -> str:
    """A folder's name in a shell: `$SLURM_JOB_ID` and `~` mean what they mean there."""
    plain = re.fullmatch(r"[\w~$/{}.:+-]+", folder)
    return folder if plain else shlex.quote(os.path.expandvars(folder))
