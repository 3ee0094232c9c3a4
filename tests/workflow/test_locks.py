"""Locks die with their holder; what a kill can tear is recognised and healed."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import locks
import pytest

from textbcs.stage.stage_lock import hold_stage_lock

LOCKFILE = """schema: '2.0'
stages:
  a:
    cmd: exec workflow/stage a
    deps:
    - path: x.csv
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
    outs:
    - path: y.csv
      hash: md5
      md5: 92eb5ffee6ae2fec3ad71c777531578f
      size: 1
"""


def test_a_second_run_is_refused_and_told_who(here: Path) -> None:
    first = locks.take_run_lock("run")
    with pytest.raises(locks.BusyError, match=rf"another run \(pid {os.getpid()}\)"):
        locks.take_run_lock("run")
    os.close(first)
    os.close(locks.take_run_lock("run"))


def test_the_run_lock_dies_with_its_holder(here: Path) -> None:
    code = (
        "import locks, os, signal; locks.take_run_lock('run'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder = str(Path(locks.__file__).parent)
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": folder}).returncode == -9
    os.close(locks.take_run_lock("run"))


def test_a_job_of_a_killed_run_holds_off_the_next(here: Path) -> None:
    """The lock lives in every process that inherits the descriptor, not only in the one that took it."""
    job = locks.share_jobs_lock()
    begun = time.monotonic()
    heir = subprocess.Popen(["sleep", "0.5"], pass_fds=(job,))
    os.close(job)
    os.close(locks.wait_for_orphans())
    # The kernel closes a process's files a moment before the process counts as ended.
    assert time.monotonic() - begun >= 0.5
    assert heir.wait(timeout=5) == 0


def test_jobs_run_side_by_side(here: Path) -> None:
    os.close(locks.share_jobs_lock())
    first, second = locks.share_jobs_lock(), locks.share_jobs_lock()
    probe = os.open(locks.JOBS_LOCK, os.O_RDWR)
    for job in (first, second):
        with pytest.raises(BlockingIOError):  # held while any job lives
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(job)
    fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(probe)


@pytest.mark.parametrize(
    "content", ["", "{", '{"write": {"/x": {"pid": 1', "[]", '{"write": {"/x": {}}}']
)
def test_a_torn_rwlock_is_removed(here: Path, content: str) -> None:
    locks.RWLOCK.parent.mkdir(parents=True)
    locks.RWLOCK.write_text(content)
    assert "torn" in str(locks.heal_rwlock())
    assert not locks.RWLOCK.exists()


def test_an_rwlock_of_strangers_is_removed(here: Path) -> None:
    """The number exists (it is this test's), but the process is no DVC."""
    locks.RWLOCK.parent.mkdir(parents=True)
    entry = {"pid": os.getpid(), "cmd": "dvc repro"}
    locks.RWLOCK.write_text(json.dumps({"write": {"/x": entry}, "read": {"/y": [entry]}}))
    assert "killed DVC commands" in str(locks.heal_rwlock())
    assert not locks.RWLOCK.exists()


def test_an_earlier_try_of_a_job_is_awaited_and_forgotten(here: Path) -> None:
    """Its number may be a stranger's on this node; what others hold stays."""
    locks.RWLOCK.parent.mkdir(parents=True)
    script = here / "dvc_job.py"
    script.write_text("import time; time.sleep(1)")
    dying = subprocess.Popen([sys.executable, str(script)])
    stage = hold_stage_lock("score")
    mine = [
        {"pid": pid, "cmd": "dvc_job.py repro --single-item score"}
        for pid in (dying.pid, os.getpid())  # the second number is a stranger's
    ]
    other = {"pid": 1, "cmd": "dvc_job.py repro --single-item table1"}
    lists = {"write": {"/a": mine[0], "/b": other}, "read": {"/c": [mine[1], other], "/d": mine}}
    locks.RWLOCK.write_text(json.dumps(lists))
    locks.forget_earlier_try("score", seconds=0.3)  # both are still there
    assert json.loads(locks.RWLOCK.read_text()) == lists
    os.close(stage)
    locks.forget_earlier_try("score")
    assert dying.poll() is not None
    assert json.loads(locks.RWLOCK.read_text()) == {"write": {"/b": other}, "read": {"/c": [other]}}
    dying.wait()


def test_an_rwlock_of_a_living_dvc_is_respected(here: Path) -> None:
    program = here / "dvc"
    program.write_text("import time; print('up', flush=True); time.sleep(30)")
    living = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE)
    try:
        assert living.stdout is not None
        living.stdout.readline()
        locks.RWLOCK.parent.mkdir(parents=True)
        entry = {"pid": living.pid, "cmd": "dvc repro"}
        locks.RWLOCK.write_text(json.dumps({"write": {"/x": entry}}))
        with pytest.raises(locks.BusyError, match=f"pid {living.pid}: dvc repro"):
            locks.heal_rwlock()
        assert locks.RWLOCK.exists()
    finally:
        living.kill()
        living.communicate()


def test_a_dvc_in_another_checkout_is_a_stranger(here: Path) -> None:
    elsewhere = here.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "dvc").write_text("import time; print('up', flush=True); time.sleep(30)")
    living = subprocess.Popen(
        [sys.executable, str(elsewhere / "dvc")], stdout=subprocess.PIPE, cwd=elsewhere
    )
    try:
        assert living.stdout is not None
        living.stdout.readline()
        assert not locks.is_dvc_here(living.pid)
    finally:
        living.kill()
        living.communicate()


def test_every_truncation_of_a_lockfile_is_judged_as_dvc_does(here: Path) -> None:
    """DVC's own loader is the oracle."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    (here / "dvc.yaml").write_text("stages: {a: {cmd: x, deps: [x.csv], outs: [y.csv]}}")
    (here / "x.csv").write_text("a")
    Repo.init(".", no_scm=True).close()
    content = LOCKFILE.encode()
    verdicts = set()
    for end in range(0, len(content) + 1, 9):
        (here / "dvc.lock").write_bytes(content[:end])
        try:
            with Repo(".") as repo:
                loads = len(repo.index.stages) == 1
        except DvcException:
            loads = False
        assert locks.is_good_lockfile(content[:end]) <= loads, content[:end]
        verdicts.add(loads)
    assert verdicts == {True, False}


def test_a_torn_lockfile_comes_back(here: Path) -> None:
    locks.LOCKFILE.write_text(LOCKFILE)
    assert locks.heal_lockfile() is None
    locks.LOCKFILE.write_text(LOCKFILE[:5])
    assert "last good copy" in str(locks.heal_lockfile())
    assert locks.LOCKFILE.read_text() == LOCKFILE


def test_a_torn_lockfile_without_a_copy_comes_from_git(here: Path) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    locks.LOCKFILE.write_text(LOCKFILE)
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "dvc.lock"], check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x"], check=True)
    locks.LOCKFILE.write_text("")
    assert "from git" in str(locks.heal_lockfile())
    assert locks.LOCKFILE.read_text() == LOCKFILE


def test_a_torn_lockfile_without_any_copy_is_removed(here: Path) -> None:
    locks.LOCKFILE.write_text("")
    assert "removed" in str(locks.heal_lockfile())
    assert not locks.LOCKFILE.exists()


def test_nothing_to_heal(here: Path) -> None:
    assert locks.heal() == []
