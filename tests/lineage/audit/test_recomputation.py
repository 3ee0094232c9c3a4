"""Cells once more from per-slice rows: the rules against hand-made tables, and a stage that miscounts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import build
from fabricated_stages import Recipe

from textbcs.base import kernels
from textbcs.lineage.audit.predictions import network
from textbcs.lineage.audit.verify import Deep, verify
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.tracing import cells, rules


def named(recipe: Recipe, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Class and node of what a deep audit finds, predictions aside (there is no network here)."""
    monkeypatch.setattr("textbcs.lineage.audit.predictions.check_predictions", lambda *_: [])
    monkeypatch.chdir(build(root, recipe))
    return [(one.kind, one.node) for one in verify(deep=Deep()).findings]


def test_a_table_that_follows_from_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named(Recipe(), tmp_path / "tree", monkeypatch) == []


def test_a_cell_that_is_off_by_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage itself wrote it: every hash is right, and only the sum shows it."""

    def next_float(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        table.loc[0, "dice_slice_mean"] *= 1 + 8 * np.finfo(float).eps
        return table

    recipe = Recipe(edits={"reports/tables/table1.csv": next_float})
    assert named(recipe, tmp_path / "tree", monkeypatch) == [("TAMPERED", "table1")]


SLICES = pd.DataFrame(
    {
        "slice_id": list("abcd"),
        "patient": ["p", "p", "q", "q"],
        "kind": ["tumour", "tumour", "tumour", "negative"],
        "dice": [0.5, 0.7, 0.2, 0.0],
        "true_positive": [1, 3, 2, 0],
        "false_positive": [1, 0, 4, 5],
        "false_negative": [1, 1, 2, 0],
    }
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("dice_slice_mean", 100 * (0.5 + 0.7 + 0.2) / 3),
        ("dice_patient_mean", 100 * (0.6 + 0.2) / 2),
        ("dice_pooled", 100 * 12 / (12 + 5 + 4)),
        ("miou_pooled", 100 * 6 / (6 + 5 + 4)),
        ("false_alarm_share", 100.0),
        ("tumour_slices", 3.0),
        ("patients", 2.0),
    ],
)
def test_each_rule_by_hand(column: str, value: float) -> None:
    assert cells.recompute(column, [SLICES], {}) == pytest.approx((value,), rel=1e-12)


def test_several_seeds_are_averaged_and_unknown_columns_have_no_rule() -> None:
    other = SLICES.assign(dice=SLICES["dice"] / 2)
    for value in cells.recompute("dice_slice_mean", [SLICES, other], {}):
        assert value == pytest.approx(0.75 * 100 * 1.4 / 3)
    assert cells.recompute("params_m", [SLICES], {}) == ()
    assert cells.recompute("dice_native_slice_mean", [SLICES], {}) == ()


def test_a_difference_is_paired_by_slice_and_averaged_over_patients() -> None:
    other = SLICES.assign(dice=[0.1, 0.5, 0.4, 1.0]).iloc[::-1]
    row = {"minuend": "ours", "subtrahend": "other"}
    found = rules.gaps([row], {"ours": [SLICES], "other": [other]}, {})
    assert found[0, "dice_difference"] == pytest.approx((100 * ((0.4 + 0.2) / 2 - 0.2) / 2,))
    assert (found[0, "patients"], found[0, "seeds"]) == ((2.0,), (1.0,))
    assert (0, "low") not in found
    # With two seeds a slice's value is their mean: half of the difference where one seed has none.
    found = rules.gaps([row], {"ours": [SLICES, SLICES], "other": [other, SLICES]}, {})
    assert found[0, "dice_difference"] == pytest.approx((100 * ((0.4 + 0.2) / 2 - 0.2) / 4,))
    assert found[0, "seeds"] == (2.0,)


def test_a_share_is_averaged_over_seeds_and_then_made_a_percentage() -> None:
    """In this order, as all tables do it: another one ends in another last digit."""
    runs = [SLICES.assign(dice=SLICES["dice"] / (seed + 3)) for seed in range(3)]
    shares = [float(run["dice"][SLICES["kind"] == "tumour"].mean()) for run in runs]
    assert cells.recompute("dice_slice_mean", runs, {}) == (100 * float(np.mean(shares)),)
    assert cells.recompute("patients", runs, {}) == (2.0,)


def test_the_interval_needs_its_settings() -> None:
    assert cells.recompute("dice_patient_interval", [SLICES], {}) == ()
    params = {"evaluation.bootstrap.resamples": 99, "evaluation.bootstrap.seed": 1}
    assert cells.recompute("dice_patient_interval", [SLICES], params) == ("–",)  # two patients
    more = pd.concat(
        [SLICES, SLICES.assign(patient=SLICES["patient"] + "x", dice=SLICES["dice"] / 2)]
    )
    low, high = str(cells.recompute("dice_patient_interval", [more], params)[0]).split(" to ")
    assert 10 <= float(low) <= 30 <= float(high) <= 60
    equal = more.assign(dice=0.5)
    assert cells.recompute("dice_patient_interval", [equal], params) == ("all equal",)


def test_a_variant_lies_over_the_method_that_it_changes() -> None:
    params = {
        "methods.textbcs.network.model": "textbcs",
        "methods.textbcs.network.svli": True,
        "variants.no_svli.network.svli": False,
        "variants.no_svli.loss.name": "x",
        "evaluation.threshold": 0.5,
    }
    receipt = Receipt("predict_variant@no_svli-1", (), params, 1, kernels.device(), {}, {}, (), ())
    assert network(receipt) == {"model": "textbcs", "svli": False}
