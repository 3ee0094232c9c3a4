"""Run one stage as a job of Slurm and wait for it: `submit_stage.py KIND GPUS ADDRESS LOG`, a Snakemake job.

It stands for the job at the machine that runs Snakemake, and ends as the job does. What is no fault of the
stage is submitted again. A Ctrl-C cancels the job; if this process is killed outright, the job goes on, and
the next start names it.
"""

import contextlib
import getpass
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from slurm import job_request, job_states
from slurm.job_request import Request
from slurm.lab_file import Lab, handed_over
from slurm.stop import stop_wish
from textbcs.stage.process import die_with_parent
from textbcs.stage.slurm_jobs import JobRecord, ask_slurm, reason_of, slurm_environment

AGAIN = 2  # times that a stage is submitted again
GRACE = 30.0  # seconds for which a shared file system may hide what a job has written
_TICK = 0.5
_AWAY = ("Unable to contact", "Socket timed out", "Connection refused", "temporarily", "Zero Bytes")
_TOLD = Path(".snakemake/textbcs/slurm/locks.told")


class CancelledError(Exception):
    """The user wants the job no more."""


class GaveUpError(Exception):
    """The job's end cannot be awaited: one line that says why."""


def main(kind: str, gpus: str, address: str, log: str) -> int:
    """Run the stage `address` on Slurm; return its exit code."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _cancel)
    lab = handed_over()
    request = Request(address, kind, int(os.environ["TEXTBCS_JOBS"]), int(gpus))
    try:
        for attempt in range(AGAIN + 1):
            code, line, retry = _Job(request, lab, log).run()
            if not retry or attempt == AGAIN:
                break
            print(f"{address}: {line}; submitted again", file=sys.stderr, flush=True)
    except CancelledError:
        code, line = 130, "cancelled"
    except GaveUpError as error:
        code, line = 1, str(error)
    if code:
        print(f"{address}: {line}; logs: {log}, {job_request.LOGS}", file=sys.stderr, flush=True)
    return code


class _Job:
    """One submission of a stage."""

    def __init__(self, request: Request, lab: Lab, log: str) -> None:
        self.request, self.lab, self.log = request, lab, log
        self.record = JobRecord(request.address, uuid.uuid4().hex, getpass.getuser())
        self.printed = Path()

    def run(self) -> tuple[int, str, bool]:
        """Submit and wait; exit code, what was wrong, and whether it is worth another try."""
        self.record.write()
        try:
            job = self._submit()
            self.record = replace(self.record, job=job)
            self.record.write()
            self.printed = Path(job_request.slurm_log(self.request.address).replace("%j", job))
            ended = self._wait()
        except (CancelledError, KeyboardInterrupt):
            self._scancel()
            raise CancelledError from None
        self.record.close()
        return ended

    def _submit(self) -> str:
        """Give the job to Slurm; waits while the controller is away.

        Slurm may have taken a job although sbatch failed: its record then names a later submission, and
        the job does nothing.
        """
        job_request.LOGS.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        while True:
            command = ["sbatch", "--parsable", *job_request.sbatch_options(self.request, self.lab)]
            command.append(job_request.comment(self.record.submission))
            text = job_request.script(self.request, self.lab, self.log, self.record.submission)
            try:
                done = subprocess.run(
                    command,
                    input=text,
                    text=True,
                    capture_output=True,
                    check=False,
                    env=_environment(),
                )
            except OSError as error:
                self.record.close()
                raise GaveUpError(
                    f"sbatch cannot be started ({error.strerror}); start where Slurm is"
                ) from error
            if done.returncode == 0:
                return done.stdout.strip().partition(";")[0].splitlines()[-1]
            said = " ".join(done.stderr.split()).removeprefix("sbatch: error: ")
            if not any(sign in said for sign in _AWAY):
                self.record.close()
                raise GaveUpError(
                    f"Slurm refuses the job ({said}); see: textbcs check --profile slurm"
                )
            if time.monotonic() - begun > job_states.PATIENCE:
                raise GaveUpError(
                    f"Slurm has taken no job for {job_states.PATIENCE / 60:.0f} min ({said})"
                )
            job_states.seen(self.lab.poll_seconds)  # says once, for all jobs, that Slurm is away
            self._heed_stop(waits=True)
            time.sleep(5 * _TICK)
            self.record = replace(self.record, submission=uuid.uuid4().hex)
            self.record.write()

    def _wait(self) -> tuple[int, str, bool]:
        """Wait until the job has said how it ended, or Slurm says that it is over."""
        submitted = time.time()
        missing = 0.0
        while True:
            if self.record.end.is_file():
                return self._told(json.loads(self.record.end.read_text(encoding="utf-8")))
            now = job_states.seen(self.lab.poll_seconds)
            if now.away and time.time() - now.away > job_states.PATIENCE:
                raise GaveUpError(
                    f"Slurm has not answered for {job_states.PATIENCE / 60:.0f} min ({now.fault}); "
                    f"job {self.record.job} may run on; start again when squeue answers"
                )
            state, reason = job_states.state_of(self.record, now)
            self._heed_stop(waits=state in ("PENDING", ""), away=bool(now.away))
            if state == "PENDING" and job_states.NEVER.fullmatch(reason):
                self._scancel()
                raise GaveUpError(
                    f"would wait for ever ({reason}); see: textbcs check --profile slurm"
                )
            if now.away or now.time < submitted or state in job_states.WAITING:
                missing = 0.0
            else:
                missing = missing or time.monotonic()
                told = state not in (
                    "COMPLETED",
                    "FAILED",
                    "",
                )  # else its last word may be on its way
                if told or time.monotonic() - missing > GRACE:
                    return self._over(state)
            time.sleep(_TICK)

    def _told(self, end: dict[str, object]) -> tuple[int, str, bool]:
        """What the job has said of its end."""
        if not end["locks"]:
            _say_locks(str(end["node"]))
        code, line = int(str(end["code"])), str(end["line"])
        if code and job_states.killed_for_memory(self.printed):
            line = job_states.cause("OUT_OF_MEMORY", self.request.kind, self.lab, self.printed)
        return code, self._with_place(line, str(end["node"])), False

    def _over(self, state: str) -> tuple[int, str, bool]:
        """What Slurm says of a job that has not said how it ended."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            state = job_states.final_state(self.record)
        line = job_states.cause(state, self.request.kind, self.lab, self.printed)
        return 1, self._with_place(line), state in job_states.BAD_LUCK

    def _with_place(self, line: str, node: str = "") -> str:
        place = f" on {node}" if node else ""
        return f"{line} (Slurm job {self.record.job}{place})"

    def _heed_stop(self, waits: bool, away: bool = False) -> None:
        """End where Snakemake was told to: a job that runs may end, unless it was told twice."""
        wish = stop_wish()
        if wish > 1 or (wish and waits):
            raise CancelledError
        if wish and away:
            raise GaveUpError(f"left alone, since Slurm does not answer: job {self.record.job}")

    def _scancel(self) -> None:
        """End the job; where Slurm does not answer the record stays, and the next start asks again."""
        try:
            if self.record.job:
                name = f"--name={self.request.address}"  # the number may be another's by now
                ask_slurm("scancel", name, self.record.job, seconds=20)
        except (OSError, subprocess.SubprocessError) as error:
            print(
                f"{self.request.address}: job {self.record.job} is not cancelled ({reason_of(error)})",
                file=sys.stderr,
            )


def _environment() -> dict[str, str]:
    environment = slurm_environment()
    environment.pop("TEXTBCS_PARENT", None)
    return environment


def _say_locks(node: str) -> None:
    """Say once what a file system without common locks needs."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(_TOLD, os.O_CREAT | os.O_EXCL))
        print(
            f"file locks do not reach from here to {node}: Slurm's list of jobs replaces ours; for DVC's do "
            "once: dvc config --local core.hardlink_lock true",
            file=sys.stderr,
            flush=True,
        )


def _cancel(number: int, frame: FrameType | None) -> None:
    raise CancelledError


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
