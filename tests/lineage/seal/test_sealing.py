"""A seal proves that nothing has changed since, and names what has; attacks 501 to 503."""

import json
import subprocess
from pathlib import Path

import pytest
from audited import TABLE, named
from fabricated import flip
from sealed import seal as forge

from textbcs.base.io import InputError
from textbcs.cli import main
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.seal.merkle import climbed

Said = pytest.CaptureFixture[str]


def printed_seal(capsys: Said) -> str:
    """The seal of the tree as the command prints it."""
    assert main(["audit", "seal"]) == 0
    return capsys.readouterr().out.split()[0]


def test_a_seal_holds_as_long_as_nothing_changes(tree: Path, capsys: Said) -> None:
    root = printed_seal(capsys)
    assert main(["audit", "verify", "--against", root]) == 0
    assert f"seal of all receipts and outputs: {root}" in capsys.readouterr().out
    done = subprocess.run(["sha256sum", "-c", "--quiet", "seal.sha256"], check=False)
    assert done.returncode == 0
    assert printed_seal(capsys) == root


def test_501_a_forger_who_seals_everything_again(tree: Path, capsys: Said) -> None:
    """Every receipt, the lock and git agree with the invented number; the printed seal does not."""
    root = printed_seal(capsys)
    path = Path(TABLE)
    path.write_text(path.read_text().replace("85.33", "99.33"))
    forge()
    assert named(verify()) == []
    report = verify(against=root)
    assert {one.kind for one in report.findings} == {"SEAL"}
    assert {TABLE, "results/receipts/table1.json"} <= {one.path for one in report.findings}
    Path("seal.sha256").unlink()
    (found,) = verify(against=root).findings
    assert "would tell which files differ" in found.detail


def test_502_a_forged_list_proves_nothing(tree: Path, capsys: Said) -> None:
    root = printed_seal(capsys)
    listed = Path("seal.sha256")
    listed.write_text(listed.read_text().replace("0", "1", 1))
    assert verify(against=root).findings == []
    flip(TABLE)
    kinds = {one.kind for one in verify(against=root).findings}
    assert kinds == {"TAMPERED", "SEAL"}


def test_503_an_unclean_tree_is_not_sealed(tree: Path, capsys: Said) -> None:
    flip(TABLE)
    assert main(["audit", "seal"]) == 1
    assert "nothing was sealed" in capsys.readouterr().out
    assert not Path("seal.sha256").exists()


@pytest.mark.parametrize("wanted", ["abc", "g" * 64, "-"])
def test_what_is_no_seal_is_one_line(tree: Path, wanted: str) -> None:
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        verify(against=wanted)


def test_a_trace_ends_at_the_seal(tree: Path, capsys: Said) -> None:
    root = printed_seal(capsys)
    cell = ["table1", "--row", "unet", "--col", "dice_slice_mean"]
    assert main(["audit", "trace", *cell, "--seal", "--json"]) == 0
    way = json.loads(capsys.readouterr().out)["seal"]
    steps = [(step["side"], step["sha256"]) for step in way["path"]]
    assert climbed(way["leaf"].encode(), steps) == way["root"] == root
    assert way["leaf"].endswith(f"  {TABLE}\n")
    assert main(["audit", "trace", *cell, "--seal"]) == 0
    said = capsys.readouterr().out
    assert f"seal: {root}" in said
    assert all(digest in said for _, digest in steps)
