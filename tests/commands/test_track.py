"""Whatever is wrong with the view, a run of Snakemake ends as it would without: one warning, no more."""

import importlib.util
import subprocess
from pathlib import Path

import pytest
from finished import Tree

from textbcs.cli import main
from textbcs.commands.track import SWITCH, track_after_run
from textbcs.lineage.tracking import apart
from textbcs.lineage.tracking.database import FOLDER, NAME, is_behind

mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None,
    reason="MLflow is an extra; requirements.lock has it",
)


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)


def warning(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of standard error; nothing else is printed."""
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert (printed.out, len(lines)) == ("", 1), printed
    assert lines[0].startswith("tracking: ")
    assert lines[0].endswith("; results are not affected")
    return lines[0]


def test_what_could_not_be_shown_is_one_warning(
    finished: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], 0, "6 runs written; not shown: train@unet-1: why\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    track_after_run()
    assert "not shown: train@unet-1: why" in warning(capsys)


@mlflow
def test_a_run_is_tracked_in_silence_and_only_if_there_is_something_new(
    finished: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_behind()
    track_after_run()
    assert not is_behind()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is new"))
    track_after_run()
    assert capsys.readouterr() == ("", "")


def test_off_is_off(
    finished: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "off")
    track_after_run()
    assert not FOLDER.exists()
    assert capsys.readouterr() == ("", "")


def test_a_tree_without_receipts_is_left_alone(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    track_after_run()
    assert not FOLDER.exists()
    assert capsys.readouterr() == ("", "")


def test_an_unwritable_path_is_one_warning(
    finished: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".cache").write_text("a file where the folder should be")
    track_after_run()
    assert "Not a directory: '.cache/mlflow'" in warning(capsys)


def test_a_damaged_database_is_one_warning(
    finished: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / NAME).write_bytes(b"no database" * 999)
    track_after_run()
    assert "file is not a database; `textbcs track rebuild` makes it again" in warning(capsys)


def test_no_mlflow_is_one_warning(
    finished: Tree,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    package = tmp_path / "broken/mlflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no module of that name')")
    monkeypatch.syspath_prepend(str(package.parent))
    track_after_run()
    assert "ImportError: no module of that name" in warning(capsys)


def test_mlflow_that_is_not_installed_is_one_line(
    finished: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["track"]) == 2
    assert capsys.readouterr().err == (
        "error: tracking: MLflow is not installed (make setup installs it)\n"
    )


def test_a_tracker_that_hangs_or_cannot_start_is_one_warning(
    finished: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "APART_SECONDS", 0.01)
    track_after_run()
    assert "TimeoutExpired" in warning(capsys)
