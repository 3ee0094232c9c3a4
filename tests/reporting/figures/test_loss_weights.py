"""Curves over the loss weights: one aggregation, as the table has it."""

from typing import Any

import pandas as pd
import pytest

from textbcs.evaluation.statistics.runs import Run
from textbcs.reporting.figures import loss_weights

PARAMS: dict[str, Any] = {
    "tables": {"table1": ["textbcs"], "variants": []},
    "seeds": [1],
    "variants": {},
    "methods": {"textbcs": {"loss": {"lambda_evidence": 0.01, "lambda_alignment": 0.01}}},
    "evaluation": {"bootstrap": {"resamples": 99, "seed": 1}},
}


def test_curves_of_weights_are_drawn_as_tabled() -> None:
    rows = [
        (weight, value, "textbcs" if value == 0.01 else "x", 70.0, test, test - 1, test + 1, 3)
        for weight in loss_weights.TITLES
        for value, test in ((0.01, 60.0), (1.0, 50.0))
    ]
    names = ["weight", "value", "run", "validation_slice_mean", "test_slice_mean"]
    names += ["low", "high", "patients"]
    for panel in loss_weights.draw(pd.DataFrame(rows, columns=names)).axes:
        assert [line.get_ydata().tolist() for line in panel.lines] == [[60, 50], [70, 70]]
        ring = panel.collections[-1].get_offsets()
        assert ring.tolist() == [[0.01, 60]]


def test_a_collapsed_value_is_named_and_the_others_fill_the_panel() -> None:
    values = {0.01: ("textbcs", 70.0), 0.1: ("x", 68.0), 1.0: ("y", 0.8)}
    shown = pd.DataFrame(
        [
            {"weight": weight, "value": value, "run": run, "validation_slice_mean": dice + 0.1}
            | {"test_slice_mean": dice, "low": dice - 0.5, "high": dice + 0.5, "patients": 3}
            for weight in loss_weights.TITLES
            for value, (run, dice) in values.items()
        ]
    )
    for panel in loss_weights.draw(shown).axes:
        assert [text.get_text() for text in panel.texts] == ["test 0.8,\nvalidation 0.9"]
        low, high = panel.get_ylim()
        assert 60 < low < 67.5
        assert 70.5 < high < 75
    whole = loss_weights.draw(shown[shown["value"] < 1])
    assert [len(panel.texts) for panel in whole.axes] == [0, 0]


def test_both_splits_of_a_weight_are_means_over_slices() -> None:
    # Patient a has three slices of 0.9, b one of 0.1: 0.7 over slices, 0.5 over patients.
    table = pd.DataFrame({"slice_id": list("1234"), "patient": list("aaab"), "kind": "tumour"})
    run = Run("textbcs", 1, table.assign(dice=[0.9, 0.9, 0.9, 0.1]))
    shown = loss_weights.weight_rows(PARAMS, {"textbcs": [run]}, {"textbcs": 0.6})
    assert shown["test_slice_mean"].tolist() == pytest.approx([70, 70])
    assert (shown["low"] < 70).all()
    assert (shown["high"] > 70).all()
    assert shown["validation_slice_mean"].tolist() == pytest.approx([60, 60])
    assert loss_weights.draw(shown).axes[0].get_ylabel() == "Dice %, mean over slices"
