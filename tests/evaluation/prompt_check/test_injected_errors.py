"""Shares of wrong prompts: the mixtures against prompts that are drawn one by one."""

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError
from textbcs.evaluation.prompt_check.injected_errors import (
    ERROR_RATES,
    Cases,
    detection_rows,
    rate_rows,
    worth,
)
from textbcs.evaluation.statistics.cluster_bootstrap import draw

PATIENTS, DRAWS = 12, draw(12, 99, 3)


@pytest.fixture
def cases() -> Cases:
    rng = np.random.default_rng(4)
    return Cases(
        rng.random(PATIENTS) < 0.2,
        rng.random((PATIENTS, 3)) < 0.7,
        rng.uniform(0.6, 0.9, PATIENTS),
        rng.uniform(0.0, 0.5, (PATIENTS, 3)),
        rng.uniform(0.5, 0.8, PATIENTS),
    )


def test_the_mixture_is_what_many_drawn_errors_tend_to(cases: Cases) -> None:
    rate, repeats = 0.2, 40_000
    rng = np.random.default_rng(5)
    who = rng.integers(0, PATIENTS, repeats)
    wrong = rng.random(repeats) < rate
    which = rng.integers(0, 3, repeats)
    asked = np.where(wrong, cases.dice_wrong[who, which], cases.dice_true[who])
    rejected = np.where(wrong, cases.wrong[who, which], cases.right[who])
    after = np.where(rejected, cases.dice_automatic[who], asked)
    found = worth(cases, rate, DRAWS)
    assert found["dice_asked"] == pytest.approx(asked.mean(), abs=0.01)
    assert found["dice_after_fallback"] == pytest.approx(after.mean(), abs=0.01)
    assert found["detected"] == pytest.approx(rejected[wrong].mean(), abs=0.02)
    assert found["rejected_right"] == pytest.approx(rejected[~wrong].mean(), abs=0.02)
    assert found["right_warnings"] == pytest.approx(wrong[rejected].mean(), abs=0.02)
    assert found["dice_true"] == cases.dice_true.mean()
    assert found["gain"] == pytest.approx(found["dice_after_fallback"] - found["dice_asked"])
    assert found["gain_low"] < found["gain"] < found["gain_high"]


def test_a_detector_that_never_warns_changes_nothing(cases: Cases) -> None:
    silent = Cases(
        cases.right & False,
        cases.wrong & False,
        cases.dice_true,
        cases.dice_wrong,
        cases.dice_automatic,
    )
    found = worth(silent, 0.1, DRAWS)
    assert found["dice_after_fallback"] == found["dice_asked"]
    assert np.isnan(found["right_warnings"])
    assert np.isnan(found["gain_low"])


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Sides are told apart, sizes are not; patient b's right prompt is rejected too."""
    words, doubts, dice = [], [], []
    for number, patient in enumerate("abc"):
        right = {"location": 0.1 + number / 10, "size": 0.4}
        wrong = {"location": 0.9, "size": 0.4}
        words += [(patient, "true", slot, p) for slot, p in right.items()]
        words += [(patient, f"wrong_{slot}", slot, p) for slot, p in wrong.items()]
        own = {"true": 0.8 if patient == "b" else 0.4, "wrong_location": 0.9, "wrong_size": 0.4}
        doubts += [(patient, asked, doubt) for asked, doubt in own.items()]
        scores = {"true": 0.9, "wrong_location": 0.0, "wrong_size": 0.6, "automatic": 0.6}
        dice += [(patient, asked, score) for asked, score in scores.items()]
    return (
        pd.DataFrame(words, columns=["patient", "asked", "slot", "wrong"]),
        pd.DataFrame(doubts, columns=["patient", "asked", "doubt"]),
        pd.DataFrame(dice, columns=["patient", "asked", "dice"])[::-1],
    )


def test_rows_of_each_slot_and_of_any() -> None:
    _, doubts, dice = tables()
    rows = pd.DataFrame(rate_rows(doubts, dice, 0.5, draw(3, 9, 1)))
    assert rows["slot"].unique().tolist() == ["location", "size", "any"]
    assert rows["error_rate"].tolist() == [*ERROR_RATES] * 3
    assert rows["rejected_right"].unique() == pytest.approx([1 / 3])
    at = rows[rows["error_rate"] == 0.20].set_index("slot")
    assert at["detected"].tolist() == pytest.approx([1, 0, 0.5])
    assert at["dice_asked"].tolist() == pytest.approx([0.72, 0.84, 0.78])
    # One of three right prompts loses 0.3; a wrong side wins 0.6 back.
    assert at["dice_after_fallback"].tolist() == pytest.approx([0.76, 0.76, 0.76])


def test_detection_of_each_slot_and_of_any() -> None:
    words, doubts, _ = tables()
    rows = pd.DataFrame(detection_rows(words, doubts, draw(3, 9, 1))).set_index("slot")
    assert rows.index.tolist() == ["location", "size", "any"]
    # Any: 0.9 beats all; 0.4 ties with two of three right prompts and loses to the third.
    assert rows["auroc"].tolist() == pytest.approx([1, 0.5, (1 + 1 / 3) / 2])


def test_a_patient_without_all_prompts_is_named() -> None:
    _, doubts, dice = tables()
    with pytest.raises(InputError, match="patient c lacks a prompt"):
        rate_rows(doubts.iloc[:-1], dice, 0.5, draw(3, 9, 1))
