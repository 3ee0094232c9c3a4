"""Times in the future are set right, for what carries the time of an output."""

import os
from pathlib import Path

import pytest
from file_times import date_back, now_ns

from textbcs.base.io import InputError

HOUR = 3600 * 10**9


def dated(path: Path, at: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=(at, at))
    return path


def test_only_what_is_late_is_changed(here: Path) -> None:
    now = now_ns()
    early, late = dated(here / "early", now - HOUR), dated(here / "late", now + HOUR)
    assert date_back(["early", "late", "missing"], now) == ["late"]
    assert early.stat().st_mtime_ns == now - HOUR
    assert now - HOUR < late.stat().st_mtime_ns < now
    assert date_back(["early", "late"], now) == []


def test_a_folder_and_its_mark(here: Path) -> None:
    now = now_ns()
    mark = dated(here / "out/.snakemake_timestamp", now + HOUR)
    content = dated(here / "out/x.csv", now + HOUR)
    os.utime(here / "out", ns=(now + HOUR, now + HOUR))
    assert date_back(["out"], now) == ["out"]
    assert mark.stat().st_mtime_ns < now
    assert (here / "out").stat().st_mtime_ns < now
    assert content.stat().st_mtime_ns == now + HOUR, "Snakemake never looks at it"


def test_a_link_and_its_target(here: Path) -> None:
    now = now_ns()
    target = dated(here / "target", now + HOUR)
    (here / "link").symlink_to("target")
    os.utime(here / "link", ns=(now + HOUR, now + HOUR), follow_symlinks=False)
    assert date_back(["link"], now) == ["link"]
    assert (here / "link").lstat().st_mtime_ns < now
    assert target.stat().st_mtime_ns < now


def test_a_time_that_cannot_be_set_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = now_ns()
    dated(here / "x", now + HOUR)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(InputError, match=r"^x: is dated ahead .*Operation not permitted.* owner"):
        date_back(["x"], now)
    monkeypatch.setattr(os, "utime", lambda *_, **__: None)  # a file system that only pretends
    with pytest.raises(InputError, match=r"^x: is dated ahead of the clock, and keeps its time"):
        date_back(["x"], now)
