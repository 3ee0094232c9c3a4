"""Boundaries, lesions, false alarms and subgroups, as they are printed."""

import pandas as pd
import pytest

from textbcs.reporting import measured

NAN = float("nan")
COLUMNS = ["method", "measure", "value", "low", "high", "seed_sd"]
MEANS = pd.DataFrame(
    [
        ("unet", "dice_patient_mean", 0.7, 0.6, 0.8, NAN),
        ("unet", "nsd_1mm_patient_mean", 0.5, 0.4, 0.62, NAN),
        ("unet", "nsd_2mm_patient_mean", 0.8, 0.7, 0.9, NAN),
        ("unet", "hd95_mm_patient_mean", 12.345, 10.0, 15.0, NAN),
        ("unet", "false_alarm_share_tumour_free", 0.25, NAN, NAN, NAN),
        ("unet", "dice_stacked_slices", NAN, NAN, NAN, NAN),
        ("lvit", "nsd_1mm_patient_mean", 0.9, 0.8, 0.95, NAN),
    ],
    columns=COLUMNS,
)


def test_tolerances_are_in_the_heading_and_intervals_beside_the_value() -> None:
    headers, rows, notes = measured.measure_table(MEANS, ["unet", "lvit"], {"unet": "UNet"})
    assert [text for text in headers.values() if text.startswith("NSD")] == [
        "NSD % at 1 mm (patients)",
        "NSD % at 2 mm (patients)",
    ]
    assert "dice_volume" not in headers  # no method has one
    first, second = rows
    assert (first["label"], second["label"]) == ("UNet", "lvit")
    assert first["nsd_1mm_patient_mean"] == "50.00 (40.00 to 62.00)"
    assert first["hd95_mm_patient_mean"].startswith("12.3")
    assert first["false_alarm_share_tumour_free"] == "25.00"
    assert first["dice_stacked_slices"] == "–"
    assert second["hd95_mm_patient_mean"] == "–"
    assert any("One seed" in note for note in notes)


def test_with_several_seeds_their_spread_is_a_column() -> None:
    table = MEANS.assign(seed_sd=0.012)
    headers, rows, notes = measured.measure_table(table, ["unet"], {})
    assert headers["spread"].startswith("Dice: standard deviation over seeds")
    assert rows[0]["spread"] == pytest.approx(1.2)
    assert not any("One seed" in note for note in notes)


def test_a_subgroup_is_a_row_with_the_reference_first() -> None:
    table = pd.DataFrame(
        [
            ("side", level, method, 5, 9, dice, dice - 0.1, dice + 0.1)
            for level, shift in (("left", 0.0), ("right", 0.2))
            for method, dice in (("unet", 0.3 + shift), ("textbcs", 0.5 + shift))
        ],
        columns=["subgroup", "level", "method", "patients", "slices", "dice", "low", "high"],
    )
    headers, rows = measured.subgroup_table(table, "textbcs", ["unet", "textbcs"], {})
    assert list(headers)[3:] == ["textbcs", "unet"]
    assert [row["level"] for row in rows] == ["side: left", "side: right"]
    assert rows[1]["textbcs"] == "70.00 (60.00 to 80.00)"
    assert rows[1]["unet"] == pytest.approx(50)
    assert (rows[0]["patients"], rows[0]["slices"]) == (5, 9)
