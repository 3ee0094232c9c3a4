import json
from pathlib import Path

import pytest

from textbcs.definition import Definition, define
from textbcs.io import InputError, sha256_bytes, write_text
from textbcs.receipt import Stage


@pytest.fixture
def definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Definition:
    monkeypatch.chdir(tmp_path)
    write_text("in/a.csv", "a\n")
    return Definition("fit@x-1", ("fit",), ("in",), ("out/b.csv", "results/receipts/fit@x-1.json"))


def run(definition: Definition) -> bytes:
    with Stage(definition, {"fit": {"rate": 0.1}}, ["fit", "x", "1"]) as stage:
        stage.seed = 1
        write_text(stage.output("out/b.csv"), stage.input("in/a.csv").read_text() * 2)
    return Path(definition.receipt).read_bytes()


def test_receipt_says_what_ran_on_what(definition: Definition) -> None:
    receipt = json.loads(run(definition))
    assert receipt["stage"] == "fit@x-1"
    assert receipt["argv"] == ["fit", "x", "1"]
    assert receipt["params"] == {"fit.rate": 0.1}
    assert (receipt["seed"], receipt["device"]) == (1, "cpu")
    assert receipt["inputs"] == [{"path": "in/a.csv", "sha256": sha256_bytes(b"a\n"), "bytes": 2}]
    assert receipt["outputs"] == [
        {"path": "out/b.csv", "sha256": sha256_bytes(b"a\na\n"), "bytes": 4}
    ]


def test_identical_runs_leave_identical_receipts(definition: Definition) -> None:
    assert run(definition) == run(definition)


def test_a_failed_stage_leaves_neither_output_nor_receipt(definition: Definition) -> None:
    with pytest.raises(InputError), Stage(definition, {}, []) as stage:
        write_text(stage.output("out/b.csv"), "half")
        raise InputError("bad")
    assert not Path("out/b.csv").exists()
    assert not Path(definition.receipt).exists()


def test_undeclared_files_are_refused(definition: Definition) -> None:
    stage = Stage(definition, {}, [])
    write_text("other.csv", "")
    with pytest.raises(ValueError, match="which dvc.yaml does not declare"):
        stage.input("other.csv")
    with pytest.raises(ValueError, match="which dvc.yaml does not declare"):
        stage.output("out/b.csv.old")
    with pytest.raises(InputError, match="file is missing"):
        stage.input("in/none.csv")


def test_a_declared_output_that_was_not_written_is_an_error(definition: Definition) -> None:
    with pytest.raises(InputError, match="file is missing"), Stage(definition, {}, []) as stage:
        stage.output("out/b.csv")


def test_define_fills_the_matrix() -> None:
    train = define("train", ("unet", "1"), {})
    assert train.address == "train@unet-1"
    assert "methods.unet" in train.keys
    assert "results/runs/unet-s1/model.safetensors" in train.outputs
    assert train.receipt in train.outputs
    assert train.may_read("data/slices/train/slices.csv")
    assert not train.may_read("data/slices/test/slices.csv")
    assert not train.may_read("data/slices/training.csv")
    cohort = define("cohort", (), {"cohort": {"clinical": "data/archive/c.xlsx"}})
    assert cohort.may_read("data/archive/c.xlsx")


def test_define_refuses_what_is_not_there() -> None:
    with pytest.raises(InputError, match="no stage 'trane'"):
        define("trane", (), {})
    with pytest.raises(InputError, match="takes METHOD SEED, not unet"):
        define("train", ("unet",), {})
