"""Quantities of the prompts' probes, computed by hand on three patients."""

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.evaluation.statistics.prompt_effects import (
    alarm_values,
    dose_response,
    over_seeds,
    ratio_interval,
    slice_values,
    text_worth,
)
from textbcs.prediction.prompt_cases import choose_cases

BOOTSTRAP = {"resamples": 499, "seed": 3}
PAPER, OTHERS = ("paper_1a",), ("digits", "order")
# Dice of four tumour slices: patient a has two, b and c one each.
DICE = {
    "true": [0.9, 0.7, 0.6, 0.8],
    "automatic": [0.9, 0.5, 0.6, 0.6],
    "empty": [0.6, 0.6, 0.5, 0.8],
    "shuffled": [0.2, 0.4, 0.5, 0.0],
    "swapped_location": [0.0, 0.0, 0.1, 0.0],
    "paper_1a": [0.9, 0.6, 0.6, 0.8],
    "digits": [0.8, 0.7, 0.3, 0.8],
    "order": [0.7, 0.8, 0.6, 0.8],
}
PROMPT = "location left; shape round; size small; number one"


def answers(shift: float = 0.0) -> pd.DataFrame:
    """The table of a run; two tumour-free slices, of a and b, with something found on a's only."""
    rows = []
    for probe, dice in DICE.items():
        for number, (patient, value) in enumerate(zip("aabc", dice, strict=True)):
            row = {"slice_id": f"s{number}", "patient": patient, "kind": "tumour", "probe": probe}
            rows.append(row | {"prompt": PROMPT, "dice": value - shift, "predicted_pixels": 9})
        for patient in "ab":
            row = {
                "slice_id": f"n{patient}",
                "patient": patient,
                "kind": "negative",
                "probe": probe,
            }
            found = 4 if patient == "a" and probe != "empty" else 0
            rows.append(row | {"prompt": PROMPT, "dice": 0.0, "predicted_pixels": found})
    return pd.DataFrame(rows)


def test_the_quantities_of_each_slice() -> None:
    values = slice_values(answers(), PAPER, OTHERS)
    assert values.index.tolist() == ["s0", "s1", "s2", "s3"]
    assert values["text_gain"].tolist() == pytest.approx([0.3, 0.1, 0.1, 0.0])
    assert values["text_harm"].tolist() == pytest.approx([0.4, 0.2, 0.0, 0.8])
    assert values["text_harm_location"].tolist() == pytest.approx([0.6, 0.6, 0.4, 0.8])
    assert values["change_automatic"].tolist() == pytest.approx([0, -0.2, 0, -0.2])
    assert values["paraphrase_worst"].tolist() == pytest.approx([0.7, 0.6, 0.3, 0.8])
    assert values["paraphrase_loss"].tolist() == pytest.approx([0.2, 0.1, 0.3, 0.0])
    # Of 0.9, 0.8, 0.7 and of 0.6, 0.7, 0.8: 0.1; of 0.6, 0.3, 0.6: sqrt(0.03).
    assert values["paraphrase_sd"].tolist() == pytest.approx([0.1, 0.1, 0.03**0.5, 0])
    assert values["paraphrase_mean_paper"].tolist() == pytest.approx(DICE["paper_1a"])
    assert values["paraphrase_mean_other"].tolist() == pytest.approx([0.75, 0.75, 0.45, 0.8])


def worth(runs: list[pd.DataFrame]) -> dict:
    values = over_seeds([slice_values(run, PAPER, OTHERS) for run in runs])
    alarms = over_seeds([alarm_values(run) for run in runs])
    prior = pd.DataFrame(
        {
            "slice_id": ["s3", "s2", "s1", "s0", "na"],
            "kind": ["tumour"] * 4 + ["negative"],
            "dice": [0.1, 0.3, 0.2, 0.4, 0.0],
        }
    )
    return {one.quantity: one for one in text_worth(values, alarms, prior, BOOTSTRAP)}


def test_means_are_over_patients() -> None:
    found = worth([answers()])
    assert found["dice_true"].interval.mean == pytest.approx((0.8 + 0.6 + 0.8) / 3)
    assert found["text_gain"].interval.mean == pytest.approx((0.2 + 0.1 + 0.0) / 3)
    assert found["text_harm"].interval.mean == pytest.approx((0.3 + 0.0 + 0.8) / 3)
    assert (found["text_gain"].interval.patients, found["text_gain"].slices) == (3, 4)
    expected = mean_interval(np.array([0.2, 0.1, 0.0]), **BOOTSTRAP)
    assert found["text_gain"].interval.low == pytest.approx(expected.low)
    assert found["text_gain"].interval.high == pytest.approx(expected.high)


