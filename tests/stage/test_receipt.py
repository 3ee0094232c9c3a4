import json
import subprocess
from pathlib import Path

import pytest

from textbcs.base import kernels
from textbcs.base.io import InputError, read_json, sha256_bytes, sha256_file, write_text
from textbcs.settings.params import load_params
from textbcs.settings.presets import read_preset
from textbcs.stage import run_information
from textbcs.stage.definition import Definition, Makers, define, define_all
from textbcs.stage.receipt import Stage, seeds


@pytest.fixture
def definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Definition:
    monkeypatch.chdir(tmp_path)
    write_text("in/a.csv", "a\n")
    write_text("src/textbcs/fit.py", "fit\n")
    write_text("src/textbcs/models/unet/network.py", "net\n")
    write_text("src/textbcs/models/unet/notes.txt", "")
    write_text("requirements.lock", "torch\n")
    code = ("src/textbcs/models/unet", "src/textbcs/fit.py")
    outputs = ("out/b.csv", "results/receipts/fit@x-1.json")
    return Definition("fit@x-1", ("fit",), ("in", *code), outputs, {"method": "x", "seed": "1"})


def run(definition: Definition) -> bytes:
    upstream = Makers({"make": Definition("make", (), (), ("in",))})
    params = {"fit": {"rate": 0.1, "seed": 5}}
    with Stage(definition, params, ["fit", "x", "1"], lambda: upstream) as stage:
        stage.seed = 1
        write_text(stage.output("out/b.csv"), stage.input("in/a.csv").read_text() * 2)
    return Path(definition.receipt).read_bytes()


def test_every_kind_of_seed_is_named() -> None:
    params = {
        "split.seed": 17,
        "training.fraction_seed": 43,
        "seeds": [1],
        "fit.seeding": 3,
        "seed": 2,
    }
    assert seeds(None, params) == {"split.seed": 17, "training.fraction_seed": 43, "seed": 2}
    assert seeds(9, {}) == {"run": 9}


def test_receipt_says_what_ran_on_what(definition: Definition) -> None:
    receipt = json.loads(run(definition))
    assert receipt["stage"] == "fit@x-1"
    assert receipt["argv"] == ["fit", "x", "1"]
    assert receipt["params"] == {"fit.rate": 0.1, "fit.seed": 5}
    assert receipt["seeds"] == {"run": 1, "fit.seed": 5}
    assert receipt["environment"] == {"requirements.lock": sha256_bytes(b"torch\n")}
    assert receipt["code"] == {
        "src/textbcs/fit.py": sha256_bytes(b"fit\n"),
        "src/textbcs/models/unet/network.py": sha256_bytes(b"net\n"),
    }
    assert (receipt["seed"], receipt["device"]) == (1, kernels.device())
    assert receipt["inputs"] == [
        {"path": "in/a.csv", "stage": "make", "sha256": sha256_bytes(b"a\n"), "bytes": 2}
    ]
    assert receipt["outputs"] == [
        {"path": "out/b.csv", "sha256": sha256_bytes(b"a\na\n"), "bytes": 4}
    ]


def test_identical_runs_leave_identical_receipts(definition: Definition) -> None:
    assert run(definition) == run(definition)


def test_the_receipt_names_the_code_that_the_stage_started_with(definition: Definition) -> None:
    with Stage(definition, {}, []) as stage:
        write_text("src/textbcs/fit.py", "edited while it ran\n")
        write_text(stage.output("out/b.csv"), "")
    assert read_json(definition.receipt)["code"]["src/textbcs/fit.py"] == sha256_bytes(b"fit\n")


def test_an_upstream_rerun_with_equal_outputs_changes_no_receipt(definition: Definition) -> None:
    """Links go by outputs: another receipt above (other code, say) leaves this one as it was."""
    before = run(definition)
    write_text("results/receipts/make.json", '{"code": "other"}')
    write_text("in/a.csv", "a\n")
    assert run(definition) == before


