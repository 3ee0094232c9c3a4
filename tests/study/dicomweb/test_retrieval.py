"""A study comes from a server as it lies there; whatever a server does wrong is one line, and soon."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dicomweb import Remote, remote
from studies import write_study

from textbcs.base.io import InputError
from textbcs.study.dicomweb import retrieval, server
from textbcs.study.dicomweb.address import is_address, read_address
from textbcs.study.dicomweb.retrieval import fetch_study, local_study

NOBODY = ("Doe", "secret")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def state(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Remote]:
    monkeypatch.setenv("TEXTBCS_BACKOFF_S", "0.01")
    monkeypatch.setenv("TEXTBCS_TIMEOUT_S", "0.3")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in (server.TOKEN, server.USER, server.PASSWORD):
        monkeypatch.delenv(name, raising=False)
    with remote(folder) as found:
        yield found


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*.dcm"))


def test_a_study_comes_as_it_is(state: Remote, tmp_path: Path) -> None:
    """The MR series, byte by byte, and nothing of the others."""
    told: list[tuple[int, int | None]] = []
    fetch_study(read_address(state.address), tmp_path, lambda *so_far: told.append(so_far))
    images = [own for modality, own in state.series.values() if modality == "MR"]
    assert len(images) > 1
    assert contents(tmp_path) == sorted(one for own in images for one in own)
    total = sum(map(len, images))
    assert told == [(number, total) for number in range(1, total + 1)]


def test_one_series_may_be_named(state: Remote, tmp_path: Path) -> None:
    uid = next(uid for uid, (modality, _) in state.series.items() if modality == "MR")
    fetch_study(read_address(f"{state.address}/series/{uid}"), tmp_path)
    assert contents(tmp_path) == sorted(state.series[uid][1])
    with pytest.raises(InputError, match="has no such series"):
        fetch_study(read_address(f"{state.address}/series/1.2.3"), tmp_path / "b")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", r"wants a name and password \(401\): set TEXTBCS_DICOMWEB_TOKEN"),
        ("403", r"wants a name and password \(403\)"),
        ("404", "has nothing there"),
        ("503", r"has trouble \(503\)"),
        ("418", r"refuses the request \(418\)"),
        ("redirect", "sends us on to http://evil.example/studies"),
        ("silent", "does not answer in time|cannot be reached"),
        ("no list", "answers with text/html, not with JSON"),
        ("other list", "answers with no list of series"),
        ("no study", "has no such study"),
        ("html", "answers with text/html, not with DICOM"),
        ("no DICOM", "sends something that is no DICOM file"),
        ("foreign", "sends an image of another series"),
        ("few", "sends half a series: 9 of 10 images"),
        ("many", "sends more than the 10 images"),
        ("twice", "sends an image twice"),
        ("cut", "sends half an answer: the connection broke"),
        ("half", "sends half an answer: it ends before"),
        ("endless", "sends more than 1 MB and is not done"),
        ("slow", "sends less than a kilobyte a second"),
    ],
)
def test_what_a_server_does_wrong_is_one_line(
    state: Remote, tmp_path: Path, fault: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "MOST_BYTES", 1 << 20)
    # Blocks of an answer that trickles are small too, or none would come before its end.
    monkeypatch.setattr(server, "_BLOCK", 1 if fault == "slow" else 1 << 16)
    state.fault = fault
    with pytest.raises(InputError, match=message) as error:
        fetch_study(read_address(state.address), tmp_path)
    text = str(error.value)
    assert text.startswith(state.address)
    assert "\n" not in text
    assert "Doe" not in text


def test_trouble_that_passes_is_waited_for(state: Remote, tmp_path: Path) -> None:
    state.fault, state.times = "503", 2
    fetch_study(read_address(state.address), tmp_path)
    assert contents(tmp_path)


def test_nobody_there(state: Remote, tmp_path: Path) -> None:
    address = read_address("http://127.0.0.1:9/dicom-web/studies/1.2.3")
    with pytest.raises(InputError, match="cannot be reached"):
        fetch_study(address, tmp_path)


def test_who_asks_is_told_to_the_server_alone(
    state: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = read_address(state.address)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login net password secret\n")
    fetch_study(address, tmp_path / "a")
    monkeypatch.setenv(server.USER, "reader")
    monkeypatch.setenv(server.PASSWORD, "secret")
    fetch_study(address, tmp_path / "b")
    monkeypatch.setenv(server.TOKEN, "secret-token")
    fetch_study(address, tmp_path / "c")
    told = list(dict.fromkeys(who for _, _, who in state.asked))
    assert told == ["Basic bmV0OnNlY3JldA==", "Basic cmVhZGVyOnNlY3JldA==", "Bearer secret-token"]
    state.fault = "401"
    with pytest.raises(InputError, match="refuses the name and password") as error:
        fetch_study(address, tmp_path / "d")
    assert "secret" not in str(error.value)
    with pytest.raises(InputError, match="is not encrypted") as error:
        fetch_study(read_address("http://pacs.example/studies/1.2"), tmp_path / "e")
    assert "secret" not in str(error.value)


def test_a_temporary_folder_is_named_after_the_server_and_goes(state: Remote) -> None:
    with local_study(state.address) as path:
        assert path.name == state.study
        assert contents(path)
    assert not path.exists()
    with pytest.raises(InputError) as error, local_study(state.address) as path:
        raise InputError(f"{path}: no")
    assert str(error.value) == f"{state.address}: no"
    with local_study("some/folder") as path:
        assert path == Path("some/folder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://a/dicom-web", "is no address of a study"),
        ("https://a/dicom-web/studies/../x", "is no address of a study"),
        ("https://a/studies/1.2?x=1", "is no address of a study"),
        ("https:///studies/1.2", "is no address of a study"),
        ("https://a:x/studies/1.2", "the form is"),
        (f"https://a/studies/{'1' * 65}", "is no address of a study"),
        ("https://doe:secret@a/studies/1.2", "https://a: leave name and password out"),
    ],
)
def test_addresses_that_are_none(text: str, message: str) -> None:
    assert is_address(text)
    with pytest.raises(InputError, match=message) as error:
        read_address(text)
    assert "secret" not in str(error.value)
