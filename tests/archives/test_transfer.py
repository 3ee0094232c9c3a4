"""One request: what is tried again, what is believed, what is given up and how soon."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from servers import FOREVER, Fault, S3Handler, Server, serve

from textbcs.archives.network import Network
from textbcs.archives.transfer import ChangedError, Client, TransferError, _retry_after

BODY = bytes(range(256)) * 40
ETAG = hashlib.md5(BODY).hexdigest()
QUICK = Network(attempts=4, read_s=0.3, backoff_s=0.01, longest_wait_s=5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(S3Handler) as running:
        running.objects["bucket/one.dcm"] = BODY
        yield running


def get(server: Server, target: Path, etag: str = ETAG, size: int | None = len(BODY)) -> None:
    url = f"{server.url}/bucket/one.dcm"
    Client(QUICK).save(url, {}, target, len(BODY), size=size, etag=etag)


def ranges(server: Server) -> list[str]:
    return [asked for _, asked in server.asked]


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_a_part_goes_on_where_it_broke(server: Server, tmp_path: Path, kind: str) -> None:
    server.faults = [Fault(kind, times=3)]
    get(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    starts = [int(text.removeprefix("bytes=").rstrip("-") or 0) for text in ranges(server)]
    assert starts[0] == 0
    assert starts == sorted(starts)
    if kind == "cut":  # each half of what was left
        assert starts == [0, 5120, 7680, 8960]


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ("range ignored", ["", "bytes=5120-"]),
        ("another range", ["", "bytes=5120-", ""]),
    ],
)
def test_a_wrong_continuation_starts_again(
    server: Server, tmp_path: Path, kind: str, then: list[str]
) -> None:
    server.faults = [Fault("cut"), Fault(kind)]
    get(server, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert ranges(server) == then


def test_another_version_is_not_joined(server: Server, tmp_path: Path) -> None:
    server.faults = [Fault("cut"), Fault("another etag")]
    with pytest.raises(ChangedError, match="has changed since it was listed"):
        get(server, tmp_path / "x")
    assert not list(tmp_path.iterdir())
    # A part of an older version lies there: it is dropped, not continued.
    server.faults = [Fault("reset", times=FOREVER)]
    with pytest.raises(TransferError, match="4 attempts"):
        get(server, tmp_path / "x")
    assert len(list(tmp_path.glob("*.part"))) == 1
    newer = BODY[::-1]
    server.objects["bucket/one.dcm"], server.faults = newer, []
    get(server, tmp_path / "x", etag=hashlib.md5(newer).hexdigest())
    assert (tmp_path / "x").read_bytes() == newer
    assert not list(tmp_path.glob("*.part"))


def test_without_a_version_nothing_is_resumed_or_kept(server: Server, tmp_path: Path) -> None:
    server.faults = [Fault("cut", times=2)]
    get(server, tmp_path / "x", etag="", size=None)
    assert ranges(server) == ["", "", ""]
    server.faults = [Fault("cut", times=FOREVER)]
    with pytest.raises(TransferError):
        get(server, tmp_path / "y", etag="", size=None)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_part_that_is_whole_or_too_long(server: Server, tmp_path: Path) -> None:
    server.faults = [Fault("cut", times=FOREVER)]
    with pytest.raises(TransferError):
        get(server, tmp_path / "x")
    (part,) = tmp_path.glob("*.part")
    server.faults, server.asked = [], []
    part.write_bytes(BODY)
    get(server, tmp_path / "x")
    assert server.asked == []
    part.write_bytes(BODY + b"!")
    get(server, tmp_path / "x")
    assert ranges(server) == [""]
    assert (tmp_path / "x").read_bytes() == BODY


def test_sizes_are_believed_from_the_list_only(server: Server, tmp_path: Path) -> None:
    for size, words in ((len(BODY) + 1, "another range"), (len(BODY) - 1, "bytes of")):
        with pytest.raises(TransferError, match=words):
            get(server, tmp_path / "x", size=size)
        assert not (tmp_path / "x").exists()
    with pytest.raises(TransferError, match="more than the 100 bytes"):
        Client(QUICK).save(f"{server.url}/bucket/one.dcm", {}, tmp_path / "y", 100)
    assert not list(tmp_path.glob("y*"))


def test_what_is_final_is_asked_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="HTTP 404"):
        Client(QUICK).save(f"{server.url}/bucket/none.dcm", {}, tmp_path / "x", 100)
    assert len(server.asked) == 1
    server.faults = [Fault("busy for an hour", times=FOREVER)]
    with pytest.raises(TransferError, match="asks for a wait of 3600 s"):
        get(server, tmp_path / "x")
    assert len(server.asked) == 2


def test_attempts_are_bounded_and_waits_grow(server: Server, tmp_path: Path, monkeypatch) -> None:
    client, waits = Client(Network(attempts=5, backoff_s=1, longest_wait_s=3)), []
    monkeypatch.setattr(client.stop, "wait", lambda seconds: waits.append(seconds))
    server.faults = [Fault("503", times=FOREVER)]
    with pytest.raises(TransferError, match=r"HTTP 503 \(5 attempts\)"):
        client.save(f"{server.url}/bucket/one.dcm", {}, tmp_path / "x", 10**6)
    assert len(server.asked) == 5
    for wait, middle in zip(waits, [1, 2, 3, 3], strict=True):
        assert middle / 2 <= wait <= middle * 3 / 2
    assert len({wait / middle for wait, middle in zip(waits, [1, 2, 3, 3], strict=True)}) == 4


def test_stop_ends_waits(server: Server, tmp_path: Path) -> None:
    client = Client(Network(attempts=3, backoff_s=1000, longest_wait_s=1000))
    server.faults = [Fault("503", times=FOREVER)]
    client.stop.set()
    with pytest.raises(TransferError, match="stopped"):
        client.save(f"{server.url}/bucket/one.dcm", {}, tmp_path / "x", 10**6)


def test_no_server_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(TransferError, match="connection failed") as error:
        Client(QUICK).save("http://127.0.0.1:9/x", {}, tmp_path / "x", 10)
    assert "0x" not in str(error.value)


def test_retry_after() -> None:
    assert _retry_after("7") == 7
    assert _retry_after("") == _retry_after("soon") == 0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < _retry_after(later) <= 90
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0
