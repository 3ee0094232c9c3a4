"""Sentences below Tables 1, 2 and 4: said where they are true, silent where they are not."""

import pandas as pd
import pytest

from textbcs.evaluation.statistics.runs import Run
from textbcs.reporting.common import notes

SPREAD = {
    "seeds": [1, 2],
    "dice_patient_mean": {"unet": [58.0, 60.0], "textbcs": [65.0, 50.0]},
    "standard_deviation": {"unet": 1.4, "textbcs": 10.6},
    "range": {"unet": [58.0, 60.0], "textbcs": [50.0, 65.0]},
    "textbcs_minus": {"unet": [7.0, -10.0]},
}
SCORES = ("dice_patient_mean", "dice_slice_mean", "miou_slice_mean")
ROWS = [
    {"method": method, "label": label, **dict(zip(SCORES, scores, strict=True))}
    for method, label, *scores in (
        ("unet", "UNet", 58.0, 71.0, 59.0),
        ("lvit", "LViT", 66.0, 60.0, 63.0),
        ("textbcs", "TextBCS", 65.0, 70.0, 60.0),
    )
]
GAPS = [
    {"subtrahend": "unet", "dice_difference": 7.0, "low": 1.0, "high": 13.0, "patients": 28},
    {"subtrahend": "lvit", "dice_difference": -1.0, "low": -5.0, "high": 4.0, "patients": 28},
]


def test_one_seed_is_held_fixed_and_its_replicates_stand_beside_it() -> None:
    held, measured = notes.seed_notes([1], SPREAD)
    assert held == notes.ONE_TRAINING
    assert "UNet 1.4 points (58.0 to 60.0), TextBCS 10.6 points (50.0 to 65.0)" in measured
    assert "TextBCS minus UNet -10.0 to +7.0 (1 of 2 above 0)." in measured
    assert "Rank of the seed reported here, 1, among the 2" in measured


def test_several_seeds_are_held_fixed_too() -> None:
    held, measured = notes.seed_notes([1, 2], SPREAD)
    assert held == notes.SEVERAL_TRAININGS
    assert "Rank" not in measured


def test_nothing_is_said_of_other_trainings_where_there_are_none() -> None:
    once = {"seeds": [1], "dice_patient_mean": {"textbcs": [65.0]}}
    once |= {"standard_deviation": {"textbcs": None}, "range": {"textbcs": [65.0, 65.0]}}
    assert notes.seed_notes([1], {**once, "textbcs_minus": {}}) == [notes.ONE_TRAINING]


def test_methods_above_the_reference_are_named_over_patients_and_over_slices() -> None:
    assert notes.overlap_notes(ROWS, GAPS, "textbcs") == [
        "By the mean Dice over patients LViT (66.00) is above TextBCS (65.00); TextBCS minus LViT -1.00 "
        "points (-5.00 to 4.00).",
        "By the mean Dice over slices UNet (71.00) is above TextBCS (70.00).",
        "By the mean IoU over slices LViT (63.00) is above TextBCS (60.00).",
    ]
    best = [{**row, **dict.fromkeys(SCORES, 1.0)} for row in ROWS[:2]]
    assert notes.overlap_notes([*best, ROWS[2]], GAPS, "textbcs") == []
    assert notes.overlap_notes(ROWS[:2], GAPS, "textbcs") == []


@pytest.mark.parametrize(
    ("shares", "start"),
    [
        ((10.0, 20.0, 30.0), "Of all methods TextBCS has most alarms: 30.00."),
        ((30.0, 20.0, 30.0), "Of all methods UNet and TextBCS have most alarms: 30.00."),
        ((31.0, 20.0, 30.0), ""),
        ((0.0, 0.0, 0.0), ""),
        ((float("nan"), None, 30.0), ""),
    ],
)
def test_most_alarms_is_said_of_the_reference_alone(shares: tuple[float, ...], start: str) -> None:
    rows = [{**row, "share": share} for row, share in zip(ROWS, shares, strict=True)]
    assert "".join(notes.alarm_notes(rows, "share", "alarms", "textbcs")) == start


def test_an_alarm_says_what_the_methods_were_told() -> None:
    rows = [{**row, "tumour_free_slices": 9, "reads_at_test": "image"} for row in ROWS]
    assert "prompt" not in notes.prompt_notes(rows)[0]
    rows[2]["reads_at_test"] = "image and prompt"
    assert (
        "TextBCS, which reads a prompt, gets the prompt of the same patient's nearest"
        in notes.prompt_notes(rows)[0]
    )
    rows[1]["reads_at_test"] = "image and prompt"
    assert "LViT and TextBCS, which read a prompt, get the prompt" in notes.prompt_notes(rows)[0]
    assert notes.prompt_notes([{**row, "tumour_free_slices": 0} for row in rows]) == []


def run(name: str, *dice: float) -> list[Run]:
    rows = {"slice_id": list("abcd"), "patient": list("abcd"), "kind": "tumour", "dice": dice}
    return [Run(name, 1, pd.DataFrame(rows))]


PARAMS = {
    "methods": {"textbcs": {"network": {"svli": True, "evidential": True}, "loss": {}}},
    "variants": {
        "none": {"network": {"svli": False, "evidential": False}},
        "svli": {"network": {"evidential": False}},
        "el": {"network": {"svli": False}},
    },
    "tables": {"variants": ["none", "svli", "el"]},
    "evaluation": {"bootstrap": {"resamples": 199, "seed": 1}},
}
RUNS = {
    "none": run("none", 0.5, 0.5, 0.5, 0.5),
    "svli": run("svli", 0.6, 0.4, 0.65, 0.36),  # up for two patients, down for two
    "el": run("el", 0.4, 0.3, 0.35, 0.42),  # down for all
    "textbcs": run("textbcs", 0.7, 0.71, 0.73, 0.72),
    "unet": run("unet", 0.6, 0.66, 0.63, 0.62),
}
CHOICE = {"learning_rate": 0.0005, "batch_size": 8}


def test_the_ablation_says_what_speaks_against_its_parts() -> None:
    said = notes.ablation_notes(PARAMS, RUNS, CHOICE)
    assert len(said) == 6
    assert said[0].startswith("SVLI alone is not shown to help: 0.25 points (-")
    assert said[1].startswith("EL alone makes it worse: -13.25 points (-")
    assert said[2].startswith("Both parts together: ")
    assert said[3].startswith("EL is a loss")
    assert said[5].startswith(
        "Against Table 1's UNet, which has a recipe of its own, the gain is 8.75 points ("
    )
    assert "), not 21.50 points (" in said[5]
    assert "21.25 points" in said[2]
    assert "against SVLI alone, 34.75 points" in said[2]
    assert "learning rate (0.0005) and batch size (8)" in said[4]
    alike = {"textbcs": {**PARAMS["methods"]["textbcs"], "loss": {"balanced_cross_entropy": False}}}
    assert len(notes.ablation_notes({**PARAMS, "methods": alike}, RUNS, CHOICE)) == 5


def test_the_ablation_is_silent_about_parts_that_help() -> None:
    good = {**RUNS, "svli": run("svli", 0.6, 0.61, 0.63, 0.64), "el": run("el", 0.7, 0.6, 0.6, 0.6)}
    worse = run("unet", 0.1, 0.2, 0.3, 0.4)
    said = " ".join(notes.ablation_notes(PARAMS, {**good, "unet": worse}, CHOICE))
    assert "alone is not" not in said
    assert "makes it worse" not in said
    assert "Against Table 1's UNet" not in said


def test_names_are_joined_as_one_writes_them() -> None:
    assert [notes.joined("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