def test_shares_are_ratios_of_means() -> None:
    found = worth([answers()])
    true = (0.8 + 0.6 + 0.8) / 3
    assert found["dice_prior"].interval.mean == pytest.approx((0.3 + 0.3 + 0.1) / 3)
    assert found["leak_share"].interval.mean == pytest.approx((0.7 / 3) / true)
    # Dice(true) - Dice(wrong) is 0.5, 0.1 and 0.8 for the patients; the gain 0.2, 0.1 and 0.
    share = found["break_even"].interval
    assert share.mean == pytest.approx(0.3 / 1.4)
    # At that dose the mean Dice is that of the empty prompt.
    values = slice_values(answers(), PAPER, OTHERS).groupby("patient")[
        ["dice_true", "dice_shuffled"]
    ]
    patients = values.mean().mean()
    mixed = (1 - share.mean) * patients["dice_true"] + share.mean * patients["dice_shuffled"]
    assert mixed == pytest.approx(found["dice_empty"].interval.mean)


def test_false_alarms_are_counted_on_tumour_free_slices() -> None:
    found = worth([answers()])
    assert found["alarm_true"].interval.mean == 0.5
    assert found["alarm_empty"].interval.mean == 0
    assert found["alarm_true"].slices == 2


def test_a_cohort_without_tumour_free_slices_has_no_alarms() -> None:
    rows = answers()
    found = worth([rows[rows["kind"] == "tumour"]])
    assert np.isnan(found["alarm_true"].interval.mean)
    assert found["alarm_true"].interval.patients == 0


def test_seeds_are_averaged_slice_by_slice() -> None:
    both = over_seeds([slice_values(answers(shift), PAPER, OTHERS) for shift in (0.0, 0.1)])
    assert both["dice_true"].tolist() == pytest.approx([0.85, 0.65, 0.55, 0.75])
    assert both["paraphrase_sd"].tolist() == pytest.approx([0.1, 0.1, 0.03**0.5, 0])
    assert both["patient"].tolist() == list("aabc")
    with pytest.raises(ValueError, match="same slices"):
        over_seeds([both, both.iloc[1:]])


def test_the_ratios_interval_is_that_of_resampled_pairs() -> None:
    rng = np.random.default_rng(0)
    of = rng.uniform(0.5, 0.9, 60)
    part = of * rng.uniform(0.2, 0.6, 60)
    found = ratio_interval(part, of, 2000, 1, 0.95)
    assert found.mean == pytest.approx(part.mean() / of.mean())
    rows = np.random.default_rng(2).integers(0, 60, (4000, 60))
    drawn = part[rows].mean(axis=1) / of[rows].mean(axis=1)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)
    # A constant share has no spread to speak of, whatever the patients.
    constant = ratio_interval(0.3 * of, of, 500, 1, 0.95)
    assert np.isnan([constant.low, constant.high]).all()
    assert np.isnan(ratio_interval(-part, of, 500, 1, 0.95).mean)
    assert np.isnan(ratio_interval(part, 0 * of, 500, 1, 0.95).mean)


def test_the_dose_response_ends_at_the_two_measured_means() -> None:
    values = slice_values(answers(), PAPER, OTHERS)
    points = dose_response(values, "shuffled", 300, BOOTSTRAP)
    true, wrong = (0.8 + 0.6 + 0.8) / 3, (0.3 + 0.5 + 0.0) / 3
    assert points["dose"].tolist() == pytest.approx([d / 10 for d in range(11)])
    assert points["dice"].tolist() == pytest.approx(np.linspace(true, wrong, 11))
    for end, mean in ((0, true), (10, wrong)):
        assert points[["drawn_low", "drawn_high"]].iloc[end].tolist() == pytest.approx([mean, mean])
    # At half, two of the four slices are wrong: six assignments. By patient weights (a's slices 1/6,
    # b's and c's 1/3) the losses of the slices are 0.7/6, 0.3/6, 0.1/3 and 0.8/3.
    losses = np.array([0.7 / 6, 0.3 / 6, 0.1 / 3, 0.8 / 3])
    pairs = [true - losses[i] - losses[j] for i in range(4) for j in range(i)]
    middle = points.iloc[5]
    assert middle["drawn_low"] == pytest.approx(min(pairs))
    assert middle["drawn_high"] == pytest.approx(max(pairs))
    assert np.mean(pairs) == pytest.approx(middle["dice"])


def cases(*slices: tuple[str, float]) -> pd.DataFrame:
    rows = [
        {
            "slice_id": f"s{n}",
            "patient": "a",
            "kind": "tumour",
            "probe": "true",
            "prompt": t,
            "dice": d,
        }
        for n, (t, d) in enumerate(slices)
    ]
    return pd.DataFrame(rows)


def test_cases_have_the_papers_prompts_or_its_numbers() -> None:
    first = "location left; shape irregular; size medium; number one"
    second = "location right; shape irregular; size large; number two"
    other, two = PROMPT, PROMPT.replace("one", "two")
    assert choose_cases(cases((other, 0.1), (first, 0.2), (second, 0.3), (two, 0.9))) == [1, 2]
    assert choose_cases(cases((other, 0.1), (other, 0.9), (other, 0.5), (two, 0.9))) == [2, 3]
    # Of two the lower one is the median; no slice with two lesions, no second case.
    assert choose_cases(cases((other, 0.4), (other, 0.2))) == [1]
    free = cases((first, 0.5)).assign(kind="negative")
    assert choose_cases(free) == []
