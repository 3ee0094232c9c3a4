"""The start of an invocation: left-overs, times, and faults of the system in one line."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest
import start
from stages import TRIGGER
from stale import Pipeline, StageFacts

TRAIN = """
stages:
  train: {matrix: {seed: "${seeds}"}, cmd: x, outs: ["results/runs/s${item.seed}"]}
"""


def test_leftovers_go_and_are_named_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "dvc.yaml").write_text(TRAIN)
    for seed in (1, 2, 3):
        (here / f"results/runs/s{seed}").mkdir(parents=True)
    (here / "results/runs/notes.txt").touch()
    assert start.remove_leftovers({"seeds": [1]})
    said = capsys.readouterr().err
    assert said.startswith(
        "removed what no stage writes with these parameters: results/runs/s2 and 1 more"
    )
    assert said.count("\n") == 1
    assert sorted(path.name for path in (here / "results/runs").iterdir()) == ["notes.txt", "s1"]
    assert not start.remove_leftovers({"seeds": [1]})
    assert capsys.readouterr().err == ""


STAGES = {
    name: StageFacts((f"data/{name}", f"data/{name}.csv"), frozenset(), (), frozenset())
    for name in ("a", "b")
}


@pytest.mark.parametrize("hours", [-1, 0, 1, 24 * 365])
def test_what_is_stale_is_older_than_the_trigger_whatever_the_clocks_say(
    here: Path, hours: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "data/a").mkdir(parents=True)
    (here / "data/b").mkdir()
    for name in ("a/.snakemake_timestamp", "a.csv", "b/.snakemake_timestamp", "b.csv"):
        (here / "data" / name).touch()
        later = (here / "data" / name).stat().st_mtime_ns + hours * 3600 * 10**9
        os.utime(here / "data" / name, ns=(later, later))
    start.hand_over(Pipeline(STAGES, frozenset({"a"})))
    trigger = Path(TRIGGER).stat().st_mtime
    for name in ("a/.snakemake_timestamp", "a.csv", "b/.snakemake_timestamp", "b.csv"):
        assert (here / "data" / name).stat().st_mtime < trigger
    told = capsys.readouterr().err
    assert told == ("dated ahead of the clock, set right: data/a and 3 more\n" if hours > 0 else "")


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "dvc.lock")


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (FULL, "error: dvc.lock: No space left on device"),
        (
            PermissionError(errno.EACCES, "Permission denied", b"x/y"),
            "error: x/y: Permission denied",
        ),
        (
            sqlite3.OperationalError("database or disk is full"),
            "error: DVC cannot use its database",
        ),
        (
            KeyError("getpwuid(): uid not found: 7"),
            "error: this system does not know the user's name",
        ),
        (RuntimeError("Could not determine home directory."), "error: .* user's home"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    here: Path, fault: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(start, "check_options", fail)
    with pytest.raises(SystemExit, match=f"^{line}") as caught:
        start.begin(True, ["--cores", "1"])
    assert "\n" not in str(caught.value)


def test_a_fault_of_the_program_is_none_of_the_system(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("train")

    monkeypatch.setattr(start, "check_options", fail)
    with pytest.raises(KeyError):
        start.begin(True, ["--cores", "1"])
