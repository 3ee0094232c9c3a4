"""`audit verify` of an export: it needs nothing but the export, and each kind of change is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fabricated import flip

from textbcs.base.io import InputError, sha256_file
from textbcs.cli import main
from textbcs.lineage.audit.received.exported import verify_export
from textbcs.lineage.export.crate import export
from textbcs.lineage.export.entities import METADATA
from textbcs.lineage.records.graph import load_graph

CLEAN = {"clean": True, "findings": []}  # what the sender's audit said
MODEL = "results/runs/unet-s1/model.safetensors"


@pytest.fixture
def crate(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export of the clean tree, far from it."""
    folder = tree.parent / "crate"
    export(load_graph(), folder, 0, CLEAN)
    monkeypatch.chdir(tree.parent)
    return folder


def faults(folder: Path) -> set[tuple[str, str]]:
    """Kind and path of every finding."""
    return {(one.kind, one.path) for one in verify_export(folder).findings}


def change_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_an_export_is_clean_wherever_it_lies(
    crate: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = sum(1 for _ in crate.rglob("results/receipts/*.json"))
    before = sorted(crate.rglob("*"))
    assert main(["audit", "verify", str(crate)]) == 0
    assert f"judged {count} of {count} stages" in capsys.readouterr().out
    monkeypatch.chdir(crate)
    assert main(["audit", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == count > 3
    assert sorted(crate.rglob("*")) == before


def test_large_files_that_are_only_named_are_no_fault(crate: Path, tree: Path, monkeypatch) -> None:
    monkeypatch.chdir(tree)
    export(load_graph(), tree.parent / "small", 300, CLEAN)
    report = verify_export(tree.parent / "small")
    assert report.is_clean
    assert any("only named by their hash" in one for one in report.remarks)


def test_a_file_that_was_changed_added_or_deleted_is_found(crate: Path) -> None:
    flip(str(crate / MODEL))
    (crate / "reports/tables/table1.csv").unlink()
    (crate / "results/new.csv").write_text("a\n")
    assert faults(crate) == {
        ("TAMPERED", MODEL),
        ("MISSING", "reports/tables/table1.csv"),
        ("ORPHAN", "results/new.csv"),
    }


def test_metadata_that_was_changed_with_the_file_contradicts_the_receipts(crate: Path) -> None:
    flip(str(crate / MODEL))
    digest = sha256_file(crate / MODEL)

    def forge(content: Any) -> None:
        entity = next(one for one in content["@graph"] if one["@id"] == MODEL)
        entity["sha256"] = digest

    change_json(crate / METADATA, forge)
    assert faults(crate) == {("TAMPERED", MODEL)}


def test_a_receipt_that_was_changed_with_all_the_rest_breaks_the_chain(crate: Path) -> None:
    """The maker's receipt, its file and the metadata agree; who read the file says otherwise."""
    flip(str(crate / MODEL))
    receipt = crate / "results/receipts/train@unet-1.json"

    def forge_receipt(content: Any) -> None:
        item = next(one for one in content["outputs"] if one["path"] == MODEL)
        item["sha256"] = sha256_file(crate / MODEL)

    change_json(receipt, forge_receipt)

    def forge(content: Any) -> None:
        for one in content["@graph"]:
            if one["@id"] in (MODEL, "results/receipts/train@unet-1.json"):
                one["sha256"] = sha256_file(crate / one["@id"])

    change_json(crate / METADATA, forge)
    kinds = {kind for kind, path in faults(crate) if path == MODEL}
    assert kinds == {"STALE", "TAMPERED"}


def test_a_receipt_that_is_gone_or_no_receipt_is_found(crate: Path) -> None:
    gone = "results/receipts/train@unet-1.json"
    (crate / gone).unlink()

    def forget(content: Any) -> None:
        content["@graph"] = [one for one in content["@graph"] if one["@id"] != gone]

    change_json(crate / METADATA, forget)
    assert ("MISSING", gone) in faults(crate)
    (crate / gone).write_text("{}")
    assert ("TAMPERED", gone) in faults(crate)


def test_what_the_receipts_say_of_the_run_is_judged(crate: Path, tree: Path, monkeypatch) -> None:
    """A training that has read test data: its receipt says so."""
    monkeypatch.chdir(tree)
    inputs = [item for one in load_graph().receipts.values() for item in one.inputs]
    test = next(item for item in inputs if item.path == "data/slices/test/slices.csv")
    entry = {"path": test.path, "sha256": test.sha256, "bytes": test.bytes, "stage": test.stage}
    path = tree / "results/receipts/train@unet-1.json"
    change_json(path, lambda content: content["inputs"].append(entry))
    export(load_graph(), tree.parent / "peek", 0, CLEAN)
    assert ("TEST-PEEK", "results/receipts/train@unet-1.json") in faults(tree.parent / "peek")


@pytest.mark.parametrize(
    "content",
    [
        "no JSON", "[]", "{}", '{"@graph": 3}', '{"@graph": [3]}', '{"@graph": []}',
        '{"@graph": [{"@id": "#action-a", "subjectOf": 1}]}',
        '{"@graph": [{"@id": "/etc/passwd", "sha256": "' + "0" * 64 + '"}, '
        '{"@id": "#action-a", "subjectOf": {"@id": "a"}}]}',
        '{"@graph": [{"@id": "a", "sha256": "0"}, {"@id": "#action-a", "subjectOf": {"@id": "a"}}]}',
    ],
)  # fmt: skip
def test_other_metadata_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / METADATA).write_text(content)
    with pytest.raises(InputError, match="not as textbcs audit export writes it") as caught:
        verify_export(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_no_export_is_one_line(tmp_path: Path, crate: Path) -> None:
    with pytest.raises(InputError, match="no export of a run"):
        verify_export(tmp_path / "nothing")
    with pytest.raises(InputError, match="--deep"):
        verify_export(crate, deep=True)


@pytest.mark.parametrize("command", ["check", "clean", "use tiny", "audit export x", "track"])
def test_an_export_is_no_working_copy(
    crate: Path, command: str, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(crate)
    assert main(command.split()) == 2
    assert "this folder is an export of a run" in capsys.readouterr().err
