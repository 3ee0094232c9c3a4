"""The dry run: what is found, used and left out of a folder, and nothing written."""

from pathlib import Path
from typing import Any

import pytest
from own_files import CT, write_dicom, write_series

from textbcs.commands.estimate import estimate
from textbcs.settings.presets import read_preset

PRESETS = Path("presets").resolve()


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A folder of three patients, one of whom can be used."""
    values = read_preset("own", PRESETS)
    monkeypatch.chdir(tmp_path)
    folder = Path("own")
    write_series(folder / "1", "1.2.1")
    write_series(folder / "2", "1.2.2", PatientID="benign (1)", StudyInstanceUID="1.3")
    write_series(folder / "3", "1.2.3", PatientID="P3", Modality="CT", SOPClassUID=CT)
    (folder / "LICENSE").write_text("x")
    values["cohort"] |= {"archive": str(folder), "descriptions": {"post1": "min 1"}}
    return values


def test_found_used_and_left_out(params: dict[str, Any], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    lines = estimate(params)
    assert sorted(tmp_path.rglob("*")) == before
    assert lines[:2] == ["archive   own (folder)", "files     13 found, 4 used, 9 left out"]
    assert "left out  4 x DICOM image MR: the patient is excluded" in lines
    assert "left out  1 x text: no DICOM file" in lines
    assert any(
        line.startswith("left out  4 x DICOM other modality: modality CT: only MR")
        for line in lines
    )
    excluded = [line for line in lines if line.startswith("excluded")]
    assert any("PatientID is no plain name: use letters, digits" in line for line in excluded)
    assert any("post1: modality CT: only MR is read as images" in line for line in excluded)
    assert any(line.startswith("to fetch  1 patients, 1 series") for line in lines)
    assert not any("IM1" in line for line in lines)


def test_every_unused_file_is_named_when_asked(params: dict[str, Any]) -> None:
    write_dicom(Path("own/1/IM9"), 9, "1.2.1").write_bytes(b"")
    named = [line for line in estimate(params, files=True) if line.startswith("not used")]
    assert len(named) == 14
    assert "not used  LICENSE: text: no DICOM file" in named
    assert any("1/IM9: empty file: empty file: taken for a slice" in line for line in named)
    assert any(
        "1/IM1: DICOM image MR: the patient is excluded: post1: a file among" in line
        for line in named
    )
