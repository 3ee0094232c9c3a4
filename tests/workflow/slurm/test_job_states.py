"""Slurm's word on a job: asked seldom, believed only when it answers, and told in one line."""

import time
from pathlib import Path

import pytest
from slurm import job_states
from slurm.lab_file import Lab, read_lab

from textbcs.stage.slurm_jobs import JobRecord

RECORD = JobRecord("train@unet-1", "a", "me", "7")
ROW = ["RUNNING", "None", "textbcs:a", "train@unet-1"]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.yaml").write_text((ROOT / "profiles/slurm/lab.example.yaml").read_text())
    return read_lab(tmp_path)


def program(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).write_text(f'#!/bin/sh\necho "$@" >> "$0.asked"\n{text}\n')
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_many_ask_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(here, "squeue", f"echo '7|{'|'.join(ROW)}'", monkeypatch)
    assert [job_states.seen(60).jobs for _ in range(5)] == [{"7": ROW}] * 5
    assert len((here / "squeue.asked").read_text().splitlines()) == 1
    job_states.seen(0)
    assert len((here / "squeue.asked").read_text().splitlines()) == 2


def test_no_answer_is_not_no_jobs(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(here, "squeue", f"echo '7|{'|'.join(ROW)}'", monkeypatch)
    job_states.seen(0)
    program(here, "squeue", "echo Unable to contact slurm controller >&2; exit 1", monkeypatch)
    away = [job_states.seen(0) for _ in range(3)]
    assert [seen.jobs for seen in away] == [{"7": ROW}] * 3
    assert len({seen.away for seen in away}) == 1
    assert 0 <= time.time() - away[0].away < 30
    program(here, "squeue", "echo '7|COMPLETED|None|textbcs:a|score'", monkeypatch)
    assert not job_states.seen(0).away
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in said] == [
        "Slurm does not answer",
        "Slurm answers again",
    ]
    assert "Unable to contact slurm controller" in said[0]


@pytest.mark.parametrize(
    ("state", "printed", "line"),
    [
        ("TIMEOUT", "", "ended by its time limit of 720 min; raise minutes: training"),
        ("OUT_OF_MEMORY", "", "needed more than its 16000 MB"),
        (
            "FAILED",
            "slurmstepd: error: Detected 1 oom-kill event(s)",
            "needed more than its 16000 MB",
        ),
        ("CANCELLED", "slurmstepd: *** JOB 7 CANCELLED ***", "cancelled (scancel)"),
        ("NODE_FAIL", "", "its node failed"),
        ("PREEMPTED", "", "another job took its place"),
        ("FAILED", "module: not found\n", "could not start (failed: module: not found)"),
    ],
)
def test_the_cause_in_words(here: Path, lab: Lab, state: str, printed: str, line: str) -> None:
    Path("out").write_text(printed)
    assert line in job_states.cause(state, "training", lab, Path("out"))


def test_a_job_that_squeue_forgot(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        here,
        "scontrol",
        "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1",
        monkeypatch,
    )
    program(here, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1", monkeypatch)
    assert job_states.final_state(RECORD) == "LOST"
    program(here, "sacct", "echo 'CANCELLED by 0'", monkeypatch)
    assert job_states.final_state(RECORD) == "CANCELLED"
    assert "--name=train@unet-1" in (here / "sacct.asked").read_text()
    shown = "JobId=7 JobName={} JobState=TIMEOUT Reason=TimeLimit Comment={}"
    for name, comment, state in (
        ("train@unet-1", "textbcs:a", "TIMEOUT"),
        ("train@unet-2", "textbcs:b", "LOST"),
    ):
        program(here, "scontrol", f"echo '{shown.format(name, comment)}'", monkeypatch)
        assert job_states.final_state(RECORD) == state


def test_another_job_with_its_number() -> None:
    def now(comment: str, name: str) -> job_states.Seen:
        return job_states.Seen(1.0, {"7": ["COMPLETED", "None", comment, name]})

    assert job_states.state_of(RECORD, now("textbcs:a", "train@unet-1")) == ("COMPLETED", "None")
    assert job_states.state_of(RECORD, now("textbcs:b", "train@unet-1")) == ("", "")
    assert job_states.state_of(RECORD, now("(null)", "train@unet-1")) == ("COMPLETED", "None")
    assert job_states.state_of(RECORD, now("(null)", "score")) == ("", "")
    assert job_states.state_of(RECORD, job_states.Seen()) == ("", "")
