"""The tables of calibration and of the data-fraction test, from numbers made by hand."""

import numpy as np
import pandas as pd
import pytest

from textbcs.reporting import believed

BOOTSTRAP = {"resamples": 499, "seed": 1, "confidence": 0.95}


def means(nll: float = 0.3) -> pd.DataFrame:
    rows = []
    for method, prefix, suffix, shift in (
        ("unet", "", "", 0.0),
        ("unet", "", "_scaled", 0.1),
        ("dropout_unet", "sampled_", "", 0.2),
        ("textbcs", "", "", 0.3),
    ):
        scores = {f"{name}{suffix}": 0.1 + shift for name in believed.MEASURES.values()}
        scores[f"nll_region{suffix}"] = nll if method == "textbcs" else 0.5
        scores |= {"dice_patient_mean": 0.7, "entropy_auroc_image": 0.9}
        rows += [(method, prefix + name, value) for name, value in scores.items()]
    return pd.DataFrame(rows, columns=["method", "measure", "value"])


def test_rivals_stand_above_the_reference_and_what_was_not_run_is_left_out() -> None:
    rows = believed.calibration_rows(means(), "textbcs")
    assert [row["label"] for row in rows] == [
        "UNet",
        "UNet, temperature-scaled",
        "UNet (dropout_unet), mean of the passes with dropout",
        "TextBCS",
    ]
    # Percent where the heading says so; what a head does not give is empty.
    assert [row["ece_region"] for row in rows] == pytest.approx([10, 20, 30, 40])
    assert [row["nll_image"] for row in rows] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert {row["dice"] for row in rows} == {70.0}
    assert {row["auroc_vacuity"] for row in rows} == {None}
    ensemble = pd.DataFrame([("unet", "ensemble_ece_region", 0.01)], columns=means().columns)
    more = believed.calibration_rows(pd.concat([means(), ensemble]), "textbcs")
    assert [row["label"] for row in more][3] == "UNet, mean of the seeds"


@pytest.mark.parametrize(
    ("nll", "words"),
    [
        (0.3, "NLL in the region: lowest for TextBCS (0.300)."),
        (0.6, "NLL in the region: lowest for UNet (0.500), not for TextBCS (0.600)."),
    ],
)
def test_the_best_is_named_whoever_it_is(nll: float, words: str) -> None:
    notes = believed.calibration_notes(believed.calibration_rows(means(nll), "textbcs"), "textbcs")
    assert notes[-1] == words
    assert notes[0] == "ECE in the region: lowest for UNet (10.000), not for TextBCS (40.000)."


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
                **dict.fromkeys(believed.SCOPES, level + offset + rng.normal(0, 0.001, 20)),
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
    notes = believed.fraction_notes(fractions(*levels), BOOTSTRAP)
    assert notes[0].startswith("From 10 to 100 % of the training patients mean vacuity in the")
    assert words in notes[0]
    assert len(notes) == 3


def test_a_row_per_share_with_intervals_over_patients() -> None:
    rows = believed.fraction_rows(fractions(0.5, 0.4, 0.3), BOOTSTRAP)
    assert [row["share"] for row in rows] == ["10", "50", "100"]
    assert [row["dice"] for row in rows] == ["10.00", "50.00", "100.00"]
    assert float(rows[0]["vacuity_region"]) - float(rows[2]["vacuity_region"]) == pytest.approx(
        0.2, abs=0.002
    )
    low, high = map(float, rows[0]["vacuity_image_interval"].split(" to "))
    assert low < float(rows[0]["vacuity_image"]) < high
