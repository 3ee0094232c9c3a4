"""MLflow's database shows exactly what the receipts say, however it came about."""

import fcntl
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import chdir, closing
from dataclasses import replace
from pathlib import Path

import pytest
from finished import HISTORY, Tree, guarded

from textbcs.lineage.tracking import database
from textbcs.lineage.tracking.database import FOLDER, NAME, TrackingError, read_runs, synchronise
from textbcs.lineage.tracking.runs import Run, describe
from textbcs.lineage.tracking.sources import find_sources

pytest.importorskip("mlflow", reason="MLflow is an extra; requirements.lock has it")
TRACK = [sys.executable, "-m", "textbcs.cli", "track"]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: making its schema takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("schema")
    with chdir(folder):
        synchronise()
    return folder / FOLDER


@pytest.fixture
def empty(schema: Path, tree: Tree) -> Path:
    """Such a database in the working folder."""
    shutil.copytree(schema, FOLDER)
    return FOLDER


def ordered(run: Run) -> Run:
    return replace(run, metrics=tuple(sorted(run.metrics)), params=dict(run.params))


def described() -> dict[str, Run]:
    """What the receipts of the working folder say."""
    return {run.name: ordered(run) for run in map(describe, find_sources()[0])}


def shown() -> dict[str, Run]:
    """What MLflow shows."""
    # A copy: MLflow keeps its connections, and the database may have been made anew.
    with tempfile.TemporaryDirectory() as folder:
        for path in FOLDER.glob(f"{NAME}*"):
            shutil.copy(path, folder)
        runs = read_runs(Path(folder))
    found = {run.name: ordered(run) for run in runs}
    assert len(found) == len(runs), "two runs of one stage"
    return found


