"""Damaged files of every format: read rightly, or refused in one line. `benchmarks/fuzz_intake.py` tries
thousands; here are a few hundred, always the same, and proof that a wrong reader would be noticed."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textbcs.base.io import InputError
from textbcs.imaging import nifti

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EXAMPLES = 20  # of each format
FORMATS = (
    *(
        "dicom",
        "dicom_compressed",
        "dicom_enhanced",
        "dicom_jpeg",
        "dicom_seg",
        "nifti",
        "nifti_gz",
        "nrrd",
    ),
    *("seg_nrrd", "png", "tiff_jpeg_bmp", "csv", "xlsx", "params", "zip"),
)


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import fuzz_intake

        yield fuzz_intake
    finally:
        sys.path.remove(str(BENCHMARKS))


def attempt(fuzz: ModuleType, name: str, number: int):
    with tempfile.TemporaryDirectory() as folder:
        return fuzz.attempt(name, number, 0, Path(folder))


def test_every_format_is_tried(fuzz: ModuleType) -> None:
    assert set(FORMATS) == set(fuzz.FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(fuzz: ModuleType, name: str) -> None:
    @settings(
        derandomize=True,
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def example(number: int) -> None:
        outcome = attempt(fuzz, name, number)
        assert outcome.kind != "failed", f"{name}:{number} {outcome.words}"

    example()


@pytest.mark.parametrize("name", FORMATS)
def test_the_undamaged_file_is_accepted(
    fuzz: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what is refused is refused for its damage."""

    def whole(content: bytes, rng: np.random.Generator) -> bytes:
        return content

    modules = [sys.modules[one] for one in list(sys.modules) if one.startswith("fuzz_")]
    for module in modules:
        for change in ("damaged", "altered", "line_changed", "_chunks_changed", "_member_changed"):
            if hasattr(module, change):
                monkeypatch.setattr(module, change, whole)
    params, zips, tables, volumes = (
        sys.modules[f"fuzz_{one}"] for one in ("params", "zips", "tables", "volumes")
    )
    monkeypatch.setattr(params, "_odd_values", lambda preset, rng: params._text(preset))
    monkeypatch.setattr(params, "_LINES", ("# nothing",))
    monkeypatch.setattr(zips, "_rebuilt", lambda rng: zips._zip(zips._bodies()))
    monkeypatch.setattr(tables, "_CELLS", ("anna",))
    monkeypatch.setattr(volumes, "_header_changed", lambda content, header, rng: content)
    outcomes = [attempt(fuzz, name, number) for number in range(6)]
    if name == "csv":  # a header of "anna" is another table, and refused
        outcomes = [one for one in outcomes if "no column" not in one.words]
    assert [(one.kind, one.words) for one in outcomes] == [("equal", "")] * len(outcomes)
    assert outcomes


def test_a_wrong_reader_fails(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other voxels, an error of a library, and a line without the file's name are each a failure."""
    numbers = range(40)
    right = nifti.grey_values

    monkeypatch.setattr(nifti, "grey_values", lambda path, values: right(path, values) + 1)
    words = [attempt(fuzz, "nifti", number).words for number in numbers]
    assert any("values differ" in one for one in words)

    def raises(error: Exception):
        def reader(path: Path, values: np.ndarray) -> np.ndarray:
            if "berta" in path.as_posix():
                raise error
            return right(path, values)

        return reader

    monkeypatch.setattr(nifti, "grey_values", raises(KeyError("x")))
    assert any("KeyError" in attempt(fuzz, "nifti", number).words for number in numbers)
    monkeypatch.setattr(nifti, "grey_values", raises(InputError("it is wrong")))
    assert any("names no file" in attempt(fuzz, "nifti", number).words for number in numbers)


def test_what_takes_too_long_fails(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage = sys.modules["fuzz_damage"]
    monkeypatch.setattr(damage, "LONGEST_S", 1)
    monkeypatch.setattr(damage, "LONGEST_WAIT_S", 2)
    for busy in (lambda: time.sleep(30), lambda: all(True for _ in iter(int, 1))):
        outcome = damage.trial(lambda folder, rng, busy=busy: busy() or "", tmp_path, None)
        assert outcome.kind == "failed"
        assert outcome.seconds < 3
