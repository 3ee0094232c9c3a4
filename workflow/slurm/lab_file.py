"""What a lab sets for its cluster: `lab.yaml` beside the profile, ten lines that git does not track."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, write_bytes
from textbcs.settings.params import read_yaml
from textbcs.stage.slurm_jobs import FOLDER

NAME = "lab.yaml"
EXAMPLE = "lab.example.yaml"
NONE = "none"
KINDS = ("patients", "network", "training")  # what is submitted (job_request.py)
HANDED_OVER = FOLDER / "lab"  # what the start has checked, for its jobs


@dataclass(frozen=True)
class Lab:
    """A lab's settings; `none` where nothing is to be said.

    Attributes:
        account: that jobs are charged to.
        partition: for jobs without a GPU.
        gpu_partition: for jobs with one.
        memory_mb: by kind of stage; megabytes of a job.
        minutes: by kind of stage; the time limit.
        scratch: folder of a node for temporary files.
        activate: a shell command before every job, such as `module load cuda/12.4`.
        options: more options of sbatch.
        poll_seconds: between two questions to Slurm, for all jobs together.
        jobs_at_once: most jobs that wait or run at Slurm.
    """

    account: str
    partition: str
    gpu_partition: str
    memory_mb: Mapping[str, int]
    minutes: Mapping[str, int]
    scratch: str
    activate: str
    options: str
    poll_seconds: int
    jobs_at_once: int


def profile_folder(profiles: list[str | Path | None]) -> Path | None:
    """The profile for Slurm among those of a command line: it has an example beside it; None without.

    Args:
        profiles: folders, as Snakemake's --profile and --workflow-profile name them.
    """
    folders = [Path(profile) for profile in profiles if profile]
    return next((folder for folder in folders if (folder / EXAMPLE).is_file()), None)


def read_lab(folder: Path) -> Lab:
    """Read and check a lab's file.

    Args:
        folder: of the profile.

    Raises:
        InputError: it is missing, or a line of it is wrong.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, and what Slurm needs to know of your cluster stands there: "
            f"cp {folder / EXAMPLE} {path}, edit it, then: textbcs check --profile {folder.name}"
        )
    values = read_yaml(path)
    names = [field.name for field in fields(Lab)]
    if not isinstance(values, dict) or set(values) != set(names):
        given = set(values) if isinstance(values, dict) else set()
        wrong = sorted(set(names) ^ given, key=str)
        raise InputError(
            f"{path}: {wrong[0]}: is {'missing' if wrong[0] in names else 'no setting'}; "
            f"the file has the lines of {folder / EXAMPLE}"
        )
    for name in names:
        _check(path, name, values[name])
    return Lab(**values)


def hand_over(lab: Lab) -> None:
    """Leave the settings to the processes that submit; reading YAML would cost each of them more.

    What an earlier run has left of its questions and answers goes: none of its jobs is left.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    write_bytes(HANDED_OVER, json.dumps(asdict(lab)).encode(), durable=False)


def handed_over() -> Lab:
    """The settings that the start has left."""
    return Lab(**json.loads(HANDED_OVER.read_text(encoding="utf-8")))


def _check(path: Path, name: str, value: Any) -> None:
    kind = {field.name: field.type for field in fields(Lab)}[name]
    if kind is int:
        if not _positive(value):
            raise InputError(f"{path}: {name}: {value!r} is no positive whole number; correct it")
    elif kind is str:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not text.isprintable() or not text:
            raise InputError(
                f"{path}: {name}: {value!r} is no text in one line; write none for nothing"
            )
        if name in ("account", "partition", "gpu_partition") and len(text.split()) != 1:
            raise InputError(f"{path}: {name}: {value!r}: one name is needed, or none")
    elif (
        not isinstance(value, dict)
        or set(value) != set(KINDS)
        or not all(map(_positive, value.values()))
    ):
        raise InputError(
            f"{path}: {name}: a positive whole number each for {', '.join(KINDS)} is needed, such as "
            f"{{{', '.join(f'{key}: 60' for key in KINDS)}}}"
        )


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
