"""Every cell of every table has its anchor, and what stands there is its own trace."""

import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest
from fabricated import flip
from fabricated_stages import uid

from textbcs.cli import main
from textbcs.lineage.audit.verify import verify


def test_every_cell_has_an_anchor(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "pages"]) == 0
    assert capsys.readouterr().out.split() == [
        "reports/trace/flow.html",
        "reports/trace/table1.html",
    ]
    page = Path("reports/trace/table1.html").read_text()
    table = pd.read_csv("reports/tables/table1.csv")
    wanted = [f"r{row + 1}.{column}" for row in range(len(table)) for column in table.columns]
    assert re.findall(r'<li id="([^"]+)">', page) == wanted
    value = table.loc[1, "dice_slice_mean"]
    assert f"dice_slice_mean = {value} (the same from its rows); 4 slices" in page
    assert uid("P5", 1) in page


def test_pages_are_no_fault(tree: Path) -> None:
    main(["audit", "pages"])
    assert verify().findings == []


def test_a_row_shows_the_whole_way_with_full_hashes(tree: Path) -> None:
    import subprocess

    main(["audit", "pages"])
    page = Path("reports/trace/table1.html").read_text()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD~"], capture_output=True, text=True, check=True
    )
    told = f"train@unet-1: exec workflow/stage train unet 1; commit {commit.stdout.strip()}; on cpu"
    assert told in page
    model = Path("results/runs/unet-s1/model.safetensors")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert f"wrote {model} sha256 {digest} (ok)" in page
    assert f"read {model} sha256 {digest} (ok), made by train@unet-1" in page
    assert f"DICOM series {uid('P5')}, study {uid('study', 'P5')}, scored (test), " in page
    assert "verified: every file on the way" in page
    assert "NOT verified" not in page


def test_321_a_page_says_what_is_not_verified(tree: Path) -> None:
    flip("results/runs/unet-s1/model.safetensors")
    Path("results/receipts/slices.json").unlink()
    main(["audit", "pages"])
    page = Path("reports/trace/table1.html").read_text()
    assert "NOT verified: results/runs/unet-s1/model.safetensors, slices" in page
