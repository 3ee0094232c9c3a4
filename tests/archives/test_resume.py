"""Downloads that were killed, damaged or lost: they go on, and only what is missing comes again."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cohort_stage import make_stage
from remote import Place, address, expected, fetch, nothing_left, raw_is_right
from servers import FOREVER, Fault

from textbcs.archives.incoming import INCOMING, RAW
from textbcs.archives.raw_files import restore
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import FILES, read_files
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download


def _in_a_process(work: Callable[[], None]) -> Any:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def test_a_killed_download_resumes_where_it_was(
    idc: Place, finished: Path, monkeypatch: Any
) -> None:
    server, params = idc
    list_cohort(make_stage(params))
    monkeypatch.setenv("TEXTBCS_TIMEOUT_S", "30")
    server.faults = [Fault("slow", ".dcm$", FOREVER)]
    process = _in_a_process(lambda: download(make_stage(params)))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        parts = [path for path in INCOMING.rglob("*.part") if path.stat().st_size > 400]
        if parts:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    sizes = {path.name.split(".part")[0][:-9]: path.stat().st_size for path in parts}
    assert sizes, "nothing was under way"
    server.faults, before = [], len(server.asked)
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert nothing_left()
    ranges = dict(server.asked[before:])
    for name, size in sizes.items():
        found = [asked for path, asked in ranges.items() if path.endswith(name)]
        assert len(found) == 1
        assert int(found[0].removeprefix("bytes=").rstrip("-")) >= size


@pytest.mark.parametrize("kind", ["range ignored", "another range", "another etag"])
def test_a_part_is_never_joined_to_something_else(
    idc: Place, finished: Path, kind: str, monkeypatch: Any
) -> None:
    server, params = idc
    list_cohort(make_stage(params))
    server.faults = [Fault("reset", ".dcm$", 1), Fault(kind, ".dcm$", 1)]
    monkeypatch.setenv("TEXTBCS_CONNECTIONS", "1")
    download(make_stage(params))
    assert [one.times for one in server.faults] == [0, 0]
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert nothing_left()


def test_what_is_damaged_here_is_fetched_again(place: Place, finished: Path) -> None:
    server, params = place
    fetch(params)
    files = read_files()
    victim, lost = RAW / files["path"].iloc[3], RAW / files["path"].iloc[40]
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0\1"[-1:])
    victim.write_bytes(bytes(len(victim.read_bytes())))
    lost.unlink()
    FILES.unlink()
    before = len(server.asked)
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), files)
    assert raw_is_right(files)
    assert nothing_left()
    wanted = [address(uid, params) for uid in files["series_uid"].iloc[[3, 40]]]
    touched = [path for path, _ in server.asked[before:] if "getSeries" not in path]
    assert all(any(one in path for one in wanted) for path in touched)


def test_restore_brings_back_through_the_network(place: Place, finished: Path) -> None:
    _, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    restore(files, params)
    assert raw_is_right(files)
    assert all((RAW / path).is_file() for path in files["path"])
    assert nothing_left()


def test_restore_accepts_only_what_was_recorded(place: Place) -> None:
    server, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    files.loc[2, "sha256"] = "0" * 64
    with pytest.raises(InputError, match=r"other content than files\.csv"):
        restore(files, params)
    assert not (RAW / files["path"].iloc[2]).exists()
    server.faults = [Fault("503", ".", FOREVER)]
    shutil.rmtree(RAW)
    with pytest.raises(InputError, match="HTTP 503") as error:
        restore(read_files(), params)
    assert "\n" not in str(error.value)


def test_two_processes_do_not_disturb_each_other(place: Place, finished: Path) -> None:
    _, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    process = _in_a_process(lambda: restore(files, params))
    restore(files, params)
    process.join()
    assert process.exitcode == 0
    assert raw_is_right(files)
    assert all((RAW / path).is_file() for path in files["path"])


def test_records_survive_as_json(idc: Place) -> None:
    _, params = idc
    fetch(params)
    records = sorted(INCOMING.glob("*.json"))
    assert len(records) == 6
    files = read_files()
    for path in records:
        own = files[files["series_uid"] == path.stem]
        assert [row[3] for row in json.loads(path.read_text())["files"]] == list(own["sha256"])
