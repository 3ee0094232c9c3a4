"""Boundaries, lesions, false alarms and subgroups, as they are printed."""

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics.paired_tests import sign_flip
from textbcs.reporting.tables import measures

NAN = float("nan")
COLUMNS = ["method", "measure", "value", "low", "high", "seed_sd", "used", "total"]
ALARMS = "false_alarm_share_tumour_free_patient_mean"
MEANS = pd.DataFrame(
    [
        ("unet", "dice_patient_mean", 0.7, 0.6, 0.8, NAN, 28, 28),
        ("unet", "nsd_1mm_patient_mean", 0.5, 0.4, 0.62, NAN, 28, 28),
        ("unet", "nsd_2mm_patient_mean", 0.8, 0.7, 0.9, NAN, 28, 28),
        ("unet", "hd95_mm_patient_mean", 112.345, 10.0, 150.0, NAN, 28, 28),
        ("unet", "hd95_mm_where_found_patient_mean", 12.345, NAN, NAN, NAN, 26, 28),
        ("unet", "predicted_tumour_slices", 70.0, NAN, NAN, NAN, 70, 75),
        ("unet", "lesion_recall_patient_mean", 1.0, NAN, NAN, NAN, 28, 28),
        ("unet", ALARMS, 0.25, 0.15, 0.4, NAN, 28, 28),
        ("unet", "dice_stacked_slices", NAN, NAN, NAN, NAN, 0, 28),
        ("lvit", "nsd_1mm_patient_mean", 0.9, 0.8, 0.95, NAN, 28, 28),
        ("lvit", ALARMS, 0.1, NAN, NAN, NAN, 2, 2),
    ],
    columns=COLUMNS,
)


def table(names: list[str], means: pd.DataFrame = MEANS, reference: str = "lvit"):
    return measures.measure_table(means, reference, names, {"unet": "UNet"}, (0.5, 0.8))


def test_tolerances_are_in_the_heading_and_intervals_beside_the_value() -> None:
    headers, rows, _ = table(["unet", "lvit"])
    assert [text for text in headers.values() if text.startswith("NSD")] == [
        "NSD % at 1 mm, 1.2 to 2.0 pixels (patients)",
        "NSD % at 2 mm, 2.5 to 4.0 pixels (patients)",
    ]
    assert "dice_volume" not in headers  # no method has one
    first, second = rows
    assert (first["label"], second["label"]) == ("UNet", "lvit")
    assert first["nsd_1mm_patient_mean"] == "50.00 (40.00 to 62.00)"
    assert first["hd95_mm_patient_mean"].startswith("112.3")
    assert first["hd95_mm_where_found_patient_mean"].startswith("12.3")
    assert first["hd95_mm_where_found_patient_mean"].endswith("; 26 of 28")
    assert first["predicted_tumour_slices"] == "70 of 75"
    assert first[ALARMS] == "25.00 (15.00 to 40.00)"
    assert first["dice_stacked_slices"] == "–"
    assert second["hd95_mm_patient_mean"] == "–"


def test_a_value_without_limits_says_why() -> None:
    first, second = table(["unet", "lvit"])[1]
    assert first["lesion_recall_patient_mean"] == "100.00 (all equal)"
    assert second[ALARMS] == "10.00 (–)"


@pytest.mark.parametrize(("reference", "said"), [("unet", True), ("lvit", False)])
def test_most_false_alarms_are_said_of_the_reference(reference: str, said: bool) -> None:
    notes = table(["unet", "lvit"], reference=reference)[2]
    text = "Of all methods UNet has most false alarms on tumour-free slices, in percent: 25.00."
    assert (text in notes) is said


def test_with_several_seeds_their_spread_is_a_column() -> None:
    headers, rows, _ = table(["unet"], MEANS.assign(seed_sd=0.012))
    assert headers["spread"].startswith("Dice: standard deviation over seeds")
    assert rows[0]["spread"] == pytest.approx(1.2)


def levels(left: int) -> pd.DataFrame:
    """Two levels, the first of `left` patients, with UNet 0.2 below TextBCS."""
    rows = []
    for level, patients, shift in (("left", left, 0.0), ("right", 9, 0.2)):
        for method, dice in (("unet", 0.3 + shift), ("textbcs", 0.5 + shift)):
            gap = (0.2, -0.05, 0.4) if method == "unet" else (NAN, NAN, NAN)
            limits = (dice, dice - 0.1, dice + 0.1)
            rows.append(("side", level, method, patients, 11, *limits, *gap))
    names = ["subgroup", "level", "method", "patients", "slices", "dice", "low", "high"]
    gaps = ["reference_minus_method", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=[*names, *gaps])


def test_a_subgroup_is_a_row_with_the_reference_first() -> None:
    headers, rows, notes = measures.subgroup_table(levels(6), "textbcs", ["unet", "textbcs"], {})
    assert list(headers)[3:] == ["textbcs", "unet"]
    assert [row["level"] for row in rows] == ["side: left", "side: right"]
    assert rows[1]["textbcs"] == "70.00 (60.00 to 80.00)"
    assert rows[1]["unet"] == pytest.approx(50)
    assert (rows[0]["patients"], rows[0]["slices"]) == (6, 11)
    assert notes == [measures.OVERLAPPING]


def test_differences_by_subgroup_have_their_own_intervals() -> None:
    headers, rows, notes = measures.gap_table(levels(6), "textbcs", ["unet", "textbcs"], {})
    assert list(headers)[3:] == ["unet"]
    assert [row["unet"] for row in rows] == ["20.00 (-5.00 to 40.00)"] * 2
    assert notes == [measures.UNADJUSTED, measures.OVERLAPPING]


def test_fewer_than_six_patients_decide_nothing() -> None:
    """Of the 2^n sign assignments two are as extreme as any difference: 2/32 is above 0.05, 2/64 is not."""
    for few in (5, 6):
        least = sign_flip(np.arange(1.0, few + 1), resamples=100, seed=0)
        assert (least > 0.05) is (few < measures.FEWEST)
    for made in (measures.subgroup_table, measures.gap_table):
        _, rows, notes = made(levels(5), "textbcs", ["unet", "textbcs"], {})
        name = "textbcs" if made is measures.subgroup_table else "unet"
        assert rows[0][name].endswith("0.00 (too few to decide)")
        assert "too few" not in rows[1][name]
        assert notes[-1] == measures.FEW
