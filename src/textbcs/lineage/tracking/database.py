"""MLflow's database: bring it to what the sources say, and read it back.

`.cache/mlflow/mlflow.db` (sqlite) and `.cache/mlflow/artifacts/`, ignored by git and DVC. One writer at a
time: a kernel lock, which dies with its holder, is held while the schema is made and runs are written, so
trackers that start together make one schema and one run a receipt. Readers are not stopped (write-ahead
log). A run gets its tag `key` last: what a kill leaves half written has none and is written again.

Raises `TrackingError`, one line, for whatever MLflow or sqlite raises.
"""

import fcntl
import importlib.util
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from textbcs.lineage.tracking.runs import Run, describe
from textbcs.lineage.tracking.sources import Source, find_sources

FOLDER = Path(".cache/mlflow")
NAME = "mlflow.db"
BUSY_SECONDS = 20.0  # for somebody else's transaction
LOCK_SECONDS = 300.0  # for another tracker, which may be writing a whole pipeline
# Words of sqlite and MLflow about a database that only a new one replaces.
DAMAGED = ("malformed", "not a database", "out-of-date database schema", "no such table")
BATCH_PARAMS, BATCH_METRICS = 100, 1000  # MLflow's own limits


class TrackingError(Exception):
    """The view could not be written or read: one line that says why, and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What one synchronisation did: runs written, removed, left as they were; faults on the way."""

    added: int
    removed: int
    kept: int
    faults: tuple[str, ...]

    def text(self) -> str:
        """One line for people."""
        words = f"{self.added} runs written, {self.removed} removed, {self.kept} as they were"
        if self.faults:
            more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            words += f"; not shown: {self.faults[0]}{more}"
        return words


def uri(folder: Path = FOLDER) -> str:
    """The database's address for MLflow."""
    return f"sqlite:///{(folder / NAME).resolve()}"


def is_behind(folder: Path = FOLDER) -> bool:
    """Whether a synchronisation would change something; asked without MLflow, in a moment."""
    wanted = {source.key for source in find_sources()[0]}
    return wanted != set(_known(folder))


def synchronise(folder: Path = FOLDER, anew: bool = False) -> Outcome:
    """Make the database show exactly the runs of the working folder's receipts.

    Args:
        folder: where the database lies or shall lie.
        anew: delete it first.

    Raises:
        TrackingError: MLflow is missing, or the database cannot be written.
    """
    with _one_line(), _alone(folder):
        if anew:
            _delete(folder)
        sources, faults = find_sources()
        known = _known(folder)
        missing = [source for source in sources if source.key not in known]
        gone = set(known) - {source.key for source in sources}
        if not missing and not gone and (folder / NAME).is_file():
            return Outcome(0, 0, len(known), tuple(faults))
        _check_writable(folder)
        return _write(folder, missing, [known[key] for key in gone], len(known) - len(gone), faults)


def read_runs(folder: Path = FOLDER) -> list[Run]:
    """All runs that the database shows, in no particular order; MLflow reads them.

    Raises:
        TrackingError: it cannot be read.
    """
    with _one_line():
        client = _client(folder)
        found = []
        for experiment in client.search_experiments():
            token = None
            while True:
                page = client.search_runs([experiment.experiment_id], page_token=token)
                found += [_read(client, experiment.name, run) for run in page]
                token = page.token
                if not token:
                    break
        return found


def _read(client: Any, experiment: str, run: Any) -> Run:
    metrics = [
        (name, point.value, point.step)
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    ]
    folders = [one.path for one in client.list_artifacts(run.info.run_id) if one.is_dir]
    artifacts = [
        f"reports/{one.path}"
        for name in folders
        for one in client.list_artifacts(run.info.run_id, name)
    ]
    own = {"mlflow.runName", "mlflow.user"}
    tags = {name: value for name, value in run.data.tags.items() if name not in own}
    return Run(
        experiment, run.info.run_name, run.data.params, tuple(sorted(metrics)), tags,
        tuple(sorted(artifacts)), run.info.start_time, run.info.end_time,
    )  # fmt: skip