def test_an_input_is_hashed_once(definition: Definition, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def spy(path: Path) -> str:
        hashed.append(Path(path).as_posix())
        return sha256_file(path)

    monkeypatch.setattr("textbcs.stage.receipt.sha256_file", spy)
    stage = Stage(definition, {}, [])
    for _ in range(3):
        assert stage.input("in/a.csv") == Path("in/a.csv")
    assert hashed == ["in/a.csv"]
    assert stage.input_hashes() == {"in/a.csv": sha256_bytes(b"a\n")}


def git(*arguments: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *settings, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_run_information_says_when_where_and_at_what_cost(definition: Definition) -> None:
    git("init", "-q")
    git("add", "src", "requirements.lock")
    git("commit", "-qm", "code")
    write_text("README.md", "no part of a result")
    receipt = run(definition)
    facts = read_json("results/runinfo/fit@x-1.json")
    assert facts["receipt"] == sha256_bytes(receipt)
    assert (facts["commit"], facts["uncommitted"]) == (git("rev-parse", "HEAD"), [])
    assert facts["started"] <= facts["ended"]
    assert 0 < facts["receipt_cpu_seconds"] <= facts["cpu_seconds"]
    write_text("src/textbcs/fit.py", "edited\n")
    run(definition)
    assert read_json("results/runinfo/fit@x-1.json")["uncommitted"] == ["src/textbcs/fit.py"]


def test_run_information_is_not_worth_a_stage(
    definition: Definition, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text("results/runinfo", "a file where the folder should be")
    run(definition)
    assert Path(definition.receipt).is_file()
    assert "no run information was written" in capsys.readouterr().err


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_information.commit() == {"commit": None, "uncommitted": None}


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
    train = define("train", ("unet", "1"), {"tables": {"table1": ["unet"]}, "seeds": [1]})
    assert train.address == "train@unet-1"
    assert "methods.unet.network" in train.keys
    assert "results/runs/unet-s1" in train.outputs
    assert train.may_write("results/runs/unet-s1/model.safetensors")
    assert train.receipt in train.outputs
    assert train.may_read("data/slices/train/slices.csv")
    assert not train.may_read("data/slices/test/slices.csv")
    assert not train.may_read("data/slices/training.csv")
    values = dict.fromkeys(("archive", "clinical", "index", "series"), "presets/none")
    cohort = define("cohort", (), {"cohort": values | {"clinical": "data/archive/c.xlsx"}})
    assert cohort.may_read("data/archive/c.xlsx")


def test_define_refuses_what_is_not_there() -> None:
    with pytest.raises(InputError, match="no stage 'trane'"):
        define("trane", (), {})
    with pytest.raises(InputError, match="takes METHOD SEED, not unet"):
        define("train", ("unet",), {})
    values = {"tables": {"table1": ["unet", "lvit"]}, "seeds": [1, 2]}
    with pytest.raises(
        InputError, match=r"method = 'foo': allowed: unet, lvit \(tables.table1 of params.yaml\)"
    ):
        define("train", ("foo", "1"), values)
    with pytest.raises(InputError, match="seed = '99': allowed: 1, 2"):
        define("train", ("unet", "99"), values)


def test_a_missing_input_that_no_stage_makes_is_ones_own(definition: Definition) -> None:
    makers = Makers({"other": Definition("other", (), (), ("in/made.csv",))})
    own = Definition("probe", (), ("in",), ("out",))
    stage = Stage(own, {}, [], lambda: makers)
    with pytest.raises(InputError, match="made.csv: file is missing; run the stage that makes it"):
        stage.input("in/made.csv")
    with pytest.raises(InputError, match="own.csv: file is missing; no stage makes it"):
        stage.input("in/own.csv")


def test_all_definitions_are_those_of_dvc() -> None:
    """Our reading of dvc.yaml against DVC's own."""
    from dvc.repo import Repo

    ours = define_all(load_params())
    with Repo(".") as repo:
        theirs = {stage.addressing: stage for stage in repo.index.stages if stage.cmd}
        assert set(ours) == set(theirs)
        for address, stage in theirs.items():
            assert ours[address].outputs == tuple(out.def_path for out in stage.outs)
            files = [dep.def_path for dep in stage.deps if not hasattr(dep, "params")]
            assert sorted(ours[address].inputs) == sorted(files)


def test_makers_climb_to_the_folder_that_is_declared() -> None:
    makers = Makers(define_all(read_preset("tiny")))
    assert makers.of("data/slices/train/slices.csv") == "slices"
    assert makers.of("results/runs/unet-s1/model.safetensors") == "train@unet-1"
    assert makers.of("data/slices") is None
    assert makers.of("somewhere/else.csv") is None
