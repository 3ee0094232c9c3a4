"""After `kill -9` at any moment, plain `snakemake --cores N` goes on and ends with the same bytes."""

import os
import random
import signal
import time

import pytest
from checkout import Checkout

pytestmark = pytest.mark.dag

SLOW = {"TOY_PAUSE": "0.4"}  # a stage is in the middle of a file for most of its time


def finish_and_compare(checkout: Checkout, reference: Checkout) -> None:
    """One plain run must end with the reference's bytes, and leave nothing to do for either engine."""
    checkout.snakemake()
    assert checkout.hashes() == reference.hashes()
    assert checkout.is_clean()


def test_kill_of_the_group_at_random_moments(fresh_toy: Checkout, toy_origin: Checkout) -> None:
    moments = random.Random(4)
    for _ in range(5):
        with fresh_toy.running(**SLOW) as run:
            time.sleep(moments.uniform(2.5, 7))
            os.killpg(run.pid, signal.SIGKILL)
    finish_and_compare(fresh_toy, toy_origin)


def test_kill_while_a_stage_writes(fresh_toy: Checkout, toy_origin: Checkout) -> None:
    with fresh_toy.running(**SLOW) as run:
        fresh_toy.wait_for("textbcs.stages", "slices")
        time.sleep(0.6)
        os.killpg(run.pid, signal.SIGKILL)
    finish_and_compare(fresh_toy, toy_origin)


def test_kill_of_one_process(fresh_toy: Checkout, toy_origin: Checkout) -> None:
    """Of the main process: no job outlives it. Of one job's DVC: the run fails, the next does not."""
    with fresh_toy.running(**SLOW) as run:
        fresh_toy.wait_for("textbcs.stages", "cohort")
        run.kill()
        run.wait()
        limit = time.monotonic() + 2
        while fresh_toy.processes() and time.monotonic() < limit:
            time.sleep(0.02)
        assert fresh_toy.processes() == []

    with fresh_toy.running(**SLOW) as run:
        stage = fresh_toy.wait_for("textbcs.stages", "cohort")
        dvc = stage.parent()
        assert dvc is not None
        assert any(part.endswith("dvc_job.py") for part in dvc.cmdline())
        dvc.kill()
        assert run.wait(timeout=60) == 1
        assert stage.pid not in [process.pid for process in fresh_toy.processes()]
    finish_and_compare(fresh_toy, toy_origin)