def _write(
    folder: Path, missing: Sequence[Source], gone: Sequence[str], kept: int, faults: list[str]
) -> Outcome:
    client = _client(folder)
    _write_ahead(folder)
    halves = _unfinished(folder)
    for run_id in (*gone, *halves):
        client.delete_run(run_id)
    experiments = {one.name: one.experiment_id for one in client.search_experiments()}
    added = 0
    for source in missing:
        try:
            run = describe(source)
        except Exception as error:  # one odd file must not hide all other runs
            faults.append(f"{source.receipt.address}: {_line(error)}")
            continue
        if run.experiment not in experiments:
            place = (folder / "artifacts" / run.experiment).resolve().as_uri()
            experiments[run.experiment] = client.create_experiment(run.experiment, place)
        _write_run(client, experiments[run.experiment], run)
        added += 1
    return Outcome(added, len(gone), kept, tuple(faults))


def _write_run(client: Any, experiment_id: str, run: Run) -> None:
    from mlflow.entities import Metric, Param, RunTag

    tags = dict(run.tags)
    key = tags.pop("key")
    made = client.create_run(experiment_id, start_time=run.started, tags=tags, run_name=run.name)
    run_id = made.info.run_id
    params = [Param(name, value) for name, value in run.params.items()]
    # The time of a point is the run's end: histories tell epochs, not times.
    points = [Metric(name, value, run.ended, step) for name, value, step in run.metrics]
    for start in range(0, len(params), BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + BATCH_PARAMS])
    for start in range(0, len(points), BATCH_METRICS):
        client.log_batch(run_id, metrics=points[start : start + BATCH_METRICS])
    for path in run.artifacts:
        client.log_artifact(run_id, path, PurePosixPath(path).parent.name)
    client.set_terminated(run_id, end_time=run.ended)
    client.log_batch(run_id, tags=[RunTag("key", key)])


def _client(folder: Path) -> Any:
    """MLflow's client on our database; makes the schema where there is none."""
    # Before the import: MLflow reads them once. It must ask nobody, and be silent.
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    if importlib.util.find_spec("mlflow") is None:
        raise TrackingError("MLflow is not installed (make setup installs it)")
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(uri(folder))


def _known(folder: Path) -> dict[str, str]:
    """Key -> run of what the database shows in full; empty where it cannot be read.

    Plain SQL, because importing MLflow costs 2 s and mostly there is nothing to do. Should another MLflow
    keep its tags elsewhere, nothing is known, and all runs would be written again: a test would fail.
    """
    return dict(
        _query(
            folder,
            "SELECT tags.value, runs.run_uuid FROM runs JOIN tags USING (run_uuid) "
            "WHERE tags.key = 'key' AND runs.lifecycle_stage = 'active'",
        )
    )


def _unfinished(folder: Path) -> list[str]:
    """Runs that a kill left half written: of a receipt, but without a key."""
    rows = _query(
        folder,
        "SELECT run_uuid, run_uuid FROM runs WHERE lifecycle_stage = 'active' "
        "AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'receipt') "
        "AND run_uuid NOT IN (SELECT run_uuid FROM tags WHERE key = 'key')",
    )
    return [run_id for run_id, _ in rows]


def _query(folder: Path, text: str) -> list[tuple[str, str]]:
    path = folder / NAME
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            return database.execute(text).fetchall()
    except sqlite3.Error:
        return []


def _check_writable(folder: Path) -> None:
    """Find out at once what MLflow would try again for minutes: locked, damaged, no database."""
    path = folder / NAME
    if not path.is_file():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("database disk image is malformed")


def _write_ahead(folder: Path) -> None:
    """The pages can read while runs are written; stays set in the file."""
    with closing(sqlite3.connect(folder / NAME, timeout=BUSY_SECONDS)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def _delete(folder: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{NAME}{suffix}").unlink(missing_ok=True)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the trackers' lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise TrackingError("another `textbcs track` is still at work") from error
                time.sleep(0.1)
        yield


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn whatever goes wrong into one line."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        text = _line(error)
        if any(word in text for word in DAMAGED):
            text += "; `textbcs track rebuild` makes it again"
        raise TrackingError(text) from error


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
