"""What is submitted, and with what."""

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from slurm import job_request
from slurm.lab_file import read_lab

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def lab(tmp_path: Path) -> "job_request.Lab":
    (tmp_path / "lab.yaml").write_text((ROOT / "profiles/slurm/lab.example.yaml").read_text())
    return read_lab(tmp_path)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("train", "training"), ("train_use", "training"), ("pretrain", "training"), ("search", "training"),
        ("predict", "network"), ("gradcam", "network"), ("slices", "patients"), ("score", "patients"),
        ("cohort", None), ("download", None), ("table1", None), ("complexity", None),
    ],
)  # fmt: skip
def test_the_rule(stage: str, kind: str | None) -> None:
    assert job_request.kind_of(stage) == kind
    assert job_request.is_submitted(stage) == (kind is not None)


def test_a_gpu_is_asked_for_where_gpus_are(lab: "job_request.Lab") -> None:
    with_gpu = job_request.sbatch_options(
        job_request.Request("train@unet-1", "training", 1, 1), lab
    )
    without = job_request.sbatch_options(job_request.Request("train@unet-1", "training", 1, 0), lab)
    assert {"--gpus=1", "--partition=gpu", "--job-name=train@unet-1"} <= set(with_gpu)
    assert "--partition=cpu" in without
    assert not [option for option in without if "gpu" in option]


def test_none_is_left_out_and_options_are_added(lab: "job_request.Lab") -> None:
    request = job_request.Request("score", "patients", 8, 0)
    plain = job_request.sbatch_options(request, replace(lab, partition="none"))
    assert not [option for option in plain if option.startswith(("--account", "--partition"))]
    more = replace(lab, account="lab7", options="--qos=long --constraint='a&b'")
    assert job_request.sbatch_options(request, more)[-3:] == [
        "--account=lab7", "--qos=long", "--constraint=a&b",
    ]  # fmt: skip


def test_the_script_prepares_the_node(lab: "job_request.Lab", tmp_path: Path) -> None:
    own = replace(lab, activate="export LOADED=cuda", scratch="$HOME/scratch")
    text = job_request.script(job_request.Request("score", "patients", 8, 0), own, "a log", "s1")
    words = shlex.split(text.splitlines()[-1])
    assert words[1] == sys.executable
    assert words[-3:] == ["score", "a log", "s1"]
    shown = text.replace("exec ", "env; exec echo ")
    done = subprocess.run(
        ["sh", "-c", shown],
        env={"HOME": "/h", "TEXTBCS_PARENT": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert {"TMPDIR=/h/scratch", "TEXTBCS_JOBS=8"} <= set(lines)
    assert not [line for line in lines if line.startswith("TEXTBCS_PARENT")]
