"""Attacks 701 to 722: what lies there is not what it should be, and no audit ends or waits because of it.

Each is a finding of its own, and a flipped bit elsewhere is still reported.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from audited import TABLE, named
from fabricated import flip
from fabricated_lock import write_lock
from sealed import seal

from textbcs.cli import main
from textbcs.lineage.audit.verify import verify

RECEIPT = Path("results/receipts/split.json")
FLIPPED = ("TAMPERED", "table1")


def replaced(old: bytes, new: bytes) -> Callable[[Path], object]:
    """A change of a file's bytes; what is replaced has to be there."""

    def change(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def long(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(53_000_000)


RECEIPTS = {
    "701 no JSON": (lambda path: path.write_bytes(b"{"), "no JSON"),
    "702 nested": (lambda path: path.write_bytes(b"[" * 200_000 + b"]" * 200_000), "nested too deep"),
    "703 NaN": (replaced(b'"seed": 17', b'"seed": NaN'), "NaN"),
    "704 NUL": (replaced(b'"data/splits/split.csv"', b'"data/\\u0000split.csv"'), "NUL"),
    "705 surrogate": (replaced(b'"data/splits/split.csv"', b'"data/\\ud800split.csv"'), "character"),
    "706 pipe": (pipe, "pipe"),
    "707 folder": (folder, "folder"),
    "708 53 MB": (long, "53 MB"),
    "709 no UTF-8": (lambda path: path.write_bytes(b"\xff\xfe{}"), "no JSON"),
    "710 key twice": (replaced(b"{", b'{"seed": 5, '), "stands twice"),
}  # fmt: skip


@pytest.mark.parametrize("attack", RECEIPTS)
def test_a_receipt_that_is_none(attack: str, tree: Path) -> None:
    damage, words = RECEIPTS[attack]
    damage(RECEIPT)
    flip(TABLE)
    report = verify()
    faults = {(one.kind, one.node): one.detail for one in report.findings}
    assert words in faults["TAMPERED", "split"]
    assert FLIPPED in faults


def test_711_a_pointer_of_git_lfs_is_no_table(tree: Path) -> None:
    """The forger has sealed it: each hash is right."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    Path("data/splits/split.csv").write_text(pointer)
    Path("data/slices/test/slices.csv").write_text(pointer)
    seal()
    flip(TABLE)
    report = verify()
    found = {(one.kind, one.path) for one in report.findings}
    assert {("UNREADABLE", "data/splits/split.csv"), ("TAMPERED", TABLE)} <= found
    assert ("UNREADABLE", "data/slices/test/slices.csv") in found


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def lose(path: str) -> None:
    """Delete git's object of a file."""
    blob = git("rev-parse", f"HEAD:{path}").strip()
    (Path(".git/objects") / blob[:2] / blob[2:]).unlink()


def test_712_a_lost_git_object(tree: Path) -> None:
    lose("src/textbcs/cohort.py")
    flip(TABLE)
    found = named(verify())
    assert ("NO-HISTORY", "") in found
    assert FLIPPED in found


def test_713_a_partial_clone_without_a_network(tree: Path) -> None:
    lose("src/textbcs/cohort.py")
    for key, value in {
        "core.repositoryformatversion": "1", "extensions.partialClone": "origin",
        "remote.origin.url": "http://192.0.2.1/x.git", "remote.origin.promisor": "true",
    }.items():  # fmt: skip
        git("config", key, value)
    flip(TABLE)
    found = named(verify())
    assert ("NO-HISTORY", "") in found
    assert FLIPPED in found


def test_714_no_git(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tree))
    flip(TABLE)
    report = verify()
    details = [one.detail for one in report.findings if one.kind == "NO-HISTORY"]
    assert len(details) == 1
    assert "no git on this machine" in details[0]
    assert FLIPPED in named(report)


def test_715_a_repository_of_another_owner(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(tree))
    flip(TABLE)
    report = verify()
    details = [one.detail for one in report.findings if one.kind == "NO-HISTORY"]
    assert len(details) == 1
    assert "another user" in details[0]
    assert FLIPPED in named(report)


NAMES = {
    "716 no UTF-8": b"results/runs/\xff\xfe.csv",
    "717 a line of its own": b"results/runs/x\nclean: every file is what its receipt says",
    "718 escape codes": b"results/runs/\x1b[2J\x1b[31m.csv",
}


@pytest.mark.parametrize("attack", NAMES)
def test_a_name_that_steers_the_report(
    attack: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(os.fsdecode(NAMES[attack])).open("wb") as file:
        file.write(b"x")
    flip(TABLE)
    assert main(["audit", "verify"]) == 1
    said = capsys.readouterr().out
    assert "ORPHAN" in said
    assert "TAMPERED     table1" in said
    assert all(line.isprintable() for line in said.splitlines())
    assert not any(line.startswith("clean") for line in said.splitlines())
    assert main(["audit", "verify", "--json"]) == 1
    said.encode()


CACHES = {
    "nested": lambda path: path.write_bytes(b"[" * 200_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "other values": lambda path: path.write_bytes(b'{"params.yaml": [[1, 2, 3], [1, 2, 3]]}'),
    "no UTF-8": lambda path: path.write_bytes(b"\xff"),
    "a pipe": pipe,
    "a folder": folder,
}


@pytest.mark.parametrize("spoiled", CACHES)
def test_719_a_spoiled_cache_of_the_audit(spoiled: str, tree: Path) -> None:
    verify()
    for name in ("hashes", "verdict"):
        CACHES[spoiled](Path(f".cache/audit/{name}.json"))
    flip(TABLE)
    assert named(verify(quick=True)) == [FLIPPED]


@pytest.mark.parametrize("damage", [pipe, folder, CACHES["nested"], CACHES["no UTF-8"]])
def test_720_run_information_that_is_none(damage: Callable[[Path], object], tree: Path) -> None:
    damage(Path("results/runinfo/split.json"))
    flip(TABLE)
    kinds = named(verify())
    assert FLIPPED in kinds
    assert {kind for kind, _ in kinds} & {"RUN-INFORMATION", "ORPHAN"}


@pytest.mark.parametrize(
    "content", [b"\xff", b"[1, 2]", b"stages: {a: 5}", b"{" * 100_000, b"a: [1"]
)
def test_721_a_lock_that_is_none(content: bytes, tree: Path) -> None:
    Path("dvc.lock").write_bytes(content)
    flip(TABLE)
    found = named(verify())
    assert ("UNREADABLE", "") in found
    assert FLIPPED in found


@pytest.mark.parametrize("damage", [pipe, folder, CACHES["no UTF-8"]])
def test_722_a_configuration_of_dvc_that_is_none(
    damage: Callable[[Path], object], tree: Path
) -> None:
    Path(".dvc/config").write_text("[core]\n")
    damage(Path(".dvc/config"))
    flip(TABLE)
    assert FLIPPED in named(verify())


def test_an_empty_tree_is_not_clean(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """801: nothing has run, so nothing was judged."""
    for name in ("results", "reports", "data", ".dvc"):
        shutil.rmtree(name)
    Path("dvc.lock").unlink()
    assert main(["audit", "verify"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("nothing to judge")


def test_a_missing_cache_is_a_note(tree: Path) -> None:
    """802: what DVC would restore cannot be judged, and the audit says so."""
    write_lock()
    shutil.rmtree(".dvc/cache")
    report = verify()
    assert report.findings == []
    assert any("DVC's cache is empty" in text for text in report.remarks)
