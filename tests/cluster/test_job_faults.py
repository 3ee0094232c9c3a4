"""How a job of Slurm ends that does not end well: its cause, in one line, where Snakemake's user sees it.

The program that stands for the job is started as Snakemake starts it, several at once.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from checkout import Checkout, copy
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.dag

STATE = ".snakemake/textbcs"
LAB = {
    "account": "none", "partition": "cpu", "gpu_partition": "gpu", "scratch": "none", "activate": "none",
    "options": "none", "poll_seconds": 1, "jobs_at_once": 32,
    "memory_mb": {"patients": 4000, "network": 4000, "training": 1000},
    "minutes": {"patients": 10, "network": 10, "training": 10},
}  # fmt: skip

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def checkout(toy_origin: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished toy pipeline whose stages all run again when they are asked for."""
    made = copy(toy_origin, tmp_path_factory.mktemp("faults") / "copy")
    (made.root / STATE / "slurm").mkdir(parents=True, exist_ok=True)
    (made.root / STATE / "slurm/lab").write_text(json.dumps(LAB))
    made.set_param("seeds", [1, 91, 92])  # trainings do not wait for each other
    trainings = [f"train@{method}-{seed}" for method in ("unet", "textbcs") for seed in (1, 91, 92)]
    (made.root / STATE / "forced").write_text("\n".join(["phantom", *trainings]))
    return made


