"""Which stages compute on a GPU, and a GPU that such a stage has to itself.

A stage takes a free GPU by a kernel lock on a file of that GPU, and sees no other. The lock dies with the
stage's process, whatever killed it. It chooses among those that CUDA_VISIBLE_DEVICES names,
which Slurm sets; where that is not set, all of the machine. Which GPU it was changes no result: it stands in
the run information. The lock files lie in /tmp, so checkouts and users of one machine share them.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textbcs.stage.definition import covered

VISIBLE = "CUDA_VISIBLE_DEVICES"
FOLDER = Path("/tmp/textbcs-gpus")
_OPENS_IT = "src/textbcs/models/common/device.py"  # the module that opens the device of params.yaml
_SETTINGS = ("training", "training.device")  # parameters that name it
_POLL_S = 0.2


def computes_on_device(params: Iterable[str], code: Iterable[str]) -> bool:
    """Whether a stage opens the device of params.yaml: it is told which, and has the code that does it.

    Args:
        params: dotted keys of the parameters that dvc.yaml gives it.
        code: what it depends on, as dvc.yaml says.
    """
    return bool(set(_SETTINGS) & set(params)) and covered(_OPENS_IT, tuple(code))


def allocate(wanted: bool, folder: Path = FOLDER) -> str | None:
    """Give this process a GPU of its own, or none; to be called before CUDA starts.

    Waits until one is free. The lock lives as long as the process. Where the machine shows no GPU nothing is
    changed: who opens the device says that there is none.

    Args:
        wanted: whether the process computes on a GPU.
        folder: of the lock files.

    Returns:
        The GPU as CUDA_VISIBLE_DEVICES now names it: its number, or its UUID if that was given.
    """
    if not wanted:
        os.environ[VISIBLE] = ""
        return None
    gpus = visible(os.environ)
    if not gpus:
        return None
    if VISIBLE not in os.environ:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the numbers are those of nvidia-smi
    gpu = _wait_for_one(gpus, folder)
    os.environ[VISIBLE] = gpu
    return gpu


def visible(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that may be used, as CUDA counts them: an entry that is none ends the list."""
    if VISIBLE not in environment:
        return _of_the_machine()
    found: list[str] = []
    for entry in environment[VISIBLE].split(","):
        name = entry.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        if name not in found:
            found.append(name)
    return found


def _of_the_machine() -> list[str]:
    """The numbers of the GPUs that the driver shows; [] where there is no driver."""
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if listed.returncode == 0:
            return [line.strip() for line in listed.stdout.splitlines() if line.strip().isdigit()]
    devices = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return sorted(devices, key=int)


def _wait_for_one(gpus: Sequence[str], folder: Path) -> str:
    """The first GPU whose lock is free; its descriptor stays open until the process ends."""
    files = {gpu: _open(folder / _file_name(gpu)) for gpu in gpus}
    told = False
    while True:
        for gpu, descriptor in files.items():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for other in files.values():
                if other != descriptor:
                    os.close(other)
            return gpu
        if not told:
            print(f"waiting for a free GPU among {', '.join(gpus)}", file=sys.stderr, flush=True)
            told = True
        time.sleep(_POLL_S)


def _file_name(gpu: str) -> str:
    """What the lock of a GPU is called. Slurm may count the GPUs of each of its jobs from 0, so the same
    number is another GPU in another of its jobs; what it gave to one it gives to no other."""
    job = os.environ.get("SLURM_JOB_ID") if VISIBLE in os.environ else None
    return re.sub(r"[^\w-]", "_", f"slurm-{job}-{gpu}" if job else gpu)


def _open(path: Path) -> int:
    """A descriptor of a lock file that any user of the machine can lock."""
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o1777)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def on_device(params: Mapping[str, Any]) -> bool:
    """Whether the parameters of a stage, or all, name a GPU."""
    return bool(params.get("training", {}).get("device", "cpu") != "cpu")
