"""Every cell of every table has its anchor, and what stands there is its own trace."""

import re
from pathlib import Path

import pandas as pd
import pytest
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
