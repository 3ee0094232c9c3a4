"""The audit on the real pipeline: silent when nothing is wrong, and what the fabricated tree cannot show."""

import json
import random
import sys
from typing import Any

import numpy as np
import pytest
from checkout import Checkout
from pydicom import dcmread

from textbcs.base.io import (
    canonical_json,
    read_csv,
    read_json,
    read_tensors,
    sha256_file,
    write_tensors,
)

pytestmark = pytest.mark.dag


def audit(checkout: Checkout, *arguments: str) -> dict[str, Any]:
    """Run `textbcs audit ... --json` in a checkout, whose own code runs."""
    command = [sys.executable, "-m", "textbcs.cli", "audit", *arguments, "--json"]
    done = checkout.run(*command, ok=False, PYTHONPATH=str(checkout.root / "src"))
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def named(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Class and node of each finding."""
    return [(one["kind"], one["node"]) for one in report["findings"]]


def test_a_finished_run_is_clean_to_the_last_digit(tiny: Checkout) -> None:
    report = audit(tiny, "verify", "--deep")
    assert named(report) == []
    assert not any("not predicted again" in text for text in report["remarks"])
    cells = next(text for text in report["remarks"] if text.startswith("cells computed again"))
    assert all(f"table{number} " in cells for number in (1, 2, 3, 4))
    assert not any("bit for bit" in text for text in report["remarks"])
    cost = report["receipt_cost"]
    assert cost["receipt_seconds"] < 0.03 * cost["stage_seconds"]


def test_stages_that_run_again_write_the_same(tiny: Checkout) -> None:
    found = audit(tiny, "replay", "split", "score", "table1")
    assert {one["address"]: one["outcome"] for one in found["stages"]} == dict.fromkeys(
        ("split", "score", "table1"), "equal"
    )


def test_dvc_commit_forges_the_lock(tiny: Checkout) -> None:
    tiny.set_param("training.weight_decay", 0.02)
    assert {kind for kind, _ in named(audit(tiny, "verify"))} == {"STALE"}
    tiny.dvc("commit", "-f")
    found = named(audit(tiny, "verify"))
    assert {kind for kind, _ in found} == {"FORGED-LOCK"}
    assert found[0][1].startswith(("pretrain@", "search@", "train@"))


def test_a_forged_chain_is_seen_by_the_checkpoint(tiny: Checkout) -> None:
    """Predictions, receipt and lock changed to agree: only predicting again tells."""
    path = tiny.root / "results/predictions/unet-s1/maps.safetensors"
    tensors = read_tensors(path)
    tensors["probability"] = np.roll(tensors["probability"], 3, axis=2) + np.float16(0.1)
    write_tensors(path, tensors)
    receipt_path = tiny.root / "results/receipts/predict@unet-1.json"
    receipt = read_json(receipt_path)
    entry = next(
        one for one in receipt["outputs"] if one["path"].endswith("unet-s1/maps.safetensors")
    )
    entry |= {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    receipt_path.write_text(canonical_json(receipt))
    tiny.dvc("commit", "-f", "predict@unet-1")
    assert ("TAMPERED", "predict@unet-1") not in named(audit(tiny, "verify"))
    assert ("TAMPERED", "predict@unet-1") in named(audit(tiny, "verify", "--deep"))


def test_any_cell_ends_at_instances_that_were_downloaded(tiny: Checkout) -> None:
    """The UIDs against the DICOM files themselves."""
    files = (tiny.root / "data/raw").rglob("*.dcm")
    here = {str(dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for file in files}
    names = ("table?.csv", "claims.csv", "text_worth.csv", "volumes.csv", "prompt_check.csv")
    tables = sorted(path for name in names for path in (tiny.root / "reports/tables").glob(name))
    every = [
        (path.name, row, column)
        for path in tables
        for table in [read_csv(path)]
        for row in range(len(table))
        for column in table.columns
    ]
    for name, row, column in random.Random(5).sample(every, 8):
        table = f"reports/tables/{name}"
        trace = audit(tiny, "trace", table, "--row", f"#{row + 1}", "--col", column)
        reached = {sop for one in trace["dicom"] for sop in one["sop_uids"]}
        assert reached, (name, row, column)
        assert reached <= here
