"""An application on a small package, without a socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packages import tiny_package
from studies import write_study

pytest.importorskip("starlette", reason="textbcs[serve] is not installed")
pytest.importorskip("uvicorn", reason="textbcs[serve] is not installed")

from textbcs.package.reading import read_package
from textbcs.serving.allowed_paths import AllowedPaths
from textbcs.serving.open_studies import OpenStudies
from textbcs.serving.uploaded_zip import Limits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of studies: one, and an empty one."""
    found = tmp_path_factory.mktemp("serving") / "studies"
    write_study(found / "one")
    (found / "none").mkdir()
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read_package(tiny_package(tmp_path_factory.mktemp("package") / "p", "textbcs"))


@pytest.fixture(scope="module")
def studies(package: Any, folder: Path) -> Iterator[OpenStudies]:
    limits = Limits(most_bytes=2_000_000)
    found = OpenStudies(package, AllowedPaths([folder]), 1, limits)
    yield found
    found.close()