@pytest.fixture
def start(cluster: SlurmCluster, checkout: Checkout) -> Iterator[Start]:
    """Starts the program that stands for a stage's job, in a run that holds its lock."""
    run_lock = (checkout.root / STATE / "run.lock").open("a")
    with contextlib.ExitStack() as ends, run_lock:
        fcntl.flock(run_lock, fcntl.LOCK_EX)

        def begin(address: str, **extra: str) -> "subprocess.Popen[str]":
            name, _, items = address.partition("@")
            kind = "training" if name == "train" else "patients"
            log = f"logs/{name}/{items}.log" if items else f"logs/{name}.log"
            process = subprocess.Popen(
                [sys.executable, "workflow/slurm/submit_stage.py", kind, "0", address, log],
                cwd=checkout.root,
                env=checkout.environment | cluster.environment | {"TEXTBCS_JOBS": "1"} | extra,
                stderr=subprocess.PIPE,
                text=True,
            )
            ends.callback(process.wait)
            ends.callback(process.kill)
            return process

        yield begin
    cluster.ask("scancel", "--user=root")
    cluster.wait_until_empty()
    for record in (checkout.root / STATE / "slurm").glob("*.json"):
        record.unlink()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and what was said."""
    said = process.communicate(timeout=180)[1]
    return process.returncode, said


def on_node(checkout: Checkout, address: str) -> psutil.Process:
    """The process of a job on its node, when its stage is at work."""
    checkout.wait_for("textbcs.stages", *address.replace("-", "@").split("@"))
    return checkout.wait_for(str(checkout.root / "workflow/slurm/job_on_node.py"), address)


def test_each_fault_names_its_cause(
    cluster: SlurmCluster, checkout: Checkout, start: Start
) -> None:
    slow = {"TOY_PAUSE": "60"}
    own = start("train@unet-1", TOY_FAIL="train")
    memory = start("train@textbcs-1", TOY_MEMORY="2000", **slow)
    limit = start("train@unet-91", **slow)
    cancelled = start("train@textbcs-91", **slow)
    killed = start("train@unet-92", **slow)

    on_node(checkout, "train@unet-91")
    cluster.ask(
        "scontrol", "update", f"JobId={cluster.wait_for('train@unet-91')}", "TimeLimit=00:00:01"
    )
    on_node(checkout, "train@unet-92").kill()
    on_node(checkout, "train@textbcs-91")
    cluster.ask("scancel", cluster.wait_for("train@textbcs-91"))

    for process, line in (
        (own, r"train@unet-1: error: toy.csv: a column is missing; regenerate it (Slurm job "),
        (
            memory,
            "train@textbcs-1: killed, because it needed more than its 1000 MB of memory; raise ",
        ),
        (
            limit,
            "train@unet-91: ended by its time limit of 10 min; raise minutes: training in lab.yaml",
        ),
        (cancelled, "train@textbcs-91: cancelled (scancel); start again to go on (Slurm job "),
        (killed, "train@unet-92: killed, or it could not start (failed"),
    ):
        code, said = ended(process)
        assert code
        assert said.startswith(line)
        assert said.count("\n") == 1
        assert "; logs: logs/" in said


@pytest.mark.parametrize("is_saved", [True, False])
def test_the_controller_is_away(
    cluster: SlurmCluster, checkout: Checkout, start: Start, is_saved: bool
) -> None:
    """A running job ends well all the same; one that Slurm forgets, its number given again, runs again."""
    process = start("train@textbcs-92", TOY_PAUSE="4")
    on_node(checkout, "train@textbcs-92")
    if is_saved:
        time.sleep(6)  # the controller saves its state every five seconds
    cluster.stop("slurmctld -D", signal.SIGKILL)
    late = start("train@unet-1")  # is submitted when Slurm is there again
    time.sleep(6)
    cluster.start("slurmctld", "-D")
    code, said = ended(process)
    assert code == 0, said
    late_code, late_said = ended(late)
    assert late_code == 0, late_said
    lines = [line.partition(" (")[0] for line in (said + late_said).splitlines()]
    assert "Slurm does not answer" in lines
    lost = set() if is_saved else {"train@textbcs-92: Slurm has lost it"}
    assert lost <= set(lines) <= lost | {"Slurm does not answer", "Slurm answers again"}, said
    assert len(lines) <= 4 + len(lost), said  # a controller that comes back may falter once


def test_a_node_fails(cluster: SlurmCluster, checkout: Checkout, start: Start) -> None:
    process = start("phantom", TOY_PAUSE="8")
    on_node(checkout, "phantom")
    cluster.ask("scontrol", "update", "NodeName=b", "State=DOWN", "Reason=test")
    time.sleep(2)
    cluster.ask(
        "scontrol", "update", "NodeName=b", "State=RESUME", ok=False
    )  # or it has come by itself
    code, said = ended(process)
    assert code == 0, said
    assert said == "phantom: its node failed (Slurm job " + said.partition("job ")[2]
    assert said.endswith("; submitted again\n")


def test_another_job_takes_its_place(
    cluster: SlurmCluster, checkout: Checkout, start: Start
) -> None:
    """It is submitted again, and runs when the other is over."""
    process = start("train@textbcs-1", TOY_PAUSE="6")
    on_node(checkout, "train@textbcs-1")
    cluster.ask("sbatch", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3")
    code, said = ended(process)
    assert code == 0, said
    assert said.startswith("train@textbcs-1: another job took its place (Slurm job ")
    assert said.endswith("; submitted again\n")


def test_a_job_that_still_waits(cluster: SlurmCluster, checkout: Checkout, start: Start) -> None:
    """One whose engine was killed does nothing when it starts; one whose engine was told to end goes."""
    cluster.ask("scontrol", "update", "NodeName=b", "State=DRAIN", "Reason=test")
    try:
        orphan, stopped = start("train@unet-1"), start("train@textbcs-1")
        job = cluster.wait_for("train@unet-1", "PENDING")
        cluster.wait_for("train@textbcs-1", "PENDING")
        orphan.kill()
        (
            checkout.root / STATE / "slurm/train@unet-1.json"
        ).unlink()  # as a start does that takes over
        stop = checkout.root / STATE / "slurm/stop"
        stop.write_text(".")
        assert ended(stopped)[0] == 130
        stop.unlink()
        shutil.rmtree(checkout.root / "results/runs/unet-s1")
    finally:
        cluster.ask("scontrol", "update", "NodeName=b", "State=RESUME")
    cluster.wait_until_empty()
    said = (checkout.root / f"logs/slurm/train@unet-1-{job}.log").read_text()
    assert "a later start has taken over; nothing is done" in said
    assert not (checkout.root / "results/runs/unet-s1").exists()


def test_ctrl_c_cancels(cluster: SlurmCluster, checkout: Checkout, start: Start) -> None:
    process = start("train@unet-92", TOY_PAUSE="60")
    on_node(checkout, "train@unet-92")
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    cluster.wait_until_empty()


def test_what_slurm_refuses_is_said(
    cluster: SlurmCluster, checkout: Checkout, start: Start
) -> None:
    lab = checkout.root / STATE / "slurm/lab"
    lab.write_text(json.dumps(LAB | {"partition": "nowhere"}))
    try:
        code, said = ended(start("slices"))
    finally:
        lab.write_text(json.dumps(LAB))
    assert code == 1
    assert said.startswith("slices: Slurm refuses the job (")
    assert "invalid partition specified: nowhere" in said
    assert not Path(checkout.root / STATE / "slurm/slices.json").exists()
    assert os.sep not in said.partition("logs:")[0]
