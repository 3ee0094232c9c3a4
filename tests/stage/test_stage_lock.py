"""One process at a time works on a stage; its end, however it comes, lets the next in."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.stage.stage_lock import FOLDER, hold_stage_lock, is_held, is_stage_busy

HOLD = """
import time
from textbcs.stage.stage_lock import hold_stage_lock
hold_stage_lock("train@unet-1"); print("held", flush=True); time.sleep(60)
"""


def test_the_holder_is_named_and_its_death_frees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2] / "src"))
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        hold_stage_lock("train@unet-2")
        with pytest.raises(
            InputError, match=rf"train@unet-1: .*pid {other.pid} on .*, Slurm job 77"
        ):
            hold_stage_lock("train@unet-1")
        other.kill()
        other.wait()
    hold_stage_lock("train@unet-1")


def test_who_looks_sees_the_holder_and_nobody_else_who_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_stage_busy("score")  # there is no lock file yet
    holder = hold_stage_lock("score")
    assert is_stage_busy("score")
    assert not is_stage_busy("table1")
    os.close(holder)
    assert not is_stage_busy("score")
    with (FOLDER / "score.lock").open("rb+") as another:
        fcntl.flock(another, fcntl.LOCK_SH)
        assert not is_held(FOLDER / "score.lock")
