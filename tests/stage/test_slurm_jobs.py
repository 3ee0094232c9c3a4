"""No start beside jobs of this checkout at Slurm, and none while Slurm does not say whether there are any."""

import contextlib
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.stage import slurm_jobs
from textbcs.stage.slurm_jobs import JobRecord, refuse_beside_slurm_jobs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def squeue(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "squeue").write_text(f'#!/bin/sh\necho "$@" > "$0.asked"\n{text}\n')
    (folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_jobs_of_a_killed_run_are_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    JobRecord("train@unet-1", "abc", "me", "11").write()
    rows = [
        f"11|textbcs:abc|train@unet-1|{here}", "12|textbcs:z|score|/elsewhere",
        f"13|textbcs:y|score|{here}", f"14|(null)|other|{here}",
    ]  # fmt: skip
    squeue(here, "\n".join(f"echo '{row}'" for row in rows), monkeypatch)
    with pytest.raises(InputError, match=r"Slurm jobs 11 13 .* scancel 11 13$"):
        refuse_beside_slurm_jobs()
    assert "me" in (here / "squeue.asked").read_text()


def test_a_job_whose_number_is_unknown_is_known_by_its_submission(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    JobRecord("train@unet-1", "abc", "me").write()
    squeue(here, "echo '11|textbcs:abc|train@unet-1|/a/link/to/here'", monkeypatch)
    with pytest.raises(InputError, match="Slurm jobs 11 "):
        refuse_beside_slurm_jobs()


def test_records_of_jobs_that_ended_are_forgotten(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = JobRecord("train@unet-1", "abc", "me", "11")
    record.write()
    squeue(here, "echo '12|textbcs:z|score|/elsewhere'", monkeypatch)
    refuse_beside_slurm_jobs()
    assert not record.path.exists()


@pytest.mark.parametrize(
    ("row", "is_ours"),
    [
        ("11|textbcs:abc|train@unet-1|/else", True), ("11|textbcs:z|train@unet-1|/else", False),
        ("11|(null)|train@unet-1|/else", True), ("11|(null)|somebodys|/else", False),
        ("12|(null)|train@unet-1|/else", False),
    ],
)  # fmt: skip
def test_a_number_alone_is_no_job_of_ours(
    here: Path, monkeypatch: pytest.MonkeyPatch, row: str, is_ours: bool
) -> None:
    """A controller that was killed may give a number again."""
    record = JobRecord("train@unet-1", "abc", "me", "11")
    record.write()
    squeue(here, f"echo '{row}'", monkeypatch)
    with pytest.raises(InputError, match="jobs 11 ") if is_ours else contextlib.nullcontext():
        refuse_beside_slurm_jobs()
    assert record.path.exists() == is_ours


@pytest.mark.parametrize(
    "text", ["echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1", None]
)
def test_no_answer_is_no_leave(
    here: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    record = JobRecord("train@unet-1", "abc", "me", "11")
    record.write()
    if text:
        squeue(here, text, monkeypatch)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="Slurm does not say whether the jobs 11 "):
        refuse_beside_slurm_jobs()
    assert record.path.exists()


def test_a_damaged_record_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_jobs.FOLDER.mkdir(parents=True)
    (slurm_jobs.FOLDER / "score.json").write_text("{")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="jobs score of"):
        refuse_beside_slurm_jobs()


def test_without_records_only_a_thorough_start_asks(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue(here, f"echo '13|textbcs:y|score|{here}'", monkeypatch)
    refuse_beside_slurm_jobs()
    assert not (here / "squeue.asked").exists()
    with pytest.raises(InputError, match="Slurm jobs 13 "):
        refuse_beside_slurm_jobs(thorough=True)
    squeue(here, "exit 1", monkeypatch)
    refuse_beside_slurm_jobs(thorough=True)  # nothing was submitted, as far as anybody knows