def rebuild(runs: int) -> None:
    """As a user would."""
    done = subprocess.run([*TRACK, "rebuild"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{runs} runs written, 0 removed, 0 as they were (")


@pytest.mark.usefixtures("empty")
def test_mlflow_shows_what_the_receipts_say_and_nothing_is_written_twice(finished: Tree) -> None:
    assert synchronise().added == 8
    assert shown() == described()
    assert {run.experiment for run in shown().values()} == {
        "data", "training", "search", "evaluation", "reports",
    }  # fmt: skip
    before = (FOLDER / NAME).read_bytes()
    outcome = synchronise()
    assert (outcome.added, outcome.removed, outcome.kept) == (0, 0, 8)
    assert (FOLDER / NAME).read_bytes() == before


@pytest.mark.usefixtures("empty")
def test_the_pictures_are_copied(finished: Tree) -> None:
    synchronise()
    copies = [path.read_bytes() for path in FOLDER.rglob("overview.png")]
    assert copies == [b"a picture"]


@pytest.mark.usefixtures("empty")
def test_tracked_stage_by_stage_or_rebuilt_it_is_the_same(tree: Tree) -> None:
    tree.cohort()
    synchronise()
    for method in ("unet", "textbcs"):
        tree.train(method)
        synchronise()
    tree.train("unet", HISTORY.replace("0.75", "0.5"))  # runs again, with another result
    outcome = synchronise()
    assert (outcome.added, outcome.removed, outcome.kept) == (1, 1, 3)
    live = shown()
    assert live == described()
    assert ("validation_dice", 0.5, 2) in live["train@unet-1"].metrics
    for path in FOLDER.glob(f"{NAME}*"):
        path.unlink()
    rebuild(4)
    assert shown() == live


@pytest.mark.usefixtures("empty")
def test_a_stage_whose_receipt_is_gone_is_shown_no_more(finished: Tree) -> None:
    synchronise()
    Path("results/receipts/search@unet.json").unlink()  # nothing rests on it
    outcome = synchronise()
    assert (outcome.added, outcome.removed, outcome.kept) == (0, 1, 7)
    assert shown() == described()
    assert "search@unet" not in shown()


@pytest.mark.usefixtures("empty")
def test_what_was_left_out_comes_when_it_is_there(finished: Tree) -> None:
    path = Path("results/runs/unet-s1/history.csv")
    path.unlink()
    synchronise()
    assert [name for name, _, _ in shown()["train@unet-1"].metrics] == ["cpu_seconds"]
    path.write_text(HISTORY)
    outcome = synchronise()
    assert (outcome.added, outcome.removed) == (1, 1)
    assert shown() == described()


@pytest.mark.usefixtures("empty")
def test_more_parameters_and_points_than_mlflow_takes_at_once(tree: Tree) -> None:
    rows = "".join(f"{epoch},{epoch / 4},{epoch / 8}\n" for epoch in range(1, 701))
    params = {f"key{number}": number for number in range(250)} | {"long": "x" * 7000}
    tree.leave(
        "train@unet-1", {"results/runs/unet-s1/history.csv": "epoch,loss,dice\n" + rows},
        params=params,
    )  # fmt: skip
    synchronise()
    assert len(shown()["train@unet-1"].metrics) == 1401
    assert shown() == described()


def test_trackers_that_start_together_make_one_schema_and_one_run_a_receipt(finished: Tree) -> None:
    started = [
        subprocess.Popen(TRACK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(one.communicate(timeout=300), one.returncode) for one in started]
    assert [code for _, code in ends] == [0] * 3, ends
    written = sorted(int(out.split()[0]) for (out, _), _ in ends)
    assert written == [0, 0, 8]
    assert shown() == described()


@pytest.mark.usefixtures("empty")
def test_what_a_kill_left_half_written_is_written_again(
    finished: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Passes every handler, as a kill would."""

    from mlflow.tracking import MlflowClient

    calls = []

    def dies(*arguments: object, **options: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise Killed

    real = MlflowClient.set_terminated
    monkeypatch.setattr(
        MlflowClient, "set_terminated", lambda *args, **more: (dies(), real(*args, **more))
    )
    with pytest.raises(Killed):
        synchronise()
    monkeypatch.setattr(MlflowClient, "set_terminated", real)
    assert len(read_runs()) == 3
    assert synchronise().added == 6
    assert shown() == described()


@pytest.mark.usefixtures("empty")
def test_one_odd_output_hides_no_other_run(finished: Tree) -> None:
    finished.train("unet", "epoch,loss\none,2\n")
    outcome = synchronise()
    assert outcome.added == 7
    assert "train@unet-1" in outcome.text()
    assert "train@textbcs-1" in shown()


def test_mlflow_asks_nobody(finished: Tree, tmp_path: Path) -> None:
    asked = tmp_path / "guard/asked"
    environment = guarded(asked.parent)
    for probe in ("create_connection(('192.0.2.1', 9))", "getaddrinfo('example.org', 443)"):
        asking = [sys.executable, "-c", f"import socket; socket.{probe}"]
        assert subprocess.run(
            asking, env=environment, check=False, stderr=subprocess.DEVNULL
        ).returncode
    assert asked.read_text() == "'192.0.2.1'\n'example.org'\n"
    done = subprocess.run(TRACK, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert asked.read_text().count("\n") == 2
    assert len(shown()) == 8


def locked(path: Path) -> sqlite3.Connection:
    """A writer in the middle of a transaction."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


@pytest.mark.usefixtures("empty")
def test_a_locked_database_is_one_line(finished: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronise()
    finished.train("unet", HISTORY.replace("0.75", "0.5"))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with (
        closing(locked(FOLDER / NAME)),
        pytest.raises(TrackingError, match="OperationalError: database is locked"),
    ):
        synchronise()
    assert synchronise().added == 1


def test_another_tracker_at_work_is_one_line(
    finished: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.2)
    FOLDER.mkdir(parents=True)
    with (FOLDER / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TrackingError, match="still at work"):
            synchronise()


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("damage", ["no database", "a hole"])
def test_a_damaged_database_is_one_line_and_rebuild_mends_it(finished: Tree, damage: str) -> None:
    path = FOLDER / NAME
    synchronise()
    with closing(sqlite3.connect(path)) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    size = len(content)
    path.write_bytes(
        b"no database" * 999
        if damage == "no database"
        else content[:4096] + b"\xff" * (size - 8192) + content[-4096:]
    )
    finished.train("unet", HISTORY.replace("0.75", "0.5"))
    with pytest.raises(TrackingError) as error:
        synchronise()
    assert "track rebuild" in str(error.value)
    assert "\n" not in str(error.value)
    if damage == "a hole":
        rebuild(8)
        assert shown() == described()
