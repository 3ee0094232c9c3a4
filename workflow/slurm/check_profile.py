"""`textbcs check --profile NAME`: would Slurm take the jobs of this params.yaml? Nothing is submitted."""

import collections
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from resources import gpus, threads

from slurm.job_request import Request, is_submitted, kind_of, sbatch_options
from slurm.lab_file import NONE, Lab, read_lab
from slurm.shared_locks import check_shared_locks
from textbcs.base.io import InputError
from textbcs.settings.params import load_params
from textbcs.stage.command import exit_code
from textbcs.stage.definition import define_all, read_stages
from textbcs.stage.slurm_jobs import ask_slurm, reason_of

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")


def main(profile: str) -> int:
    """Ask Slurm about each kind of job; return the exit code."""
    lab = read_lab(Path("profiles") / profile)
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise InputError(
            f"no {', '.join(missing)} on this machine; check where you can submit jobs"
        )
    check_shared_locks()
    requests, here = _requests()
    faults = list(_partition_faults(lab, any(one.gpus for one in requests)))
    for request, number in requests.items():
        what = f"{number} {request.kind} job{'s' * (number > 1)} such as {request.address}"
        try:
            _ask(request, lab)
        except InputError as error:
            faults.append(f"{what}: {error}")
        else:
            on = lab.gpu_partition if request.gpus else lab.partition
            print(
                f"accepted: {what} ({request.processes} cores, {lab.memory_mb[request.kind]} MB, "
                f"{lab.minutes[request.kind]} min, partition {on})"
            )
    print(f"run where snakemake runs: {here} short stages")
    print(_accounting())
    if faults:
        raise InputError("; ".join(faults))
    return 0


def _requests() -> tuple[dict[Request, int], int]:
    """One request of each kind and how many jobs are like it; number of stages not submitted."""
    params = load_params()
    wanted = int(params["training"]["device"] != "cpu")
    examples: dict[tuple[str, int, int], Request] = {}
    numbers: collections.Counter[Request] = collections.Counter()
    here = 0
    for address in define_all(params, read_stages()):
        name = address.partition("@")[0]
        if not is_submitted(name):
            here += 1
            continue
        asked = (str(kind_of(name)), threads(name), gpus(name, wanted))
        numbers[examples.setdefault(asked, Request(address, *asked))] += 1
    return dict(numbers), here


def _partition_faults(lab: Lab, with_gpu: bool) -> Iterator[str]:
    """Partitions of the lab's file that Slurm does not have."""
    try:
        there = sorted(set(ask_slurm("sinfo", "--noheader", "--format=%R").split()))
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"Slurm does not answer ({reason_of(error)}); is its controller up?"
        ) from error
    for key, name in (("partition", lab.partition), ("gpu_partition", lab.gpu_partition)):
        if name not in (NONE, *there) and (key == "partition" or with_gpu):
            yield f"lab.yaml: {key}: {name}: no such partition; there are {', '.join(there)}"


def _ask(request: Request, lab: Lab) -> None:
    """Let Slurm judge a request without taking it.

    Raises:
        InputError: it would be refused; Slurm's words.
    """
    command = ("sbatch", "--test-only", *sbatch_options(request, lab), "--wrap=true")
    try:
        ask_slurm(*command)
    except (OSError, subprocess.SubprocessError) as error:
        said = reason_of(error).removeprefix("sbatch: error: ").removeprefix("allocation failure: ")
        raise InputError(f"would be refused ({said})") from error


def _accounting() -> str:
    try:
        ask_slurm("sacct", "--noheader", "--allocations", "--format=JobID")
    except (OSError, subprocess.SubprocessError):
        return "accounting: none, and none is needed"
    return "accounting: there is"


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(*sys.argv[1:])))
