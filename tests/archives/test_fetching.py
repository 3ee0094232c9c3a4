"""Many series: order, bounds and ends, whatever single ones do."""

import errno
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from textbcs.archives.fetching import check_space, each_series
from textbcs.archives.network import Network
from textbcs.archives.transfer import Client, TransferError
from textbcs.base.io import InputError

JOBS = [("p", str(number)) for number in range(60)]


class Far:
    """An archive behind a network, as far as fetching sees it."""

    def __init__(self) -> None:
        self.client = Client(Network(connections=3))


class Near:
    """A local archive."""

    client = None


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(number: str, size: int = 10) -> list[list[Any]]:
    return [["p", number, "uid", 1, "path", size, "hash"]]


def do(archive: Any, work: Any, done: Any = lambda _: None) -> list[Any]:
    return each_series(archive, JOBS, work, done)


@pytest.mark.parametrize("kind", [Far, Near])
def test_results_keep_their_order_and_bytes_add_up(kind: Any) -> None:
    told: list[int] = []

    def work(_: str, number: str) -> list[list[Any]]:
        time.sleep(0.001 * (int(number) % 5))
        return rows(number)

    found = do(kind(), work, told.append)
    assert [one[0][1] for one in found] == [number for _, number in JOBS]
    assert told == [10] * len(JOBS)


def test_connections_are_limited_and_used() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def work(_: str, number: str) -> list[list[Any]]:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return rows(number)

    do(Far(), work)
    assert most[0] == 3


def test_one_failure_does_not_stop_the_others() -> None:
    called: list[str] = []

    def work(_: str, number: str) -> list[list[Any]]:
        called.append(number)
        if number in ("7", "30"):
            raise TransferError("HTTP 503")
        return rows(number)

    with pytest.raises(InputError, match="2 of 60 series did not arrive: series 30: HTTP 503"):
        do(Far(), work)
    assert len(called) == 60


def test_a_dead_server_is_left_alone_soon() -> None:
    called: list[str] = []

    def work(_: str, number: str) -> list[list[Any]]:
        called.append(number)
        time.sleep(0.01)
        raise TransferError("HTTP 503")

    with pytest.raises(InputError, match=r"5 of 60 series did not arrive"):
        do(Far(), work)
    assert 5 <= len(called) <= 5 + 2 * 3


@pytest.mark.parametrize("error", [InputError("wrong"), KeyboardInterrupt(), ValueError("bug")])
def test_other_ends_are_immediate_and_their_own(error: BaseException) -> None:
    called: list[str] = []

    def work(_: str, number: str) -> list[list[Any]]:
        called.append(number)
        time.sleep(0.01)
        if number == "3":
            raise error
        return rows(number)

    archive = Far()
    with pytest.raises(type(error)):
        do(archive, work)
    assert archive.client.stop.is_set()
    assert len(called) < 20


@pytest.mark.parametrize("kind", [Far, Near])
def test_a_disk_that_fills_up_is_one_line(kind: Any) -> None:
    def work(_: str, number: str) -> list[list[Any]]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="data/raw: the disk is full") as error:
        do(kind(), work)
    assert "\n" not in str(error.value)

    def broken(_: str, number: str) -> list[list[Any]]:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        do(kind(), broken)


def test_space_counts_what_is_here_and_what_is_unpacked(monkeypatch: Any) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 5_000_000_000})())
    jobs = [("p", "1"), ("p", "2")]
    check_space(Near(), jobs, [2_500_000_000] * 2)
    with pytest.raises(InputError, match=r"needs 5\.2 GB more and the disk has 5\.0 GB free"):
        check_space(Near(), jobs, [2_600_000_000] * 2)
    with pytest.raises(InputError, match=r"needs 5\.0 GB more"):
        check_space(Far(), jobs, [1_000_100_000] * 2)
    for folder in (Path("data/raw/p/1"), Path("data/raw/.incoming/2")):
        folder.mkdir(parents=True)
        with (folder / "x.dcm").open("wb") as file:
            file.truncate(1_000_100_000)
    check_space(Far(), jobs, [1_000_100_000] * 2)
