"""Table 4: values as printed, disagreements in words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics.paired_tests import cliffs_delta, win_share
from textbcs.reporting.tables.paired_tests import (
    METRICS,
    disagreements,
    metric_label,
    metric_notes,
    metric_rows,
    p_value,
    table4_rows,
)
from textbcs.stages.reporting import tables


def comparisons() -> pd.DataFrame:
    tests = ("t_slice", "t_patient", "sign_flip", "wilcoxon")
    base = {f"p_{t}": 0.001 for t in tests} | {f"holm_{t}": 0.012 for t in tests}
    effects = {f"{e}{s}": 0.5 for e in ("cohen_dz", "cliffs_delta") for s in ("", "_low", "_high")}
    common = {"difference": 0.031, "low": 0.01, "high": 0.05, "patients": 28, "slices": 75}
    every = " ".join(tests)
    said = {"significant_unadjusted_by": every, "significant_by": every}
    agree = said | {"disagree_unadjusted": False, "disagree_holm": False}
    doubt = {"disagree_unadjusted": True, "disagree_holm": True, "significant_by": "sign_flip"}
    both = {**base, **effects, **common, **agree}
    rows = [
        {"baseline": "unet", "metric": "dice", **both},
        {"baseline": "lvit", "metric": "dice", **both, **doubt},
        {"baseline": "unet", "metric": "iou", **both},
    ]
    return pd.DataFrame(rows)


def test_rows_are_dice_with_the_papers_p():
    rows = table4_rows(comparisons(), {"unet": "UNet"}, {"unet": 0.0014})
    assert [row["label"] for row in rows] == ["UNet", "lvit"]
    first = rows[0]
    assert (first["p_t_slice"], first["holm_wilcoxon"], first["paper_p"]) == (
        "0.0010",
        "0.0120",
        "0.0014",
    )
    assert first["difference_points"] == pytest.approx(3.1)
    assert first["interval"] == "1.00 to 5.00"
    assert rows[1]["paper_p"] == ""


def test_disagreement_is_a_sentence_of_each_kind():
    rows = table4_rows(comparisons(), {}, {})
    said = disagreements(rows)
    assert len(said) == 3
    assert said[0].startswith(
        "Against lvit the unadjusted tests and the unadjusted interval do not agree: t over slices 0.0010,"
    )
    assert said[0].endswith("difference 3.10 (1.00 to 5.00).")
    assert "not agree after Holm: t over slices 0.0120" in said[1]
    assert (
        "over the 2 comparisons changes the verdict of t over slices, t over patients, Wilcoxon"
        in said[2]
    )
    assert disagreements(rows[:1]) == []


def test_the_note_under_the_table_says_which_of_its_effect_sizes_is_paired(stage_in):
    """Every patient gains 0.1, yet only 10 of 16 pairs favour the first."""
    first, second = np.array([0.2, 0.35, 0.6, 0.9]), np.array([0.1, 0.25, 0.5, 0.8])
    assert win_share(first - second) == 1
    assert cliffs_delta(first, second, 99, 1, 0.95).value == pytest.approx((10 - 6) / 16)
    table = comparisons().assign(win_share=0.75)
    stage = stage_in({"cohort": {"collection": ""}})
    tables._write_tests(tables._Tables(stage, "About.", {}, ["Once."]), table)
    text = Path("reports/tables/table4.md").read_text()
    note, *_, last = [line for line in text.splitlines() if line.startswith("- ")]
    assert "dz is of the differences within a patient" in note
    assert "Cliff's delta is the unpaired one" in note
    assert last == "- Once."


def test_an_empty_list_of_tests_is_read_as_none():
    """A CSV file gives NaN for an empty text."""
    table = comparisons().assign(significant_by=float("nan"), significant_unadjusted_by="wilcoxon")
    assert table4_rows(table, {}, {})[0]["holm_changes"] == "Wilcoxon"


@pytest.mark.parametrize(("p", "text"), [(0.5, "0.5000"), (9e-5, "< 0.0001"), (float("nan"), "–")])
def test_p_values(p, text):
    assert p_value(p) == text


def test_every_metric_has_its_differences_tests_and_wins():
    table = comparisons().assign(win_share=0.75)
    rows = metric_rows(table, {"unet": "UNet"})
    assert [(row["label"], row["measure"]) for row in rows] == [
        ("UNet", "Dice"), ("lvit", "Dice"), ("UNet", "IoU (tumour)"),
    ]  # fmt: skip
    assert set(METRICS) <= set(rows[0])
    assert (rows[2]["interval"], rows[2]["holm_t_slice"], rows[2]["win_share"]) == (
        "1.00 to 5.00", "0.0120", 75.0,
    )  # fmt: skip
    assert "Dice and IoU (tumour) score the same masks" in metric_notes(rows)[0]
    assert metric_notes(rows[:2]) == []
    apart = metric_notes([{**row, "agree_holm": "no"} for row in rows])[-2:]
    assert apart == [
        "Dice: the tests after Holm do not agree against UNet, lvit.",
        "IoU (tumour): the tests after Holm do not agree against UNet.",
    ]
    assert metric_label("nsd_2.5mm") == "NSD at 2.5 mm"


def test_an_effect_that_is_not_defined_is_a_dash():
    table = comparisons()
    table.loc[0, ["cohen_dz", "cohen_dz_low", "cohen_dz_high"]] = float("nan")
    assert table4_rows(table, {}, {})[0]["dz"] == "–"
