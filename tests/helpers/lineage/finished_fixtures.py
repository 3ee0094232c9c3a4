"""A finished tree in an empty working folder."""

from pathlib import Path

import pytest
from finished import Tree


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An empty working folder in which stages can be left."""
    monkeypatch.chdir(tmp_path)
    return Tree()


@pytest.fixture
def finished(tree: Tree) -> Tree:
    """The same with a small pipeline of every phase."""
    tree.finish()
    return tree
