"""Attacks 301 to 318: receipts and dvc.lock that say what dvc.yaml does not; each is sealed by the forger."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audited import named
from fabricated import edit_yaml
from fabricated_lock import commit
from sealed import change_receipt, change_runinfo

from textbcs.cli import main
from textbcs.lineage.audit.verify import verify

TRAINING = "train@unet-1"
Facts = dict[str, Any]


def taken(facts: Facts) -> None:
    """An output of another stage, with its right hash."""
    path = Path("results/receipts/train@unet-2.json")
    facts["outputs"].append(json.loads(path.read_text())["outputs"][0])


def from_nobody(facts: Facts) -> None:
    facts["inputs"][0]["stage"] = None


def from_a_stage_that_is_not(facts: Facts) -> None:
    for item in facts["inputs"]:
        item["stage"] = "nothing"


CONTRADICTIONS: dict[str, tuple[Callable[[Facts], object], str]] = {
    "301 command": (lambda facts: facts["argv"].__setitem__(1, "textbcs"), "command"),
    "302 seed": (lambda facts: facts.update(seed=7, seeds={"run": 7}), "seed 7"),
    "303 list of seeds": (lambda facts: facts["seeds"].update(run=9), "list of seeds"),
    "304 environment": (lambda facts: facts.update(environment={}), "environment"),
    "305 another's output": (taken, "dvc.yaml does not name it"),
    "306 input": (
        lambda facts: facts["inputs"].append(
            {"path": "params.yaml", "stage": None, "bytes": 1, "sha256": "0" * 64}
        ),
        "input params.yaml",
    ),
    "307 maker": (from_nobody, "is from outside"),
    "308 maker that is not": (from_a_stage_that_is_not, "is from nothing"),
}


@pytest.mark.parametrize("attack", CONTRADICTIONS)
def test_a_receipt_that_contradicts_the_definition(attack: str, tree: Path) -> None:
    change, words = CONTRADICTIONS[attack]
    change_receipt(TRAINING, change)
    faults = {one.node: one.detail for one in verify().findings if one.kind == "CONTRADICTION"}
    assert words in faults[TRAINING]


def test_309_two_makers_of_one_output(tree: Path) -> None:
    change_receipt(TRAINING, taken)
    details = [one.detail for one in verify().findings if one.kind == "CONTRADICTION"]
    assert any("both say that they wrote results/runs/unet-s2" in text for text in details)


@pytest.mark.parametrize(
    "path",
    [
        "../x.csv",
        "/etc/passwd",
        "data/../../x",
        "data/..",
        "./data/x",
        "data//x",
        "data/./x",
        "a\n/../b",
    ],
)
def test_310_a_path_that_leaves_the_checkout(path: str, tree: Path) -> None:
    """Written so that the schema of the first version let most of them pass."""
    change_receipt(TRAINING, lambda facts: facts["inputs"][0].update(path=path))
    assert ("TAMPERED", TRAINING) in named(verify())


def test_311_a_list_of_raw_files_that_leaves_its_folder(tree: Path) -> None:
    from sealed import seal

    path = Path("data/cohort/files.csv")
    name = path.read_text().splitlines()[1].split(",")[4]
    path.write_text(path.read_text().replace(name, "../../../../../../../etc/hostname"))
    seal()
    found = [one for one in verify().findings if one.kind == "TAMPERED"]
    assert [(one.node, one.path) for one in found] == [("download", "data/cohort/files.csv")]
    assert "leaves its folder" in found[0].detail


@pytest.mark.parametrize("version", [1, 2])
def test_312_a_receipt_of_another_version(version: int, tree: Path) -> None:
    def older(facts: Facts) -> None:
        facts["version"] = version
        for key in ("definition", "loaded"):
            del facts[key]
        if version == 1:
            for key in ("code", "seeds", "environment"):
                del facts[key]

    change_receipt(TRAINING, older)
    report = verify()
    assert [one.kind for one in report.findings] == ["OLD-FORM"]
    assert f"1 receipt of version {version}" in report.findings[0].detail
    assert not report.is_clean


def edit_lock(address: str, change: Callable[[Facts], object]) -> None:
    edit_yaml("dvc.lock", lambda lock: change(lock["stages"][address]))
    commit("forged")


LIES: dict[str, tuple[Callable[[Facts], object], str]] = {
    "313 dependency": (lambda entry: entry["deps"].pop(), "the lock has no dep"),
    "314 size": (lambda entry: entry["outs"][0].update(size=5), "5 bytes"),
    "315 command": (lambda entry: entry.update(cmd="exec workflow/stage train unet 2"), "command"),
    "316 number of files": (lambda entry: entry["deps"][0].update(nfiles=9), "9 files"),
    "317 output": (
        lambda entry: entry["outs"].append({**entry["outs"][0], "path": "results/x"}),
        "out results/x",
    ),
}


@pytest.mark.parametrize("attack", LIES)
def test_a_lock_that_contradicts_the_definition(attack: str, tree: Path) -> None:
    change, words = LIES[attack]
    edit_lock(TRAINING, change)
    report = verify()
    assert named(report) == [("FORGED-LOCK", TRAINING)]
    assert words in report.findings[0].detail


TOLD: dict[str, tuple[Facts, str]] = {
    "no such commit": ({"commit": "1" * 40}, "is not in this repository"),
    "an option": ({"commit": "--all"}, "is not in this repository"),
    "no time": ({"started": "yesterday"}, "no time with a zone"),
    "backwards": ({"started": "2026-01-02T00:00:00+00:00", "ended": "2026-01-01T00:00:00+00:00"},
                  "before it started"),
    "the future": ({"ended": "2999-01-01T00:00:00+00:00"}, "in the future"),
    "costs": ({"cpu_seconds": 1.0, "receipt_cpu_seconds": 2.0}, "CPU times"),
    "another stage": ({"stage": "split"}, "does not say that it is of"),
}  # fmt: skip


@pytest.mark.parametrize("lie", TOLD)
def test_318_run_information_that_cannot_be(lie: str, tree: Path) -> None:
    values, words = TOLD[lie]
    change_runinfo(TRAINING, **values)
    (found,) = verify().findings
    assert (found.kind, found.node) == ("RUN-INFORMATION", TRAINING)
    assert words in found.detail


def test_319_a_commit_that_does_not_hold_the_code(tree: Path) -> None:
    import subprocess

    Path("src/textbcs/models/unet.py").write_text("# another\n")
    commit("another network")
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    Path("src/textbcs/models/unet.py").write_text("# models/unet\n")
    commit("back")
    change_runinfo(TRAINING, commit=head.stdout.strip())
    (found,) = verify().findings
    assert (found.kind, found.node) == ("RUN-INFORMATION", TRAINING)
    assert "does not hold the code that ran: src/textbcs/models/unet.py" in found.detail


def test_320_a_gap_in_the_chain_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("results/receipts/predict@unet-1.json").unlink()
    row = ("--row", "unet", "--col", "dice_slice_mean")
    assert main(["audit", "trace", "table1", *row]) == 0
    said = capsys.readouterr().out
    assert "! predict@unet-1 has no receipt that can be used" in said
    assert "! the chain is broken: no usable receipt of predict@unet-1" in said
    assert main(["audit", "trace", "table1", *row, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["without_receipt"] == ["predict@unet-1"]


def test_321_code_that_lies_in_a_stash_alone(tree: Path) -> None:
    import subprocess

    from fabricated import run
    from fabricated_lock import write_lock
    from fabricated_stages import Recipe

    from textbcs.settings.params import read_yaml
    from textbcs.stage.definition import Makers, define_all

    Path("src/textbcs/models/textbcs.py").write_text("# better\n")
    definitions = define_all(read_yaml("params.yaml"))
    for definition in definitions.values():
        if definition.stage in ("train", "predict"):
            run(definition, Recipe(), Makers(definitions))
    write_lock()
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (
        ["add", "src"],
        ["stash", "push", "-q", "src"],
        ["checkout", "-q", "stash@{0}", "src"],
    ):
        subprocess.run(["git", *author, *words], check=True, capture_output=True)
    assert ("UNKNOWN-CODE", TRAINING) in named(verify())
