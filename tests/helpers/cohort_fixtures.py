"""A small phantom cohort that went through all stages of the cohort room, made once."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from cohort_stage import make_stage, small_params
from remote import Place, remote_place

from textbcs.phantom.settings import Settings
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import run as make_masks
from textbcs.stages.data.phantom import run as write_archive


@pytest.fixture
def params() -> dict[str, Any]:
    return small_params()


@pytest.fixture
def settings(params: dict[str, Any]) -> Settings:
    return Settings.of(params["phantom"])


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the four stages have run. Do not write there."""
    folder = tmp_path_factory.mktemp("cohort")
    with chdir(folder):
        for verb in (write_archive, list_cohort, download, make_masks):
            verb(make_stage(small_params(), verb.__name__))
    return folder


@pytest.fixture
def workplace(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with its own copy of the finished cohort."""
    shutil.copytree(finished / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and no proxy before the loopback interface."""
    for name, value in (
        ("TEXTBCS_BACKOFF_S", "0.01"),
        ("TEXTBCS_TIMEOUT_S", "0.3"),
        ("TEXTBCS_ATTEMPTS", "4"),
        ("TEXTBCS_CONNECTIONS", "3"),
        ("NO_PROXY", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["idc", "nbia"])
def place(
    request: pytest.FixtureRequest, finished: Path, tmp_path: Path, params: Any, impatient: None
) -> Iterator[Place]:
    """A server of two patients, the parameters that lead there, an empty working folder."""
    with remote_place(request.param, finished, tmp_path, params) as there:
        yield there


@pytest.fixture
def idc(finished: Path, tmp_path: Path, params: Any, impatient: None) -> Iterator[Place]:
    """The same with the IDC's server."""
    with remote_place("idc", finished, tmp_path, params) as there:
        yield there


@pytest.fixture
def nbia(finished: Path, tmp_path: Path, params: Any, impatient: None) -> Iterator[Place]:
    """The same with NBIA's server."""
    with remote_place("nbia", finished, tmp_path, params) as there:
        yield there
