"""The folder in which stages run again: whose it is, and what becomes of what a killed replay has left."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from textbcs.lineage.replay.scratch import workshop

HOLDER = """
from textbcs.lineage.replay.scratch import workshop
with workshop() as shop:
    print(shop, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, of this process and of those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


def test_what_a_killed_one_has_left_is_deleted_and_what_is_in_use_is_not(place: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    theirs = Path(holder.stdout.readline().strip())
    assert theirs.parent == place
    with workshop() as ours:
        assert set(place.iterdir()) == {theirs, ours}
    assert set(place.iterdir()) == {theirs}
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    (theirs / "split").mkdir()
    with workshop() as ours:
        assert set(place.iterdir()) == {ours}
    assert list(place.iterdir()) == []


def test_a_link_that_is_named_so_is_left_alone(place: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/file").write_text("mine")
    (place / "textbcs-replay-link").symlink_to(tmp_path / "own")
    (place / "textbcs-replay-file").write_text("mine")
    with workshop():
        pass
    assert (tmp_path / "own/file").read_text() == "mine"
    assert {one.name for one in place.iterdir()} == {"textbcs-replay-link", "textbcs-replay-file"}


def test_the_code_is_a_copy_without_byte_code(place: Path) -> None:
    Path("src/textbcs/__pycache__").mkdir(parents=True)
    Path("src/textbcs/__pycache__/a.pyc").write_bytes(b"stale")
    Path("src/textbcs/a.py").write_text("here = 1\n")
    with workshop() as shop:
        assert [one.name for one in (shop / "code").rglob("*") if one.is_file()] == ["a.py"]
        (shop / "code/src/textbcs/a.py").write_text("here = 2\n")
    assert Path("src/textbcs/a.py").read_text() == "here = 1\n"
