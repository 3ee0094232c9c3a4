"""A real Slurm for the tests of this folder; where none can be had they are skipped, and it is said why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, clone, copy
from slurm_cluster import SlurmCluster, why_not


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A running Slurm of two nodes."""
    if why_not():
        pytest.skip(why_not())
    with SlurmCluster(tmp_path_factory.mktemp("slurm")).running() as running:
        yield running


@pytest.fixture
def fresh_toy(toy_origin: Checkout, tmp_path: Path) -> Checkout:
    """The toy pipeline before its first run, with a lab's file for the cluster."""
    checkout = clone(toy_origin, tmp_path / "clone")
    checkout.git("checkout", "-q", "HEAD~")
    return with_lab(checkout)


@pytest.fixture
def tiny(tiny_origin: Checkout, tmp_path: Path) -> Checkout:
    """A finished copy of the real pipeline, with a lab's file for the cluster."""
    return with_lab(copy(tiny_origin, tmp_path / "copy"))


def with_lab(checkout: Checkout) -> Checkout:
    """Edit the example as a lab would."""
    text = (checkout.root / "profiles/slurm/lab.example.yaml").read_text()
    for old, new in (("training: 720", "training: 60"), ("poll_seconds: 10 ", "poll_seconds: 1 ")):
        assert old in text
        text = text.replace(old, new)
    (checkout.root / "profiles/slurm/lab.yaml").write_text(text)
    return checkout
