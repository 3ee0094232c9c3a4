"""Stages that spread patients over processes: the same bytes with one process and with two."""

import shutil
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from cohort_stage import make_stage

from textbcs.archives.incoming import RAW
from textbcs.base.io import InputError, write_csv
from textbcs.stage import pool
from textbcs.stages.data import phantom
from textbcs.stages.data import slices as slices_stage


@pytest.fixture
def two_jobs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two processes from the first patient on; what is left for them is listed."""
    spread, left = pool._spread, []

    def watched(work: Any, items: Any, jobs: int) -> Any:
        left.append(len(items))
        return spread(work, items, jobs)

    monkeypatch.setattr(pool, "_spread", watched)
    monkeypatch.setenv("TEXTBCS_JOBS", "2")
    for module in (phantom, slices_stage):
        monkeypatch.setattr(module, "each", partial(pool.each, patience_s=0))
    return left


def content(folder: str) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def cut(params: dict[str, Any], module: ModuleType = slices_stage) -> tuple[dict[str, bytes], Any]:
    """The slices and the receipt."""
    stage = make_stage(params)
    module.run(stage)
    return content("data/slices"), stage._receipt()


@pytest.fixture
def split(workplace: Path, params: dict[str, Any]) -> None:
    params["slices"] |= {"minimum_lesion_mm2": 10.0, "minimum_component_mm2": 5.0, "phase": "sub"}
    names = [f"Breast_MRI_{number:03d}" for number in range(1, 7)]
    table = pd.DataFrame({"patient": names, "split": ["train", "val", "test"] * 2})
    write_csv("data/splits/split.csv", table)


def test_slices(split: None, params: dict[str, Any], request: pytest.FixtureRequest) -> None:
    files, receipt = cut(params)
    assert len(files) == 10
    shutil.rmtree("data/slices")
    left = request.getfixturevalue("two_jobs")
    shutil.rmtree(RAW / "Breast_MRI_002")  # a process restores what is missing
    assert cut(params) == (files, receipt)
    assert left == [6]
    assert (RAW / "Breast_MRI_002").is_dir()


def test_a_fault_names_its_file(split: None, params: dict[str, Any], two_jobs: list[int]) -> None:
    for path in (RAW / "Breast_MRI_005").glob("*/*.dcm"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match="Breast_MRI_005/.*: is not the file that was recorded"):
        cut(params)
    assert not content("data/slices")
    assert two_jobs == [6]


def test_phantom(
    finished: Path,
    tmp_path: Path,
    params: dict[str, Any],
    two_jobs: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(finished)
    expected = content("data/phantom")
    monkeypatch.chdir(tmp_path)
    phantom.run(make_stage(params))
    assert content("data/phantom") == expected
    assert two_jobs == [6]
