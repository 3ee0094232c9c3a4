"""The tables of calibration, of uncertainty and of the data-fraction test, from numbers made by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.uncertainty.resampled_scores import DIFFERENCES, SCORES
from textbcs.reporting.common import probability_names
from textbcs.reporting.tables import calibration as calibration_table
from textbcs.reporting.tables import calibration_notes as calibration_notes_table

BOOTSTRAP = {"resamples": 499, "seed": 1}


PARAMS: dict[str, Any] = {
    "seeds": [1],
    "tables": {
        "table1": ["unet", "textbcs"],
        "variants": ["ablation_none", "ablation_svli", "wet"],
    },
    "variants": {
        "ablation_none": {"network": {"svli": False, "evidential": False}},
        "ablation_svli": {"network": {"evidential": False}},
        "wet": {"network": {"svli": False, "evidential": False, "dropout": 0.2}},
    },
    "methods": {"textbcs": {"network": {"svli": True, "evidential": True}, "loss": {}}},
    "evaluation": {"bootstrap": BOOTSTRAP},
}
CALLED = probability_names.names(PARAMS)


def scores(nll: float = 0.3) -> calibration_table.Table:
    """Every set of probabilities a tenth worse than the one before, save TextBCS's NLL."""
    rows = []
    for shift, (method, kind) in enumerate(
        (
            ("unet", "raw"),
            ("unet", "scaled"),
            ("unet", "scaled_region"),
            ("ablation_none", "raw"),
            ("wet", "sampled"),
            ("textbcs", "raw"),
        )
    ):
        own = dict.fromkeys(calibration_table.CALIBRATED, 0.1 + shift / 10)
        own |= {"nll_region": nll if method == "textbcs" else own["nll_region"] + 0.3, "dice": 0.7}
        own |= {"temperature": 2.0} if "scaled" in kind else {"entropy_auroc_image": 0.9}
        if method in ("unet", "textbcs") and kind == "raw":
            own |= {"entropy_excess_aurc_patients": 0.2, "inverse_area_excess_aurc_patients": 0.1}
        own |= {"vacuity_excess_aurc_patients": 0.05} if method == "textbcs" else {}
        rows += [(method, kind, name, v, v - 0.01, v + 0.02, 9, 1) for name, v in own.items()]
    return calibration_table.by_key(pd.DataFrame(rows, columns=list(SCORES)))


def differences(low: float = -0.2) -> calibration_notes_table.Pairs:
    both = ("ablation_svli", "raw", "ablation_svli", "scaled_region", "unet", "raw")
    rows = [
        ("textbcs", "raw", other, kind, name, -0.1, low, -0.01 if low < 0 else 0.3, 9, 1)
        for other, kind in zip(both[::2], both[1::2], strict=True)
        for name in ("nll_region", "own_auroc_band")
    ]
    rows.append(("wet", "sampled", "ablation_none", "raw", "dice", -0.1, low, low + 0.15, 9, 1))
    return calibration_notes_table.by_pair(pd.DataFrame(rows, columns=list(DIFFERENCES)))


def calibration_notes(nll: float = 0.3, low: float = -0.2) -> list[str]:
    return calibration_notes_table.calibration_notes(scores(nll), differences(low), CALLED, PARAMS)


def test_rows_are_named_by_what_they_are_and_what_was_not_run_is_left_out() -> None:
    rows = calibration_table.calibration_rows(scores(), CALLED)
    assert [row["label"] for row in rows] == [
        "UNet",
        "UNet, temperature-scaled (image)",
        "UNet, temperature-scaled (region)",
        "Ablation baseline",
        "Ablation baseline with dropout, mean of the passes",
        "TextBCS",
    ]
    # Percent where the heading says so.
    assert [row["ece_region"] for row in rows[:2]] == ["10.00", "20.00"]
    assert (rows[1]["nll_image"], rows[1]["nll_image_interval"]) == ("0.2000", "0.1900 to 0.2200")
    assert [row["temperature"] for row in rows[:4]] == [None, "2.00", "2.00", None]
    assert set(calibration_table.CALIBRATION) <= set(rows[0])


def test_a_row_a_map_and_one_that_knows_the_area_alone() -> None:
    rows = calibration_table.uncertainty_rows(scores(), CALLED)
    assert [(row["label"], row["doubt"]) for row in rows if row["method"] == "textbcs"] == [
        ("TextBCS", "entropy"),
        ("TextBCS", "vacuity"),
        ("TextBCS", "1 / predicted area (no map)"),
    ]
    assert (rows[0]["auroc_image"], rows[0]["auroc_image_interval"]) == ("90.0", "89.0 to 92.0")
    assert rows[0]["auroc_band"] is None  # not measured here
    assert rows[0]["excess_aurc_patients"] == "20.00"
    assert not [row for row in rows if row["kind"].startswith("scaled")]
    assert set(calibration_table.UNCERTAINTY) <= set(rows[0])


