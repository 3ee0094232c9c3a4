"""One clean tree a session; every test gets a copy as its working folder."""

from pathlib import Path

import fabricated
import pytest


@pytest.fixture(scope="session")
def clean_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tree without a fault. Do not change it."""
    return fabricated.build(tmp_path_factory.mktemp("audit") / "origin")


@pytest.fixture
def tree(clean_origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished tree, which is the working folder."""
    root = fabricated.copy(clean_origin, tmp_path / "tree")
    monkeypatch.chdir(root)
    return root
