"""Whole runs on a real Slurm: the bytes of a local run, and nothing lost when the engine is killed."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from checkout import BIN, Checkout
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.dag

PROFILE = ("--workflow-profile", "profiles/slurm")


def run(checkout: Checkout, cluster: SlurmCluster, *arguments: str, ok: bool = True) -> str:
    """What Snakemake says on the way through the profile."""
    command = (str(BIN / "snakemake"), *PROFILE, *arguments)
    return checkout.run(*command, ok=ok, **cluster.environment).stderr


@contextlib.contextmanager
def running(checkout: Checkout, cluster: SlurmCluster, *arguments: str) -> Iterator[psutil.Popen]:
    """A Snakemake that runs through the profile; slow stages."""
    process = psutil.Popen(
        [str(BIN / "snakemake"), *PROFILE, *arguments],
        cwd=checkout.root,
        env=checkout.environment | cluster.environment | {"TOY_PAUSE": "600"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.communicate()


def test_the_bytes_of_a_local_run(
    cluster: SlurmCluster, fresh_toy: Checkout, toy_origin: Checkout
) -> None:
    said = run(fresh_toy, cluster)
    assert said.count("done: reports/tables/table1.csv") == 1
    assert "warning" not in said.lower()
    assert fresh_toy.hashes() == toy_origin.hashes()
    names = set(cluster.ask("squeue", "-h", "--states=all", "--format=%j").split())
    assert names >= {"phantom", "slices", "train@unet-1", "train@textbcs-1"}
    assert not names & {"cohort", "table1"}  # short stages run where snakemake runs
    for log in ("logs/phantom.log", "logs/train/unet-1.log"):
        assert "Running stage" in (fresh_toy.root / log).read_text()
    assert list((fresh_toy.root / "logs/slurm").glob("train@unet-1-*.log"))
    assert fresh_toy.is_clean()


def test_an_orphan_is_not_run_over(
    cluster: SlurmCluster, fresh_toy: Checkout, toy_origin: Checkout
) -> None:
    """The main process is killed while its job runs: whatever is started says so, and nothing is lost."""
    with running(fresh_toy, cluster) as main:
        job = cluster.wait_for("phantom")
        fresh_toy.wait_for("textbcs.stages", "phantom")
        second = run(fresh_toy, cluster, ok=False)
        assert re.search(rf"error: another run \(pid {main.pid}.*\) is going on", second)
        main.send_signal(signal.SIGKILL)
        main.wait()
    local = fresh_toy.snakemake("--cores", "1", ok=False, **cluster.environment)
    line = (
        f"error: Slurm jobs {job} of an earlier run still work in this checkout; .*scancel {job}$"
    )
    assert re.search(line, local.stderr, re.MULTILINE)
    assert local.returncode
    # DVC's own list of who is at work names processes of one machine: on another it says nothing.
    (fresh_toy.root / ".dvc/tmp/rwlock").unlink()
    dvc = fresh_toy.run(
        str(BIN / "dvc"), "repro", "--force", "cohort", ok=False, **cluster.environment
    )
    assert dvc.returncode
    assert f"Slurm jobs {job}" in dvc.stdout + dvc.stderr
    cluster.stop("slurmctld -D", signal.SIGKILL)
    try:
        closed = fresh_toy.snakemake("--cores", "1", ok=False, **cluster.environment)
    finally:
        cluster.start("slurmctld", "-D")
    assert f"error: Slurm does not say whether the jobs {job} of an earlier run" in closed.stderr
    assert closed.returncode
    cluster.wait_until_answers()
    cluster.ask("scancel", job)  # as the line says
    cluster.wait_until_empty()
    ran = fresh_toy.ran(**cluster.environment)
    assert "train@unet-1" in ran
    assert fresh_toy.hashes() == toy_origin.hashes()


def test_training_prediction_and_scoring_through_sbatch(
    cluster: SlurmCluster, tiny: Checkout, tiny_origin: Checkout
) -> None:
    """Each is a job of its own, with real stages; the bytes are those of the run without Slurm."""
    outs = ("results/runs/unet-s1", "results/predictions/unet-s1", "results/evaluation")
    before = set(cluster.ask("squeue", "-h", "--states=all", "--format=%i").split())
    for out in outs:
        run(tiny, cluster, out, "--force")
    rows = cluster.ask("squeue", "-h", "--states=all", "--format=%i|%j|%T").splitlines()
    jobs = {
        name: state for job, name, state in (row.split("|") for row in rows) if job not in before
    }
    assert jobs == dict.fromkeys(["train@unet-1", "predict@unet-1", "score"], "COMPLETED")
    for log in ("logs/train/unet-1.log", "logs/predict/unet-1.log", "logs/score.log"):
        assert "Running stage" in (tiny.root / log).read_text()
    assert tiny.hashes() == tiny_origin.hashes()
    tiny.run(
        sys.executable, "-m", "textbcs.cli", "audit", "verify", PYTHONPATH=str(tiny.root / "src")
    )


def test_a_newcomer_is_told_what_to_edit(cluster: SlurmCluster, fresh_toy: Checkout) -> None:
    lab = fresh_toy.root / "profiles/slurm/lab.yaml"
    edited = lab.read_text()
    lab.unlink()
    assert "cp profiles/slurm/lab.example.yaml" in run(fresh_toy, cluster, ok=False)
    lab.write_text(edited)
    check = (sys.executable, "-m", "textbcs.cli", "check", "--profile", "slurm")
    environment = cluster.environment | {"PYTHONPATH": str(fresh_toy.root / "src")}
    said = fresh_toy.run(*check, **environment).stdout
    assert "accepted: 2 training jobs such as train@" in said
    assert "accepted: 2 patients jobs such as phantom" in said
    lab.write_text(
        edited.replace("partition: cpu ", "partition: cpus ").replace(
            "training: 60", "training: 601"
        )
    )
    refused = fresh_toy.run(*check, ok=False, **environment)
    assert refused.returncode == 2
    assert (
        "lab.yaml: partition: cpus: no such partition; there are cpu, gpu, urgent" in refused.stderr
    )
