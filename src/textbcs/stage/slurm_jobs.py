"""What this checkout has at Slurm: a record of each job, written before it is submitted, and who still runs.

A killed engine leaves its jobs queued or running, and they would write beside whatever is started next. So
every start asks, by any engine; where Slurm does not answer although records are open, nothing starts.
"""

import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from textbcs.base.io import InputError, write_bytes

FOLDER = Path(".snakemake/textbcs/slurm")
COMMENT = "textbcs:"  # what the comment of every job of ours begins with; the submission follows
BY_SNAKEMAKE = "TEXTBCS_RUN"  # in the environment of a stage whose engine has asked already
_SECONDS = 60


@dataclass(frozen=True)
class JobRecord:
    """A stage that was given to Slurm.

    Attributes:
        address: of the stage.
        submission: unique; a job whose record names another one does nothing.
        user: who submitted it, as Slurm knows the user.
        job: Slurm's number; empty until Slurm has said it.
    """

    address: str
    submission: str
    user: str
    job: str = ""

    @property
    def path(self) -> Path:
        """Where the record lies while the job is open."""
        return FOLDER / f"{self.address}.json"

    @property
    def end(self) -> Path:
        """What the job itself writes when it ends."""
        return FOLDER / f"{self.address}.{self.submission}.end"

    def owns(self, job: str, comment: str, name: str) -> bool:
        """Whether a job that Slurm lists is this one.

        Its number alone does not tell: a controller that dies before it has saved a new job forgets it, and
        gives its number again.

        Args:
            job: the number.
            comment: as Slurm has it; where a site keeps none, number and name decide.
            name: as Slurm has it.
        """
        if comment.startswith(COMMENT):
            return comment == COMMENT + self.submission
        return bool(self.job) and (job, name) == (self.job, self.address)

    def write(self) -> None:
        """Write the record so that other nodes see it."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path, json.dumps(asdict(self)).encode())

    def close(self) -> None:
        """Remove the record: the job is over."""
        self.path.unlink(missing_ok=True)
        self.end.unlink(missing_ok=True)


def read_record(address: str) -> JobRecord | None:
    """The open record of a stage, or None; of one that is damaged, only that there is one."""
    try:
        return JobRecord(**json.loads((FOLDER / f"{address}.json").read_text(encoding="utf-8")))
    except OSError:
        return None
    except (ValueError, TypeError):
        return JobRecord(address, "", "")


def open_records() -> list[JobRecord]:
    """Records of jobs of which nobody has seen the end, by address."""
    found = [read_record(path.name.removesuffix(".json")) for path in sorted(FOLDER.glob("*.json"))]
    return [record for record in found if record is not None]


def refuse_beside_slurm_jobs(thorough: bool = False) -> None:
    """Check that no job of this checkout waits or runs at Slurm; forget the records of those that ended.

    Args:
        thorough: whether to ask Slurm, where there is one, although no record is open.

    Raises:
        InputError: jobs are queued or running, or Slurm does not say whether they are.
    """
    records = open_records()
    if not records and not (thorough and shutil.which("squeue")):
        return
    try:
        here = _running_here(records)
    except (OSError, subprocess.SubprocessError) as error:
        if not records:
            return  # nothing was submitted from here, as far as anybody knows
        names = " ".join(record.job or record.address for record in records)
        raise InputError(
            f"Slurm does not say whether the jobs {names} of an earlier run still work in this checkout "
            f"({reason_of(error)}); start again when squeue answers. Where Slurm is gone: rm -r {FOLDER}"
        ) from error
    if here:
        raise InputError(
            f"Slurm jobs {' '.join(here)} of an earlier run still work in this checkout; wait for them, "
            f"or end them with: scancel {' '.join(here)}"
        )
    for record in records:
        record.close()


def slurm_environment() -> dict[str, str]:
    """The environment for Slurm's programs, without the settings of a job in which we may run ourselves."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_"))
    }


def ask_slurm(*command: str, seconds: float = _SECONDS) -> str:
    """What a program of Slurm prints.

    Raises:
        OSError: there is no such program.
        subprocess.SubprocessError: it failed, or did not answer in time.
    """
    environment = slurm_environment()
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=seconds, env=environment
    ).stdout


def reason_of(error: Exception) -> str:
    """Why a program of Slurm gave no answer, in one line: its own words where it had any."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {error.timeout:.0f} s"
    said = getattr(error, "stderr", None) or str(error)
    return " ".join(str(said).split())


def _running_here(records: Sequence[JobRecord]) -> list[str]:
    """Numbers of the jobs that are not over and belong to a record, or name this folder as theirs."""
    users = {record.user for record in records if record.user} | {getpass.getuser()}
    listed = ask_slurm(
        "squeue", "--noheader", f"--user={','.join(sorted(users))}", "--format=%i|%k|%j|%Z"
    )
    found = []
    for line in listed.splitlines():
        job, comment, name, folder = [*line.split("|", maxsplit=3), "", "", ""][:4]
        ours = comment.startswith(COMMENT) and Path(folder) == Path.cwd()
        if ours or any(record.owns(job, comment, name) for record in records):
            found.append(job)
    return found
