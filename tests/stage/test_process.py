"""A child that has asked for it dies with its parent."""

import os
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a service of the Linux kernel")

CHILD = (
    "import time; from textbcs.stage.process import die_with_parent; die_with_parent(); "
    "print('up', flush=True); time.sleep(60)"
)
PARENT = f"""
import os, subprocess, sys
os.environ["TEXTBCS_PARENT"] = str(os.getpid())
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def test_a_child_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    limit = time.monotonic() + 5
    while (
        child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < limit
    ):
        time.sleep(0.01)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    environment = os.environ | {"TEXTBCS_PARENT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, timeout=30
    )
    assert done.returncode == 137
    assert done.stdout == b""


def test_without_a_named_parent_nothing_happens() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TEXTBCS_PARENT"}
    code = CHILD.replace("time.sleep(60)", "")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=30
    )
    assert done.stdout == b"up\n"


def test_a_parent_that_is_no_number_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env=os.environ | {"TEXTBCS_PARENT": "abc"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: TEXTBCS_PARENT = 'abc': a process id is needed; unset it\n"
