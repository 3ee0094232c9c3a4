"""The detector on features that are drawn: what it learns, where it warns, and its way through a file."""

import json

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError
from textbcs.prompt_check.detector import (
    PENALTIES,
    Detector,
    SlotModel,
    fit_detector,
    fit_words,
    prompt_doubts,
    warning_threshold,
    word_probabilities,
)

SLOTS = ("location", "size")


def features(patients: int, seed: int = 0, gap: float = 3.0) -> pd.DataFrame:
    """`telling` is lower for wrong words, by `gap` standard deviations; `margin` is of sizes alone."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(patients):
        # A word is right or wrong; `telling` and `margin` can only speak for it.
        pairs = [("true", slot) for slot in SLOTS] + [(f"wrong_{slot}", slot) for slot in SLOTS]
        for asked, slot in pairs:
            row = {"split": "val", "patient": f"p{number:03d}", "asked": asked, "slot": slot}
            row |= {"telling": rng.normal() - gap * (asked != "true"), "noise": rng.normal()}
            rows.append(row | {"margin": rng.normal() if slot == "size" else np.nan, "same": 4.0})
    return pd.DataFrame(rows)


def test_wrong_words_get_the_greater_probability() -> None:
    detector = fit_detector(features(40))
    words = word_probabilities(features(200, 1), detector.slots)
    for slot in SLOTS:
        own = words[words["slot"] == slot]
        right, wrong = (own[own["asked"] == name]["wrong"] for name in ("true", f"wrong_{slot}"))
        beaten = (wrong.to_numpy()[:, None] > right.to_numpy()).mean()
        assert beaten == pytest.approx(0.983, abs=0.015)  # Phi(3 / sqrt 2)
        assert (right < 0.5).mean() > 0.85


def test_each_slot_has_its_own_features() -> None:
    slots = fit_detector(features(10)).slots
    assert slots["location"].features == ("telling", "noise", "same")
    assert slots["size"].features == ("telling", "noise", "margin", "same")
    assert slots["size"].coefficients[3] == 0  # what never changes says nothing


def test_few_right_prompts_of_new_patients_are_rejected() -> None:
    detector = fit_detector(features(60, gap=1.0))
    doubts = prompt_doubts(word_probabilities(features(400, 5, gap=1.0), detector.slots))
    right = doubts[doubts["asked"] == "true"]["doubt"]
    assert 0.005 < (right > detector.threshold).mean() < 0.12


def left_out(table: pd.DataFrame, slot: str, penalty: float) -> tuple[float, dict[str, float]]:
    """Mean loss of left-out patients, and their right words' probabilities, written out anew."""
    rows = table[(table["slot"] == slot) & table["asked"].isin(["true", f"wrong_{slot}"])]
    losses, right = [], {}
    for patient in rows["patient"].unique():
        model = fit_words(rows[rows["patient"] != patient], penalty)
        for row in rows[rows["patient"] == patient].to_dict("records"):
            wrong = model.wrong(row)
            losses.append(-np.log(wrong if row["asked"] != "true" else 1 - wrong))
            if row["asked"] == "true":
                right[patient] = wrong
    return float(np.mean(losses)), right


def test_penalty_and_threshold_are_chosen_on_left_out_patients() -> None:
    table = features(8, gap=0.8)
    detector = fit_detector(table)
    doubts: dict[str, list[float]] = {}
    for slot in SLOTS:
        tried = {penalty: left_out(table, slot, penalty) for penalty in PENALTIES}
        best = min(tried, key=lambda penalty: tried[penalty][0])
        own = table[(table["slot"] == slot) & table["asked"].isin(["true", f"wrong_{slot}"])]
        assert detector.slots[slot] == fit_words(own, best)
        for patient, doubt in tried[best][1].items():
            doubts.setdefault(patient, []).append(doubt)
    assert detector.threshold == max(max(own) for own in doubts.values())


def test_a_slot_that_tells_nothing_is_held_back() -> None:
    table = features(16, gap=0.0)
    told = features(16, gap=4.0)
    weights = [fit_detector(one).slots["size"].coefficients[0] for one in (table, told)]
    assert weights[0] > -0.1
    assert weights[1] < -0.8


@pytest.mark.parametrize(("patients", "place"), [(1, 0), (16, 0), (19, 0), (20, 1), (59, 2)])
def test_at_most_a_twentieth_exceeds_the_threshold(patients: int, place: int) -> None:
    doubts = list(np.linspace(0, 1, patients))
    threshold = warning_threshold(doubts)
    assert sum(doubt > threshold for doubt in doubts) == place


def test_other_words_of_a_wrong_prompt_are_as_doubtful_as_in_the_right_one() -> None:
    words = pd.DataFrame(
        [
            ("a", "true", "location", 0.1),
            ("a", "true", "size", 0.6),
            ("a", "wrong_location", "location", 0.9),
            ("a", "wrong_size", "size", 0.05),
            ("b", "true", "location", 0.3),
            ("b", "true", "size", 0.2),
        ],
        columns=["patient", "asked", "slot", "wrong"],
    )
    found = prompt_doubts(words).set_index(["patient", "asked"])["doubt"]
    assert found.to_dict() == {
        ("a", "true"): 0.6,
        ("a", "wrong_location"): 0.9,
        ("a", "wrong_size"): 0.1,
        ("b", "true"): 0.3,
    }


def test_one_patient_makes_a_detector_and_none_makes_one_that_never_warns() -> None:
    assert fit_detector(features(1)).patients == 1
    silent = fit_detector(features(2).iloc[:0])
    assert (silent.slots, silent.threshold) == ({}, 1.0)
    assert silent.wrong({"size": {"telling": -9.0}}) == {"size": 0.5}


def test_a_file_holds_the_whole_detector() -> None:
    detector = fit_detector(features(12))
    assert Detector.of_json(json.loads(json.dumps(detector.to_json()))) == detector
    for damaged in ({}, [], {"slots": {"size": {}}, "threshold": 1, "patients": 1}):
        with pytest.raises(InputError, match=r"detector\.json: no detector"):
            Detector.of_json(damaged)


def test_reasons_add_up_to_the_log_odds() -> None:
    model = SlotModel(("a", "b"), (1.0, 2.0), (2.0, 0.5), (3.0, -1.0), 0.25)
    values = {"a": 2.0, "b": 1.0}
    assert model.reasons(values) == {"a": 1.5, "b": 2.0}
    assert model.wrong(values) == pytest.approx(1 / (1 + np.exp(-3.75)))


def test_equal_tables_give_equal_detectors() -> None:
    table = features(9)
    assert fit_detector(table).to_json() == fit_detector(table.copy()).to_json()
