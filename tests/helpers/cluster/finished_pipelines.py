"""Each pipeline runs once a session, whatever the number of workers and of folders of tests that want it."""

import fcntl
import os
import shutil

import pytest
from checkout import Checkout, create


def finished(factory: pytest.TempPathFactory, toy: bool) -> Checkout:
    """A finished and committed pipeline; the first worker that needs it makes it, others wait."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # a worker's own folder lies in the session's
    base = shared / ("toy" if toy else "tiny")
    root, home, done = base / "origin", base / "home", base / "finished"
    with (shared / f"{base.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return Checkout(root, home)
        shutil.rmtree(base, ignore_errors=True)  # where another worker has failed
        root.mkdir(parents=True)
        checkout = create(root, home, toy)
        checkout.snakemake("--cores", "2")
        checkout.git("add", "-A")
        checkout.git("commit", "-qm", "results")
        done.touch()
    return checkout
