"""`textbcs evaluate` as it is typed: its scores against those of `predict`, and what it refuses."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from cohorts import true_mask, write_cohort
from packages import tiny_package

from textbcs.cli import main
from textbcs.validation import asked_packages

PROMPT = "location left; shape round; size large; number one"
FILES = {
    *("patients.csv", "left_out.csv", "means.csv", "subgroups.csv", "comparisons.csv"),
    *("evaluation.md", "evaluation.html", "evaluation.json"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "textbcs"))


@pytest.fixture(scope="module")
def image_only(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "unet"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def evaluated(
    tmp_path: Path, model: str, image_only: str, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Two models on DICOM with SEG and NIfTI, prompts for one, a patient without a mask; what was typed."""
    monkeypatch.chdir(tmp_path)
    folder = write_cohort(tmp_path / "cohort", [1, 2], dicom=[2])
    (folder / "prompts.csv").write_text(f"patient_id,text\nP1,{PROMPT}\n")
    shutil.copytree(folder / "P2", folder / "P3")
    typed = ["evaluate", "cohort", "--model", model, "--model", image_only, "--out", "out"]
    assert main(typed) == 0
    return typed


def test_two_models_on_a_cohort(
    evaluated: list[str],
    image_only: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Scores are those of the mask that `predict` writes, computed here; nobody is asked a second time."""
    out = Path("out")
    first = contents(out)
    assert set(first) == FILES
    rows = table(out / "patients.csv")
    asked = [("textbcs-s1", "automatic"), ("textbcs-s1", "given"), ("unet-s1", "none")]
    assert [(row["model"], row["source"], row["patient"]) for row in rows] == [
        (*one, patient) for one in asked for patient in ("P1", "P2")
    ]
    given = {row["patient"]: row for row in rows if row["source"] == "given"}
    assert given["P2"]["prompt_from"] == "automatic", "she has no prompt of her own"
    assert main(["predict", "cohort/P1.nii.gz", "--model", image_only, "--out", "one"]) == 0
    found = np.asarray(nibabel.load("one/mask.nii.gz").dataobj).transpose(2, 1, 0) > 0
    truth = true_mask(1)
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    nifti, dicom = rows[4:]
    assert float(nifti["dice"]) == pytest.approx(dice)
    assert float(nifti["reference_ml"]) == pytest.approx(truth.sum() * 12 / 1000)
    assert float(dicom["reference_ml"]) > 0
    assert dicom["manufacturer"] != nifti["manufacturer"] == ""
    assert {row["side"] for row in rows} <= {"left", "right"}
    monkeypatch.setattr(asked_packages, "ask_package", None)
    capsys.readouterr()
    assert main(evaluated) == 0
    assert contents(out) == first
    told = capsys.readouterr()
    assert "left out: P3: no mask" in told.err
    assert "| textbcs-s1 | automatic |" in told.out


def test_the_page_shows_patients_and_needs_no_network(evaluated: list[str]) -> None:
    assert [row["patient"] for row in table(Path("out/left_out.csv"))] == ["P3"]
    page = Path("out/evaluation.html").read_text(encoding="utf-8")
    data = page.partition('id="volume-data">')[2].partition("</script>")[0]
    shown = json.loads(data)
    assert {one["patient"] for one in shown["patients"]} == {"P1", "P2"}
    assert len(shown["readings"]) == 3
    of = {one["patient"]: one for one in shown["patients"]}
    assert of["P1"]["reference"] == true_mask(1).sum(axis=(1, 2)).tolist()
    assert not re.search(r"(src|href)=\"?https?:", page)
    assert "2 patients; 1 left out" in page


def test_a_patient_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, image_only: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_cohort(tmp_path / "cohort", [1, 2])
    (folder / "P1.nii.gz").write_bytes(b"no volume")
    out = tmp_path / "out"
    typed = ["evaluate", str(folder), "--model", image_only, "--out", str(out)]
    assert main(typed) == 2
    told = capsys.readouterr()
    assert "P1: failed: " in told.err
    assert "error: 1 of 2 patients failed: P1; the tables are without them" in told.err
    assert [row["patient"] for row in table(out / "patients.csv")] == ["P2"]
    assert json.loads((out / "evaluation.json").read_text())["left_out"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "x"], "--labels: whole numbers, or all"),
        (["--masks", "nowhere"], "nowhere: no such folder"),
        (["--prompts", "nowhere.csv"], "nowhere.csv: "),
        (["--model", "SAME"], "is compared with itself"),
        (["--model", "SAME", "--model", "SAME"], "at most two packages"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    tmp_path: Path, image_only: str, words: list[str], message: str, capsys: Any
) -> None:
    folder = write_cohort(tmp_path / "cohort", [1])
    out = tmp_path / "out"
    typed = ["evaluate", str(folder), "--model", image_only, "--out", str(out)]
    assert main([*typed, *(image_only if word == "SAME" else word for word in words)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_folder_of_something_else_is_not_written(
    tmp_path: Path, image_only: str, model: str, capsys: Any
) -> None:
    folder, out = write_cohort(tmp_path / "cohort", [1]), tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").touch()
    typed = ["evaluate", str(folder), "--out", str(out), "--model"]
    assert main([*typed, image_only]) == 2
    assert "holds other files than an evaluation" in capsys.readouterr().err
    (out / "thesis.txt").unlink()
    assert main([*typed, image_only, "--dry-run"]) == 0
    assert "mask P1.nii.gz" in capsys.readouterr().out
    assert list(out.iterdir()) == []
    assert main([*typed, image_only]) == 0
    assert main([*typed, model]) == 2
    assert "holds an evaluation of other packages; add --overwrite" in capsys.readouterr().err
