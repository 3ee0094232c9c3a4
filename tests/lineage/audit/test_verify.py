"""One planted fault a test: the audit names exactly that node and class, and a clean tree is silent.

Here what concerns the audit as a whole; the faults by subject are in `test_verify_*.py`.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from audited import MODEL, TABLE, named
from fabricated import flip
from fabricated_lock import commit

from textbcs.base.io import write_text
from textbcs.lineage.audit.summary import as_json, as_text
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.records.findings import CLASSES, Finding
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.tracing.trace import trace_file


def test_a_clean_tree_is_silent(tree: Path) -> None:
    report = verify()
    assert report.findings == []
    (told,) = report.remarks
    assert told.startswith("trainings here: 4 begun, 4 ended")
    said = as_text(report)
    assert said[-2] == "clean by hashes: 17 stages left what the receipts say"
    assert said[-1].startswith("Receipts are no proof of honesty")
    assert any(line.startswith("left out: no stage was run again") for line in said)
    assert as_json(report)["clean"] is True


def test_the_first_bad_node_comes_first(tree: Path) -> None:
    flip(TABLE)
    flip(MODEL)
    flip("data/masks/P1.nii.gz")
    report = verify()
    assert [one.node for one in report.findings] == ["masks", "train@unet-1", "table1"]
    assert as_json(report)["first_bad_node"] == "masks"
    assert as_text(report)[-1] == "3 TAMPERED; first bad node: masks"


def test_quick_trusts_size_and_time_and_the_full_audit_does_not(tree: Path) -> None:
    verify()
    trace_file(load_graph(), MODEL)  # hashes a few files, and must not forget the others
    first = verify(quick=True)
    assert (first.hashes.files, first.findings) == (0, [])
    flip(MODEL)  # same size, same time
    assert verify(quick=True).findings == []
    assert named(verify()) == [("TAMPERED", "train@unet-1")]
    assert named(verify(quick=True)) == [("TAMPERED", "train@unet-1")]


def test_quick_sees_what_was_written(tree: Path) -> None:
    verify()
    Path(MODEL).write_bytes(b"other")
    assert named(verify(quick=True)) == [("TAMPERED", "train@unet-1")]


def test_a_shallow_history_cannot_accuse(tree: Path) -> None:
    """What ran is in a commit that this clone does not have."""
    write_text("src/textbcs/cohort.py", "# later\n")
    commit("later")
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    write_text(".git/shallow", head)
    report = verify()
    assert {kind for kind, _ in named(report)} == {"STALE"}
    assert "the history is shallow: not in it: 1 module version" in report.remarks


def test_without_git_the_rest_is_checked(tree: Path) -> None:
    shutil.rmtree(".git")
    report = verify()
    assert named(report) == [("NO-HISTORY", "")]
    assert "this is no git repository" in report.findings[0].detail


def test_701_a_check_that_breaks_off_is_a_finding_and_the_others_go_on(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever nobody has thought of: no content of a tree may end an audit."""

    def broken(_: object) -> list[Finding]:
        raise RecursionError("too deep")

    monkeypatch.setattr("textbcs.lineage.audit.content.check_counts", broken)
    monkeypatch.setattr("textbcs.lineage.audit.files.check_receipts", broken)
    flip(TABLE)
    report = verify()
    assert sorted(named(report)) == [("TAMPERED", "table1"), ("UNJUDGED", ""), ("UNJUDGED", "")]
    details = [one.detail for one in report.findings if one.kind == "UNJUDGED"]
    assert set(details) == {
        "receipts: RecursionError: too deep",
        "counts: RecursionError: too deep",
    }


def test_every_class_has_a_test() -> None:
    tests = Path(__file__).parents[1].rglob("test_*.py")
    text = "".join(path.read_text() for path in tests)
    assert all(f'"{kind}"' in text for kind in CLASSES)


def test_the_command_says_so_by_its_exit_code(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from textbcs.cli import main

    assert main(["audit", "verify"]) == 0
    flip(TABLE)
    assert main(["audit", "verify", "--json"]) == 1
    printed = capsys.readouterr().out
    report = json.loads(printed[printed.index("{") :])
    assert report["findings"][0]["node"] == "table1"
