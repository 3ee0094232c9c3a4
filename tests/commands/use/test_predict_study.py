"""`textbcs predict` as it is typed: what it writes, says and refuses, for one study and for many."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from packages import tiny_package
from studies import phantom, phase_paths, write_nifti, write_study

from textbcs.base.io import InputError
from textbcs.cli import main
from textbcs.commands.use import predict_study
from textbcs.outline import study_results

PROMPT = "location left; shape round; size large; number one"
DICOM_FILES = {
    *("mask.nii.gz", "probability.nii.gz", "segmentation.dcm", "report.dcm", "report.html"),
    "summary.json",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A package of a network that tells evidence."""
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "textbcs"))


@pytest.fixture(scope="module")
def image_only(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A package of a network that reads no text."""
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "unet"))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    array = phantom().phases[1].transpose(2, 1, 0)
    return write_nifti(tmp_path / "Jane.nii.gz", array, np.diag([2.0, 2.0, 3.0, 1.0]))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_dicom_study_becomes_a_folder(
    tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Away from any checkout, twice with the same bytes; no identity but in the DICOM objects."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "Doe^Jane")
    typed = ["predict", "Doe^Jane", "--model", package, "--prompt", PROMPT]
    assert main([*typed, "--fractional-seg"]) == 0
    out = tmp_path / "Doe^Jane-outline"
    first = contents(out)
    assert set(first) == DICOM_FILES | {"vacuity.nii.gz", "probability.dcm"}
    told = capsys.readouterr()
    assert told.out.startswith("Doe^Jane-outline: ")
    assert "given prompt" in told.out or "automatic prompt" in told.out
    assert "warning: the row spacing is 7.5 mm" in told.err
    assert phantom().facts.patient not in told.out + told.err
    for name, content in first.items():
        if not name.endswith(".dcm"):
            content = re.sub(rb"base64,[^\"]*", b"", content)  # any letters may stand in a picture
            assert b"Doe" not in content
            assert phantom().facts.patient.encode() not in content
    summary = json.loads(first["summary.json"])
    assert not re.search(r"\d\.\d+\.\d+\.\d+", json.dumps(summary)), "a UID"
    assert pydicom.dcmread(out / "segmentation.dcm").PatientID == phantom().facts.patient
    assert main(typed) == 2
    assert "Doe^Jane-outline: holds a result; add --overwrite" in capsys.readouterr().err
    assert main([*typed, "--fractional-seg", "--overwrite"]) == 0
    assert contents(out) == first


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    tmp_path: Path, package: str, volume: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    folder = write_study(tmp_path / "in")
    words = ["predict", str(folder), "--model", package, "--out", str(out), "--dry-run"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "dicom; shows post1: post1 2.25." in lines[0]
    assert lines[0].endswith("(10 files)")
    assert lines[1].startswith("model textbcs-s1 (")
    assert lines[1].endswith("automatic prompt")
    wanted = "mask.nii.gz, probability.nii.gz, vacuity.nii.gz, segmentation.dcm, report.dcm"
    assert lines[2] == f"would write {out}: {wanted}, report.html, summary.json"
    words[1] = str(volume)
    assert main([*words, "--prompt", PROMPT]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "volume file; shows post1: post1 1 (1 file)" in lines[0]
    assert lines[1].endswith(f"given prompt '{PROMPT}'")
    assert lines[2].endswith("vacuity.nii.gz, report.html, summary.json")
    assert not out.exists()


def test_images_without_a_frame_of_reference_give_nifti_alone(
    tmp_path: Path, image_only: str, capsys: Any
) -> None:
    def take_away(dataset: Any) -> None:
        if "FrameOfReferenceUID" in dataset:
            del dataset.FrameOfReferenceUID

    folder = write_study(tmp_path / "in", edit=take_away)
    out = tmp_path / "out"
    assert main(["predict", str(folder), "--model", image_only, "--out", str(out)]) == 0
    assert set(contents(out)) == {
        "mask.nii.gz",
        "probability.nii.gz",
        "report.html",
        "summary.json",
    }
    assert "warning: the images state no frame of reference" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--prompt", "location up; shape round; size large; number one"],
            "--prompt: location 'up'",
        ),
        (["--report", "nowhere.txt"], "nowhere.txt: file is missing"),
        (["--series", "7"], "from 1 to 1"),
        (["--study", "1.2"], "--study chooses among DICOM studies"),
        (["--model", "nowhere"], "nowhere: no such package"),
        (["--batch"], "--batch takes a folder of studies"),
    ],
)
def test_bad_input_is_one_line_and_no_file(
    tmp_path: Path, package: str, volume: Path, words: list[str], message: str, capsys: Any
) -> None:
    out = tmp_path / "out"
    typed = ["predict", str(volume), "--model", package, "--out", str(out), *words]
    assert main(typed) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"Jane.nii.gz"}


def test_a_damaged_study_and_a_full_disk_leave_nothing(
    tmp_path: Path, image_only: str, volume: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder, out = write_study(tmp_path / "in"), tmp_path / "out"
    path = phase_paths(folder)[3]
    path.write_bytes(path.read_bytes()[:-200])
    assert main(["predict", str(folder), "--model", image_only, "--out", str(out)]) == 2
    assert "cut short" in capsys.readouterr().err

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(out / "mask.nii.gz"))

    from textbcs.outline import result_files

    monkeypatch.setattr(result_files, "write_bytes", full)
    assert main(["predict", str(volume), "--model", image_only, "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"error: {out}/mask.nii.gz: No space left on device\n"
    assert {path.name for path in tmp_path.iterdir()} == {"Jane.nii.gz", "in"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def batch(tmp_path: Path, volume: Path) -> Path:
    """Three studies, of which the second is empty, and a hidden folder."""
    folder = tmp_path / "many"
    write_study(folder / "a", 2)
    (folder / "b").mkdir()
    volume.rename(folder / "c.nii.gz")
    (folder / ".cache").mkdir()
    return folder


def _change(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.ImageComments = "other"
    dataset.save_as(path)


def test_a_batch_goes_on_after_a_failure_and_resumes(
    tmp_path: Path, batch: Path, image_only: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "out"
    typed = ["predict", str(batch), "--model", image_only, "--batch", "--out", str(out)]
    assert main(typed) == 2
    told = capsys.readouterr()
    assert re.findall(r"^\w: (?:done|failed)", told.out + told.err, re.M) == [
        "a: done",
        "c: done",
        "b: failed",
    ]
    assert "error: 1 of 3 studies failed: b; mend them and run again" in told.err
    found = rows(out / "batch.csv")
    assert [(row["study"], row["state"]) for row in found] == [
        ("a", "done"),
        ("b", "failed"),
        ("c", "done"),
    ]
    assert "holds no DICOM file" in found[1]["message"]
    assert found[0]["lesions"].isdigit()
    assert {path.name for path in out.iterdir()} == {"a", "c", "batch.csv"}

    made: list[str] = []
    real = study_results.predict_study

    def count(found: Any, package: Any, options: Any, out: Path, progress: Any) -> Any:
        made.append(out.name)
        return real(found, package, options, out, progress)

    monkeypatch.setattr(study_results, "predict_study", count)
    (batch / "b").rmdir()
    assert main(typed) == 0
    assert [row["state"] for row in rows(out / "batch.csv")] == ["kept", "kept"]
    assert made == []
    # Another input, and damage to a result, are done again; so is everything where that is wanted.
    (out / "c/summary.json").write_text("{}")
    _change(phase_paths(batch / "a", 2)[0])
    assert main(typed) == 0
    assert made == ["a", "c"]
    assert main([*typed, "--fractional-seg"]) == 0
    assert main([*typed, "--fractional-seg", "--overwrite"]) == 0
    assert made == ["a", "c"] * 3


def test_a_batch_can_be_tried_dry(
    tmp_path: Path, batch: Path, image_only: str, capsys: Any
) -> None:
    out = tmp_path / "out"
    typed = ["predict", str(batch), "--model", image_only, "--batch", "--out", str(out)]
    assert main([*typed, "--dry-run"]) == 2
    told = capsys.readouterr()
    assert re.findall(r"^\w: to do: shows post1: post1", told.out, re.M) == [
        "a: to do: shows post1: post1",
        "c: to do: shows post1: post1",
    ]
    assert "b: failed: " in told.err
    assert not out.exists()


def test_an_unforeseen_fault_of_one_study_does_not_end_the_others(
    tmp_path: Path, batch: Path, image_only: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    real = study_results.read_study

    def strange(files: Any) -> Any:
        if files.path.name == "a":
            raise RuntimeError("never\nseen")
        return real(files)

    monkeypatch.setattr(study_results, "read_study", strange)
    out = tmp_path / "out"
    assert main(["predict", str(batch), "--model", image_only, "--batch", "--out", str(out)]) == 2
    assert "a: failed: " in (err := capsys.readouterr().err)
    assert "RuntimeError: never\n" in err
    assert {path.name for path in out.iterdir()} == {"c", "batch.csv"}


def test_names_that_would_meet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "One.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="would have results of one name"):
        study_results.studies_in(tmp_path)


def test_a_bar_counts_every_batch(volume: Path) -> None:
    bar = predict_study._bar(volume)
    assert list(bar.files([volume])) == [volume]
    bar.start(2)
    bar.done()
    bar.done()
    assert bar.bar.disable  # no terminal, no bar