@pytest.mark.parametrize(
    ("nll", "words"),
    [
        (0.3, "NLL in the region: lowest for TextBCS (0.300)."),
        (0.6, "NLL in the region: lowest for UNet (0.400), not for TextBCS (0.600)."),
    ],
)
def test_the_best_is_named_whoever_it_is(nll: float, words: str) -> None:
    notes = calibration_notes(nll)
    assert words in notes
    assert "ECE in the region: lowest for UNet (10.00), not for TextBCS (60.00)." in notes


def test_a_difference_says_what_the_two_share() -> None:
    notes = calibration_notes()
    assert (
        "EL, all else equal (TextBCS minus TextBCS without EL): NLL -0.100 (-0.200 to -0.010); against the "
        "latter with the region's temperature: NLL -0.100 (-0.200 to -0.010). Lower is better."
    ) in notes
    assert [note for note in notes if note.startswith("TextBCS minus UNet, each by its own recipe")]
    found = calibration_notes_table.uncertainty_notes(scores(), differences(), CALLED, PARAMS)
    assert "within the outline's band -10.0 (-20.0 to -1.0)" in found[0]


def test_the_loss_is_named_where_it_is_balanced() -> None:
    def about_loss(values: dict[str, bool]) -> list[str]:
        own = {**PARAMS["methods"]["textbcs"], "loss": values}
        params = {**PARAMS, "methods": {"textbcs": own}}
        notes = calibration_notes_table.calibration_notes(scores(), differences(), CALLED, params)
        return [note for note in notes if "loss" in note and "recipe" not in note]

    both = about_loss({})
    assert both[0].startswith(
        "Half of the loss of UNet, Ablation baseline and TextBCS without EL is"
    )
    assert both[1].startswith("EL takes this loss's place")
    plain = about_loss({"balanced_cross_entropy": False})
    assert len(plain) == 1
    assert plain[0].startswith("Half of the loss of UNet is a cross-entropy")


def test_a_temperature_that_worsens_the_region_and_a_worse_twin_are_said() -> None:
    notes = calibration_notes()
    text = "UNet: the temperature fitted on the whole image makes the region worse (NLL 0.400 to 0.500)"
    assert len([note for note in notes if note.startswith(text)]) == 1
    twin = "its Dice is clearly below that of Ablation baseline (-10.00 points, -20.00 to -5.00)"
    assert len([note for note in notes if twin in note]) == 1
    # The interval holds 0.
    assert not [note for note in calibration_notes(low=-0.1) if "clearly below" in note]


def test_one_training_is_said_to_be_one() -> None:
    for seeds, said in (([1], 1), ([1, 2], 0)):
        params = {**PARAMS, "seeds": seeds}
        for notes in (
            calibration_notes_table.calibration_notes,
            calibration_notes_table.uncertainty_notes,
        ):
            found = notes(scores(), differences(), CALLED, params)
            assert sum(note.startswith("This table uses one training") for note in found) == said


def test_where_the_area_says_as_much_as_every_map() -> None:
    found = calibration_notes_table.uncertainty_notes(scores(), differences(), CALLED, PARAMS)
    own = [note for note in found if "no map ranks the patients better" in note]
    assert own == [
        "UNet: no map ranks the patients better than the predicted area does (excess AURC 20.00 against "
        "10.00)."
    ]


def fractions(*levels: float) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    offset = rng.normal(0, 0.05, 20)  # patients differ by more than the levels do
    return pd.concat(
        pd.DataFrame(
            {
                "method": "textbcs" if share == 1 else f"fraction_{round(100 * share)}",
                "fraction": share,
                "seed": 1,
                "patient": [f"p{n}" for n in range(20)],
                "dice": share,
                **dict.fromkeys(
                    calibration_table.SCOPES, level + offset + rng.normal(0, 0.001, 20)
                ),
            }
        )
        for share, level in zip((0.1, 0.5, 1.0), levels, strict=True)
    )


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((0.5, 0.48, 0.47), "whole image fell (change -0.0"),
        ((0.5, 0.51, 0.47), "whole image fell, but not at every step (change -0.0"),
        ((0.47, 0.48, 0.5), "whole image rose, against what is expected (change +0.0"),
        (
            (0.5, 0.4, 0.5),
            "whole image neither rose nor fell beyond what patients differ by (change",
        ),
    ],
)
def test_whether_vacuity_fell_is_paired_by_patient(levels: tuple[float, ...], words: str) -> None:
    notes = calibration_table.fraction_notes(fractions(*levels), BOOTSTRAP)
    assert notes[0].startswith("From 10 to 100 % of the training patients mean vacuity in the")
    assert words in notes[0]
    assert len(notes) == 3


def test_a_row_per_share_with_intervals_over_patients() -> None:
    rows = calibration_table.fraction_rows(fractions(0.5, 0.4, 0.3), BOOTSTRAP)
    assert [row["share"] for row in rows] == ["10", "50", "100"]
    assert [row["dice"] for row in rows] == ["10.00", "50.00", "100.00"]
    assert float(rows[0]["vacuity_region"]) - float(rows[2]["vacuity_region"]) == pytest.approx(
        0.2, abs=0.002
    )
    low, high = map(float, rows[0]["vacuity_image_interval"].split(" to "))
    assert low < float(rows[0]["vacuity_image"]) < high
