"""Which volumes the page shows, and what networks mark in them, from small volumes as stages write them."""

import pytest
import volumes

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.dataset.volume_store import PROMPTS
from textbcs.reporting.volumes.shown_cases import chosen_patients, reference_dice, shown_cases


def test_worst_median_and_best_by_rule() -> None:
    dice = {"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.1}
    assert chosen_patients(dice) == {"b": "worst", "d": "median", "a": "best"}
    assert chosen_patients({"a": 0.5, "b": 0.2}) == {"b": "worst and median", "a": "best"}
    assert chosen_patients({"a": 0.5}) == {"a": "worst and median and best"}
    assert chosen_patients({}) == {}


def test_patients_are_chosen_by_the_method_for_use() -> None:
    scores = volumes.all_patients()
    own = volumes.patient_rows("textbcs_plus", "patient")
    expected = dict(zip(own["patient"], own["dice"], strict=True))
    assert reference_dice(scores, volumes.PARAMS) == expected
    chosen = {
        "methods": {"image": ["unet"], "text": ["lvit"]},
        "variants": {"image": [], "text": []},
    }
    first = volumes.patient_rows("lvit", "patient")["dice"].iloc[0]
    assert reference_dice(scores, {"volumes": chosen})["000"] == first
    chosen["methods"]["text"] = []
    first = volumes.patient_rows("unet", "none")["dice"].iloc[0]
    assert reference_dice(scores, {"volumes": chosen})["000"] == first


def test_what_is_shown_is_marked_at_the_operating_point(stage_in) -> None:
    stage = stage_in(volumes.PARAMS)
    volumes.write_scores()
    volumes.write_volumes(stage)
    scores = read_csv("results/volume_scores/patients.csv")
    cases = list(shown_cases(stage, scores))
    assert [case.rule for case in cases] == ["worst", "median", "best"]
    for case in cases:
        labels = [one.label for one in case.readings]
        assert labels[:2] == [
            "UNet, prompt: none (reads no text)",
            "nnUNet, prompt: none (reads no text)",
        ]
        assert len(labels) == len(volumes.readings())
        for reading in case.readings:  # the lone voxel is below 200 mm³, the block is not
            assert (reading.mask == volumes.true_mask(int(case.patient))).all()
        prompts = {one.label.split("prompt: ")[1]: one.prompt for one in case.readings}
        assert prompts["the case's own"] == "location left"
        assert prompts["the case's, other side"] == "location right"
        assert prompts["automatic"] == prompts["empty"] == ""
    row = scores[(scores["patient"] == cases[0].patient) & (scores["method"] == "unet")].iloc[0]
    assert cases[0].readings[0].dice == row["dice"]


def test_a_score_without_a_map_is_one_line(stage_in) -> None:
    stage = stage_in(volumes.PARAMS)
    volumes.write_scores()
    volumes.write_volumes(stage)
    scores = read_csv("results/volume_scores/patients.csv").replace("slice", "sentence")
    with pytest.raises(InputError, match="no map of the source 'sentence'; run the stage volume_s"):
        list(shown_cases(stage, scores))
    write_csv(PROMPTS, read_csv(PROMPTS).drop(columns="text"))
    with pytest.raises(InputError, match="column 'text' is missing"):
        list(shown_cases(stage, scores))
