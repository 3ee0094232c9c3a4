"""`textbcs compare`: p-values keep their digits and are never subtracted; rows of Table 2 by their names."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from textbcs.base.io import write_csv
from textbcs.commands.compare import compare_lines
from textbcs.reporting.tables.ablation import row_label
from textbcs.stage.receipt import Stage

ONE = {"label": "UNet", "params_m": 14.75, "paper_params_m": 14.8, "paper_convention_g": 50.4}
ONE |= {"dice_slice_mean": 80.0, "paper_dice": 81.54, "miou_slice_mean": 70.0, "paper_miou": 73.22}


@pytest.fixture
def written(stage_in: Callable[..., Stage]) -> None:
    """The four tables, in the stage's folder; p-values are numbers, as a CSV file gives them."""
    stage_in({})
    rows: dict[str, list[dict[str, object]]] = {
        "table1": [ONE],
        "table2": [
            {**ONE, "label": row_label(*switches), "svli": "", "evidential": ""}
            for switches in ((False, False), (True, False), (False, True), (True, True))
        ],
        "table3": [{**ONE, "weight": "lambda_evidence", "value": 0.1}],
        "table4": [
            {"label": "UNet", "p_t_slice": 0.0132, "p_t_patient": 0.00004, "paper_p": 0.0014}
        ],
    }
    for name, own in rows.items():
        write_csv(Path(f"reports/tables/{name}.csv"), pd.DataFrame(own))


def lines(collection: str) -> list[str]:
    return list(compare_lines({"cohort": {"kind": "duke", "collection": collection}}))


@pytest.mark.parametrize("collection", ["duke_breast_cancer_mri", ""])
@pytest.mark.usefixtures("written")
def test_p_values_keep_their_digits_and_are_not_subtracted(collection: str) -> None:
    last = lines(collection)[-1].split("  ")
    assert [text.strip() for text in last if text.strip()] == [
        "UNet", "0.0132", "0.0014", "< 0.0001", "0.0014",
    ]  # fmt: skip


@pytest.mark.usefixtures("written")
def test_scores_are_subtracted_on_duke_alone_and_sizes_everywhere() -> None:
    here, there = ("\n".join(lines(one)) for one in ("duke_breast_cancer_mri", ""))
    assert "81.54 (-1.54)" in here
    assert "(-1.54)" not in there
    for text in (here, there):
        assert "14.80 (-0.05)" in text


@pytest.mark.usefixtures("written")
def test_rows_of_the_ablation_are_named_once() -> None:
    found = lines("")
    first = next(place for place, text in enumerate(found) if text.startswith("Table 2"))
    names = [text.split("  ")[0] for text in found[first + 2 : first + 6]]
    assert names == ["Baseline", "+ SVLI", "+ EL", "+ SVLI + EL"]
