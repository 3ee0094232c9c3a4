"""What many tests share: the repository as working folder, a stage without an engine, the real tables."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from checkout import Checkout
from finished_pipelines import finished

from textbcs.base import kernels
from textbcs.stage.definition import Definition
from textbcs.stage.process import PARENT
from textbcs.stage.receipt import Stage

ROOT = Path(__file__).parent.parent

# Hashes are compared, and numbers to the last bit: nothing may have loaded numpy with other kernels.
assert not kernels.fault(), kernels.fault()

# A busy machine is no fault of the code, and a failure must come again when it is looked for.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # A test that begins a run in this process names it as the parent with which later stages would end.
    monkeypatch.delenv(PARENT, raising=False)


@pytest.fixture
def stage_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    """A maker of stages that may read and write anything below an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def make(params: dict[str, Any], name: str = "probe") -> Stage:
        everything = ("data", "results", "reports", "benchmarks/results")
        return Stage(Definition(name, (), everything, everything), params, [name])

    return make


@pytest.fixture(scope="session")
def toy_origin(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The toy pipeline, finished on this machine alone and committed. Do not change it."""
    return finished(tmp_path_factory, toy=True)


@pytest.fixture(scope="session")
def tiny_origin(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The real pipeline on the tiny preset, finished and committed. Do not change it."""
    return finished(tmp_path_factory, toy=False)


@pytest.fixture(scope="session")
def duke_tables() -> Path:
    """The folder of the real collection's tables; tests that need them are skipped without."""
    folder = os.environ.get("TEXTBCS_DUKE_TABLES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TEXTBCS_DUKE_TABLES names no folder with the real Duke tables")
    return Path(folder)
