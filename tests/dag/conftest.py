"""Each pipeline runs once a session, whatever the number of workers; every test gets its own copy."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Checkout, clone, copy

Make = Callable[[], Checkout]


@pytest.fixture
def toy(toy_origin: Checkout, tmp_path: Path) -> Checkout:
    """A finished copy of the toy pipeline."""
    return copy(toy_origin, tmp_path / "copy")


@pytest.fixture
def fresh_toy(toy_origin: Checkout, tmp_path: Path) -> Checkout:
    """A fresh clone of the toy pipeline as it was before its first run: no lock file, no results."""
    checkout = clone(toy_origin, tmp_path / "clone")
    checkout.git("checkout", "-q", "HEAD~")
    return checkout


@pytest.fixture
def tiny(tiny_origin: Checkout, tmp_path: Path) -> Checkout:
    """A finished copy of the real pipeline on the tiny preset."""
    return copy(tiny_origin, tmp_path / "copy")


@pytest.fixture
def clones_of(tmp_path: Path) -> Callable[[Checkout], Checkout]:
    """Makes fresh clones."""
    numbers = itertools.count()
    return lambda origin: clone(origin, tmp_path / f"clone{next(numbers)}")
