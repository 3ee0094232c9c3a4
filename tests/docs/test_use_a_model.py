"""docs/tutorials/use_a_model.md: every line of its ```sh blocks, from a trained run to SEG and scores.

The run is a drawn network in a working folder where everything has run; the patients are small phantoms.
"""

import csv
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from packed_runs import PARAMS, PLUS, finish_runs
from pages import ROOT, blocks
from studies import phantom, write_nifti, write_study

import textbcs.cli
from textbcs.settings import params
from textbcs.stage.receipt import Stage
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish

PAGE = "docs/tutorials/use_a_model.md"
COMMANDS = [
    one for block in blocks(ROOT / PAGE) if block.language == "sh" for one in block.commands
]
PATIENTS = (5, 14)
DICOM_OUT = {"segmentation.dcm", "report.dcm", "mask.nii.gz", "probability.nii.gz", "summary.json"}


@pytest.fixture
def trained(stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with trained runs, and the phantom's archive and masks."""
    finish_runs(stage_in(PARAMS))
    archive = Path("data/phantom/archive")
    Path("data/masks").mkdir(parents=True, exist_ok=True)
    for index in PATIENTS:
        name = phantom(index).facts.patient
        write_study(archive, index)
        grid = read_study(find_study(archive / name, Wish("post1"))).grid
        mask = phantom(index).mask.astype(np.uint8).transpose(2, 1, 0)
        write_nifti(Path(f"data/masks/{name}.nii.gz"), mask, grid.affine)
    monkeypatch.setattr(textbcs.cli, "require_working_copy", lambda command: None)
    monkeypatch.setattr(params, "load_params", lambda: PARAMS)


def type_in(command: str) -> None:
    words = shlex.split(command)
    if words[0] == ".venv/bin/textbcs":
        assert textbcs.cli.main(words[1:]) == 0, command
    else:
        assert words[0] in ("mkdir", "cp"), command
        subprocess.run(words, check=True, timeout=60)


def test_the_tutorial(trained: None, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        type_in(command)
    told = capsys.readouterr().out
    assert f"packages/{PLUS}-s1: " in told
    assert Path(f"packages/{PLUS}-s1.zip").is_file()
    first = Path("outlines/005")
    assert {path.name for path in first.iterdir()} >= DICOM_OUT
    segmentation = pydicom.dcmread(first / "segmentation.dcm")
    assert segmentation.PatientID == phantom(5).facts.patient
    mask = np.asarray(nibabel.load(first / "mask.nii.gz").dataobj) > 0
    assert segmentation.pixel_array.sum() == mask.sum()
    assert json.loads((first / "summary.json").read_text())["prompt"]["source"] == "automatic"
    stated = json.loads(Path("outlines/005-stated/summary.json").read_text())["prompt"]
    assert stated["stated"] == "location left; shape irregular; size medium; number two"
    with Path("outlines/all/batch.csv").open(newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert states == ["done", "done"]
    with Path("evaluation/patients.csv").open(newline="") as file:
        found = {row["patient"] for row in csv.DictReader(file)}
    assert found == {phantom(index).facts.patient for index in PATIENTS}
