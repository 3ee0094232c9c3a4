"""What Slurm says of our jobs: one question for all of them, and the cause of an end in words.

The normal end of a job is told by the job itself; Slurm is asked about the others. squeue knows every job
that is not long over, with or without accounting.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from slurm.lab_file import Lab
from textbcs.base.io import write_bytes
from textbcs.stage.slurm_jobs import FOLDER, JobRecord, ask_slurm, reason_of

SEEN = FOLDER / "squeue"
PATIENCE = 600.0  # seconds for which Slurm may give no answer

WAITING = (
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "SUSPENDED",
    "RUNNING",
    "COMPLETING",
    "RESIZING",
    "STOPPED",
)
# No fault of the stage: it is submitted again.
BAD_LUCK = {
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not boot",
    "PREEMPTED": "another job took its place",
    "REVOKED": "the site took it back",
    "LOST": "Slurm has lost it",
}
# Reasons for which a job waits for ever.
NEVER = re.compile(
    r"PartitionTimeLimit|PartitionNodeLimit|PartitionInactive|BadConstraints|InvalidAccount|InvalidQOS|"
    r"AccountNotAllowed|QOSNotAllowed|AssocMaxWallDurationPerJobLimit|QOSMaxWallDurationPerJobLimit|\w*MaxCpuPerJobLimit|"
    r"\w*MaxMemPerJob|JobHeldAdmin|JobLaunchFailure|launch_failed_requeued_held"
)
_MEMORY = re.compile(r"memory limit|out.of.memory|oom.kill|OOM Kill", re.IGNORECASE)


@dataclass(frozen=True)
class Seen:
    """What squeue said last.

    Attributes:
        time: of the question, seconds since 1970.
        jobs: state, reason, comment and name by job.
        away: since when Slurm gives no answer; 0 while it does.
        fault: why it gives none.
    """

    time: float = 0.0
    jobs: dict[str, list[str]] = field(default_factory=dict)
    away: float = 0.0
    fault: str = ""


def seen(poll_seconds: float) -> Seen:
    """What squeue says, asked at most once in `poll_seconds` by all processes of this checkout together."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / "squeue.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        last = _last()
        if 0 <= time.time() - last.time < poll_seconds:
            return last
        now = _ask(last)
        write_bytes(SEEN, json.dumps(asdict(now)).encode(), durable=False)
    finally:
        os.close(descriptor)
    if now.away and not last.away:
        print(
            f"Slurm does not answer ({now.fault}); jobs go on, and it is asked again for "
            f"{PATIENCE / 60:.0f} min",
            file=sys.stderr,
            flush=True,
        )
    if last.away and not now.away:
        print("Slurm answers again", file=sys.stderr, flush=True)
    return now


def _last() -> Seen:
    try:
        return Seen(**json.loads(SEEN.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Seen()


def _ask(last: Seen) -> Seen:
    try:
        listed = ask_slurm(
            "squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%r|%k|%j"
        )
    except (OSError, subprocess.SubprocessError) as error:
        # The clock is read after the question, which may have taken a minute.
        return Seen(time.time(), last.jobs, last.away or time.time(), reason_of(error))
    rows = [line.split("|") for line in listed.splitlines()]
    return Seen(time.time(), {row[0]: row[1:5] for row in rows if len(row) >= 5})


def state_of(record: JobRecord, now: Seen) -> tuple[str, str]:
    """A job's state and why it waits; empty where squeue does not list it, or another job has its number."""
    state, reason, *facts = now.jobs.get(record.job, ["", "", "", ""])
    return (state, reason) if record.owns(record.job, *facts) else ("", "")


def final_state(record: JobRecord) -> str:
    """The state of a job that is over, from whichever program of Slurm still knows it; `LOST` if none does.

    Raises:
        OSError, subprocess.SubprocessError: Slurm gives no answer.
    """
    try:
        shown = ask_slurm("scontrol", "--oneliner", "show", "job", record.job)
        facts = dict(re.findall(r"(JobState|Comment|JobName)=(\S+)", shown))
        mine = record.owns(record.job, facts.get("Comment", ""), facts["JobName"])
        return str(facts["JobState"]) if mine else "LOST"
    except subprocess.CalledProcessError as error:
        if "Invalid job id" not in str(error.stderr):
            raise
    except KeyError:
        pass  # an answer without a job in it: sacct may know more
    try:
        words = ask_slurm(
            *("sacct", "-X", "--noheader", "--parsable2", "--format=State"),
            *(f"--jobs={record.job}", f"--name={record.address}"),
        ).split()
    except (OSError, subprocess.SubprocessError):
        words = []  # no accounting here
    return words[0] if words else "LOST"


def killed_for_memory(printed: Path) -> bool:
    """Whether Slurm says in a job's output that it went over its memory."""
    return printed.is_file() and bool(_MEMORY.search(printed.read_text(errors="replace")))


def cause(state: str, kind: str, lab: Lab, printed: Path) -> str:
    """Why a job ended that has not said so itself, and what to do.

    Args:
        state: Slurm's.
        kind: of the stage.
        lab: the settings that may have to be changed.
        printed: what Slurm and the job have written besides the stage's log.
    """
    text = printed.read_text(errors="replace") if printed.is_file() else ""
    if state == "OUT_OF_MEMORY" or killed_for_memory(printed):
        return (
            f"killed, because it needed more than its {lab.memory_mb[kind]} MB of memory; raise memory_mb: "
            f"{kind} in lab.yaml"
        )
    if state in ("TIMEOUT", "DEADLINE"):
        return (
            f"ended by its time limit of {lab.minutes[kind]} min; raise minutes: {kind} in lab.yaml"
        )
    if state == "CANCELLED":
        return "cancelled (scancel); start again to go on"
    if state in BAD_LUCK:
        return BAD_LUCK[state]
    last = [line.strip() for line in text.splitlines() if line.strip()]
    said = f": {last[-1]}" if last else ""
    return f"killed, or it could not start ({state.lower().replace('_', ' ')}{said})"
