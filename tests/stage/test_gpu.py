"""A stage that computes on a GPU has one to itself; the GPUs here are names in CUDA_VISIBLE_DEVICES."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from textbcs.settings.params import read_yaml
from textbcs.stage import gpu

# A stage's process: says which GPU it was given, and works until its input ends.
JOB = """
import os, sys
from pathlib import Path
from textbcs.stage import gpu
taken = gpu.allocate(sys.argv[2] == "cuda", Path(sys.argv[1]))
print(taken, os.environ[gpu.VISIBLE], flush=True)
sys.stdin.read()
"""


class Jobs:
    """Processes that ask for a GPU among two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, device: str = "cuda", **environment: str) -> subprocess.Popen[str]:
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, str(self.folder), device],
            env={**os.environ, gpu.VISIBLE: "4,7", "SLURM_JOB_ID": "", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(job)
        return job

    def given(self, **environment: str) -> str:
        """What a new job says that it has, and sees."""
        return said(self.start(**environment))


def said(job: subprocess.Popen[str]) -> str:
    assert job.stdout is not None
    return job.stdout.readline().strip()


def waits(job: subprocess.Popen[str]) -> str:
    """What a job says that has to wait."""
    assert job.stderr is not None
    return job.stderr.readline().strip()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    started = Jobs(tmp_path / "locks")
    yield started
    for job in started.running:
        job.kill()
        job.communicate()


def test_two_jobs_have_two_gpus_and_a_third_waits_for_one(jobs: Jobs) -> None:
    first, second = jobs.start(), jobs.start()
    assert sorted([said(first), said(second)]) == ["4 4", "7 7"]
    third = jobs.start()
    assert waits(third) == "waiting for a free GPU among 4, 7"
    time.sleep(3 * gpu._POLL_S)
    assert third.poll() is None
    second.communicate()  # ends it
    assert said(third) in ("4 4", "7 7")


def test_a_killed_job_frees_its_gpu(jobs: Jobs) -> None:
    first, second = jobs.start(), jobs.start()
    had = {said(first): first, said(second): second}
    killed = had["7 7"]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert jobs.given() == "7 7"


def test_a_job_on_the_cpu_takes_no_gpu_and_sees_none(jobs: Jobs) -> None:
    assert jobs.given(device="cpu") == "None"
    assert sorted([jobs.given(), jobs.given()]) == ["4 4", "7 7"]


def test_slurm_gives_the_same_number_to_two_jobs_that_have_two_gpus(jobs: Jobs) -> None:
    one = {gpu.VISIBLE: "0", "SLURM_JOB_ID": "1"}
    assert jobs.given(**one) == "0 0"
    assert jobs.given(**one | {"SLURM_JOB_ID": "2"}) == "0 0"
    third = jobs.start(**one)
    assert waits(third) == "waiting for a free GPU among 0"


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("0,1", ["0", "1"]),
        (" 3 , 1,3", ["3", "1"]),
        ("1,-1,2", ["1"]),
        ("NoDevFiles", []),
        ("", []),
        ("GPU-0c2f,MIG-7/1/0", ["GPU-0c2f", "MIG-7/1/0"]),
        ("../x,0", []),
    ],
)
def test_gpus_are_counted_as_cuda_does(named: str, found: list[str]) -> None:
    assert gpu.visible({gpu.VISIBLE: named}) == found


def driver(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A machine whose nvidia-smi is this script, and whose environment names no GPU."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    for name in (gpu.VISIBLE, "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


def test_without_the_variable_the_driver_says_which_gpus_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, monkeypatch, "printf '0\\n1\\n'")
    assert gpu.allocate(True, tmp_path / "locks") in ("0", "1")
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_machine_without_gpus_is_left_to_who_opens_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, monkeypatch, "exit 9")
    if any(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has a GPU")
    assert gpu.allocate(True, tmp_path / "locks") is None
    assert gpu.VISIBLE not in os.environ
    assert not (tmp_path / "locks").exists()


def test_the_lock_of_another_user_can_be_taken(tmp_path: Path) -> None:
    """Who made the file does not matter: nobody writes to it."""
    gpu._open(tmp_path / "locks/0")
    assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "locks/0").stat().st_mode & 0o444 == 0o444


def test_stages_that_compute_on_the_device_are_those_whose_modules_open_it() -> None:
    """dvc.yaml against the code: who imports what opens the device, and is told which it is."""
    from import_closure import closure

    from textbcs.stages.modules import module_names

    stages = read_yaml("dvc.yaml")["stages"]
    asked = {
        name
        for name, one in stages.items()
        if gpu.computes_on_device(one.get("params", []), one["deps"])
    }
    opening = {
        name
        for name, module in module_names().items()
        if any(
            "open_device(" in Path(file).read_text() for file in closure(module) - {gpu._OPENS_IT}
        )
    }
    assert Path(gpu._OPENS_IT).is_file()
    assert asked == opening
    assert "complexity" not in asked  # it counts on the meta device
