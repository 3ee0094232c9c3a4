"""Results that are older than what they rest on, and a lock that says otherwise: one fault a test."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from audited import MODEL, named
from fabricated import build, edit_yaml, run
from fabricated_lock import commit, write_lock
from fabricated_stages import Recipe

from textbcs.base.io import write_text
from textbcs.lineage.audit.verify import verify
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define_all


def test_edited_parameters_are_stale(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["methods"]["unet"].update(width=16))
    report = verify()
    stages = ("train@unet-1", "train@unet-2", "predict@unet-1", "predict@unet-2")
    assert named(report) == [("STALE", stage) for stage in stages]
    assert "methods.unet.width: 4 -> 16" in report.findings[0].detail


def test_a_new_output_in_the_definition_is_stale(tree: Path) -> None:
    edit_yaml("dvc.yaml", lambda file: file["stages"]["split"]["outs"].append("data/splits/b.csv"))
    assert named(verify()) == [("STALE", "split"), ("UNKNOWN-CODE", "")]
    commit("another definition")
    assert named(verify()) == [("STALE", "split")]


def test_an_input_from_outside_has_changed(tree: Path) -> None:
    write_text("data/archive/boxes.csv", "patient\nP2\n")
    assert named(verify()) == [("STALE", "cohort")]


def test_edited_code_is_stale(tree: Path) -> None:
    write_text("src/textbcs/models/unet.py", "# edited\n")
    report = verify()
    assert [kind for kind, _ in named(report)] == ["STALE"] * 8
    assert report.findings[0].node == "train@unet-1"


def test_a_rerun_above_without_the_stage_below(tree: Path) -> None:
    """Only the direct reader is stale; an upstream re-run with equal outputs changes nothing."""
    recipe = Recipe()
    definitions = define_all(read_yaml("params.yaml"))
    run(definitions["split"], recipe, Makers(definitions))
    assert verify().findings == []
    recipe.weights["train@unet-1"] = 5
    run(definitions["train@unet-1"], recipe, Makers(definitions))
    write_lock(only="train@unet-1")
    assert named(verify()) == [("STALE", "predict@unet-1")]


def test_a_stage_that_reads_a_receipt_is_stale_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = "results/receipts/split.json"
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads={"flow": [receipt]})))
    assert verify().findings == []
    write_text(receipt, Path(receipt).read_text() + "\n")
    stale = [one for one in verify().findings if one.kind == "STALE"]
    assert [(one.node, one.detail) for one in stale] == [
        ("flow", f"read another {receipt} than split has written since")
    ]


def set_locked(address: str, section: str, path: str, md5: str) -> Callable[[dict], None]:
    """An edit of one md5 in dvc.lock."""

    def change(lock: dict) -> None:
        entry = next(one for one in lock["stages"][address][section] if one["path"] == path)
        entry["md5"] = md5

    return change


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("outs", MODEL),
        ("outs", "results/receipts/train@unet-1.json"),
        ("deps", "data/prompts/train.csv"),
    ],
)
def test_an_edited_lock(tree: Path, section: str, path: str) -> None:
    edit_yaml("dvc.lock", set_locked("train@unet-1", section, path, "0" * 32))
    report = verify()
    assert named(report) == [("FORGED-LOCK", "train@unet-1")]
    assert report.findings[0].path == "dvc.lock"


def test_an_edited_folder_in_the_lock(tree: Path) -> None:
    edit_yaml("dvc.lock", set_locked("masks", "outs", "data/masks", "0" * 32 + ".dir"))
    assert named(verify()) == [("FORGED-LOCK", "masks")]


def test_an_edited_parameter_in_the_lock(tree: Path) -> None:
    def change(lock: dict) -> None:
        lock["stages"]["split"]["params"]["params.yaml"]["split"]["seed"] = 18

    edit_yaml("dvc.lock", change)
    report = verify()
    assert named(report) == [("FORGED-LOCK", "split")]
    assert "split.seed: 17 -> 18" in report.findings[0].detail


def test_an_entry_taken_out_of_the_lock(tree: Path) -> None:
    edit_yaml("dvc.lock", lambda lock: lock["stages"].pop("table1"))
    assert named(verify()) == [("FORGED-LOCK", "table1")]


def test_dvc_commit_after_a_change_of_a_parameter(tree: Path) -> None:
    """`dvc commit -f` writes into the lock what there is now; nothing has run."""
    edit_yaml("params.yaml", lambda params: params["split"].update(seed=18))
    write_lock()
    assert named(verify()) == [("FORGED-LOCK", "split")]


def test_dvc_commit_after_a_change_of_code(tree: Path) -> None:
    write_text("src/textbcs/cohort.py", "# edited\n")
    write_lock()
    commit("forged")
    assert named(verify()) == [
        ("FORGED-LOCK", "cohort"),
        ("FORGED-LOCK", "download"),
        ("FORGED-LOCK", "masks"),
    ]


def test_code_that_is_in_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ran with an edited module that was then put back: only the receipts still know."""
    root = build(tmp_path / "tree")
    monkeypatch.chdir(root)
    path = Path("results/receipts/split.json")
    receipt = json.loads(path.read_text())
    receipt["code"]["src/textbcs/slices.py"] = "1" * 64
    path.write_text(json.dumps(receipt))
    write_lock()
    found = named(verify())
    assert ("UNKNOWN-CODE", "split") in found
    assert {node for _, node in found} == {"split"}


