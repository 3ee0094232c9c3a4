"""A small phantom cohort that went through all stages of the cohort room, made once."""

import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from cohort_stage import make_stage, small_params

from textbcs.cohort.download import download
from textbcs.cohort.masks import make_masks
from textbcs.cohort.phantom import write_archive
from textbcs.cohort.phantom_settings import Settings
from textbcs.cohort.series import list_cohort


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
