"""Rows of Tables 2 and 3 are found by what they change, and say what they gain."""

import pandas as pd
import pytest

from textbcs.evaluation.statistics import ablation_rows
from textbcs.evaluation.statistics.runs import Run
from textbcs.reporting.tables import ablation

BOOTSTRAP = {"resamples": 199, "seed": 1}
PARAMS = {
    "methods": {
        "textbcs": {
            "network": {"svli": True, "evidential": True, "width": 4},
            "loss": {"lambda_evidence": 0.01, "lambda_alignment": 0.01},
        }
    },
    "variants": {
        "none": {"network": {"svli": False, "evidential": False}},
        "svli": {"network": {"evidential": False}},
        "wide": {"network": {"svli": False, "width": 9}},
        "strong": {"loss": {"lambda_evidence": 1.0}},
        "weak": {"loss": {"lambda_evidence": 0.001}},
        "two": {"loss": {"lambda_evidence": 0.1, "lambda_alignment": 0.1}},
    },
    "tables": {"variants": ["none", "svli", "wide", "strong", "weak", "two"]},
    "evaluation": {"bootstrap": BOOTSTRAP},
}


def run(name: str, dice: float) -> list[Run]:
    rows = [
        {
            "slice_id": f"{p}{i}",
            "patient": p,
            "kind": "tumour",
            "dice": dice + 0.01 * n + 0.02 * i,
            "iou": dice / 2,
        }
        for n, p in enumerate("abc")
        for i in range(2)
    ]
    rows.append({"slice_id": "z", "patient": "a", "kind": "negative", "dice": 0.0, "iou": 0.0})
    return [Run(name, 1, pd.DataFrame(rows))]


RUNS = {
    n: run(n, d)
    for n, d in (("textbcs", 0.7), ("none", 0.5), ("svli", 0.6), ("strong", 0.8), ("weak", 0.6))
}


def test_only_one_changed_weight_is_a_cell_and_the_base_is_one():
    assert ablation_rows.sweep_names(PARAMS) == [
        ("lambda_evidence", 1.0, "strong"),
        ("lambda_evidence", 0.01, "textbcs"),
        ("lambda_evidence", 0.001, "weak"),
        ("lambda_alignment", 0.01, "textbcs"),
    ]


def test_gains_are_over_the_ablations_own_baseline():
    printed = [{"svli": False, "evidential": False, "dice": 81.54, "miou": 73.22}]
    rows = ablation.table2_rows(PARAMS, {**RUNS, "unet": run("unet", 0.52)}, printed)
    assert [row["run"] for row in rows] == ["none", "svli", "textbcs", "unet"]
    assert "gain" not in rows[0]
    assert rows[1]["gain"] == pytest.approx(10)
    assert rows[2]["gain"] == pytest.approx(20)
    assert (rows[0]["paper_dice"], rows[1]["paper_dice"]) == (81.54, None)
    # six tumour slices: dice, and 0, 1, 2 points by patient, and 0 or 2 by slice
    assert rows[0]["dice_slice_mean"] == pytest.approx(50 + 1 + 1)
    assert rows[0]["miou_slice_mean"] == pytest.approx(25)


def test_a_better_cell_is_said_in_words():
    validation = {"textbcs": 0.66, "strong": 0.65, "weak": 0.67}
    rows = ablation.table3_rows(PARAMS, RUNS, validation, {"lambda_evidence": {1.0: 84.79}})
    assert [row["paper_dice"] for row in rows] == [84.79, None, None, None]
    said = ablation.better_cells(rows)
    assert len(said) == 2
    assert said[0].startswith("lambda_evidence = 1 has a higher test Dice")
    assert said[1].startswith("lambda_evidence = 0.001 has a higher validation Dice")


def test_best_validation_is_the_mean_over_seeds_of_the_best_epochs():
    tables = [pd.DataFrame({"validation_dice": values}) for values in ([0.1, 0.5], [0.7, 0.3])]
    assert ablation_rows.best_validation({"a": tables}) == {"a": pytest.approx(0.6)}