def test_code_that_was_run_before_it_was_committed(tree: Path) -> None:
    write_text("src/textbcs/models/textbcs.py", "# better\n")
    definitions = define_all(read_yaml("params.yaml"))
    for definition in definitions.values():
        if definition.stage in ("train", "predict"):
            run(definition, Recipe(), Makers(definitions))
    write_lock()
    report = verify()
    assert named(report) == [("UNKNOWN-CODE", "train@unet-1")]
    assert report.findings[0].path == "src/textbcs/models/textbcs.py"
    commit("better")
    assert verify().findings == []
    # And after the next edit, the old version is still known from the history.
    write_text("src/textbcs/models/textbcs.py", "# even better\n")
    commit("even better")
    assert {kind for kind, _ in named(verify())} == {"STALE"}


LEFT = (".x.swp", "x.py~", ".DS_Store", "Thumbs.db", "._x.py", ".nfs01", ".ipynb_checkpoints/x.py")


def test_what_editors_and_desktops_leave_is_no_fault(tree: Path) -> None:
    for folder in (
        "src/textbcs/models",
        "data/slices/train",
        "results/receipts",
        "results/runs/unet-s1",
    ):
        for name in LEFT:
            write_text(f"{folder}/{name}", "left")
    write_text("results/receipts/._train@unet-1.json", "left")
    assert verify().findings == []


def test_another_file_beside_the_code_is_stale_for_dvc_and_for_the_audit(tree: Path) -> None:
    write_text("src/textbcs/models/notes.txt", "new")
    report = verify()
    assert [kind for kind, _ in named(report)] == ["STALE"] * 8
    assert "src/textbcs/models/notes.txt" in report.findings[0].detail


def test_several_stages_that_a_cut_lock_lacks_are_one_finding(tree: Path) -> None:
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(lock.split("  split:")[0])
    commit("cut")
    (found,) = [one for one in verify().findings if one.kind == "FORGED-LOCK"]
    assert found.node == "split"
    assert found.detail.startswith("has no entry for split, slices, ")
    assert found.detail.endswith("which have run; if it was cut off: git checkout dvc.lock")


def test_a_hash_of_digits_without_quotes_is_shown_whole(tree: Path) -> None:
    path = Path("dvc.lock")
    path.write_text(
        re.sub(r"(split\.csv\n +hash: md5\n +md5: )\S+", r"\g<1>" + "0" * 32, path.read_text())
    )
    commit("forged")
    details = [one.detail for one in verify().findings if one.kind == "FORGED-LOCK"]
    assert any(f"md5 {'0' * 12}, but" in text for text in details)
