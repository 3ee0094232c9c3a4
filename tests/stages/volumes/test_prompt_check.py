"""The stages `prompt_features` and `prompt_check` with a small untrained network on made-up volumes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_inputs import PARAMS, SIZE, write_text, write_weights

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY, every_prompt, parse
from textbcs.dataset.volume_store import COLUMNS, Volume, write_patients, write_volume
from textbcs.prompt_check.counterfactuals import wrong_prompts
from textbcs.prompt_check.detector import Detector
from textbcs.stage.receipt import Stage
from textbcs.stages.volumes import prompt_check, prompt_features, prompt_features_use
from textbcs.volumes.coded_maps import code, read_codes, write_maps
from textbcs.volumes.operating_point import OperatingPoint, apply

DEPTH, SEED = 5, 53
PATIENTS = {"val": ["u", "v", "w"], "test": ["a", "b", "c", "d"]}
SILENT, UNKNOWN = "b", "d"  # the first pass finds nothing in b; of d nobody has written a prompt
OWN: dict[str, Any] = PARAMS | {
    "seeds": [1],
    "evaluation": {"bootstrap": {"resamples": 99, "seed": 31}},
    "volumes": {
        "first_pass": "unet",
        "seed": SEED,
        "methods": {"image": ["unet"], "text": ["lvit", "textbcs"]},
        "variants": {"image": [], "text": []},
    },
}
RUN = Path("results/prompt_features/textbcs-s1")
CHECK = Path("results/prompt_check/textbcs-s1")


def text_of(patient: str) -> str:
    side = "left" if ord(patient) % 2 else "right"
    return f"location {side}; shape round; size small; number one"


def made_volume(patient: str) -> Volume:
    """A lesion of 4 x 4 x 2 voxels of 1 mm³ on the side that the prompt says."""
    rng = np.random.default_rng(ord(patient))
    facts = dict.fromkeys(COLUMNS, 1.0) | {"patient": patient, "series_uid": "1", "slices": DEPTH}
    facts |= {"size": SIZE, "native_rows": SIZE, "native_cols": SIZE, "midline_col": 15.5}
    mask = np.zeros((DEPTH, SIZE, SIZE), bool)
    start = 20 if parse(text_of(patient)).location == "left" else 4
    mask[1:3, 4:8, start : start + 4] = True
    image = rng.uniform(size=mask.shape).astype(np.float16)
    return Volume(facts | {"mask_source": "expert"}, image, mask, mask)


def write_maps_of(stage: Stage, split: str, volume: Volume) -> None:
    """The first pass finds the lesion; the network finds it too, and is misled by the wrong side alone."""
    patient, level = volume.facts["patient"], volume.mask.astype(np.float32)
    write_maps(stage, "unet-s1", split, patient, {"none": 0.9 * level * (patient != SILENT)})
    maps = {"patient": 0.8 * level, "automatic": 0.6 * level * (patient != SILENT)}
    maps["wrong_side"] = 0.8 * level[:, :, ::-1]
    write_maps(stage, "textbcs-s1", split, patient, maps)


@pytest.fixture
def stage(stage_in: Callable[..., Stage]) -> Stage:
    made, rows = stage_in(OWN), []
    for split, names in PATIENTS.items():
        volumes = [made_volume(name) for name in names]
        write_patients(made, split, [one.facts for one in volumes])
        for volume in volumes:
            write_volume(made, split, volume)
            write_maps_of(made, split, volume)
            patient = volume.facts["patient"]
            own = "" if patient == UNKNOWN else text_of(patient)
            rows.append((split, patient, "patient", own))
            rows.append((split, patient, "automatic", "" if patient == SILENT else own))
    table = pd.DataFrame(rows, columns=["split", "patient", "source", "text"])
    io.write_csv("data/volumes/prompts.csv", table)
    limits = {"case_small_up_to_mm3": 40.0, "case_medium_up_to_mm3": 80.0}
    io.write_json("data/prompts/thresholds.json", limits)
    write_text("grammar", ["", *(prompt.text for prompt in every_prompt(sided=True))])
    write_weights()
    point = [("textbcs", 1, 0.5, 4.0, 0.9), ("unet", 1, 0.25, 4.0, 0.9)]
    columns = ["method", "seed", "threshold", "smallest_mm3", "dice_val"]
    io.write_csv("results/volume_scores/points.csv", pd.DataFrame(point, columns=columns))
    return made


def test_each_word_of_right_and_wrong_prompts_has_features(stage: Stage) -> None:
    prompt_features.run(stage, "textbcs", "1")
    table = io.read_csv(RUN / "features.csv")
    # Four words of the right prompt and the wrong word of four others; d has no prompt.
    assert table.groupby("patient").size().to_dict() == dict.fromkeys("abcuvw", 8)
    assert set(table["asked"]) == {"true", *(f"wrong_{slot}" for slot in VOCABULARY)}
    assert table[table["split"] == "val"]["patient"].unique().tolist() == ["u", "v", "w"]
    location = table[(table["slot"] == "location") & (table["patient"] != SILENT)]
    right = location["asked"] == "true"
    assert ((location["peak_first_pass"] > 0) == right).all()
    assert (location["automatic"] == right.map({True: 1, False: -1})).all()
    assert (table[table["patient"] == SILENT]["automatic"] == 0).all()
    assert table[table["slot"] == "shape"]["peak_first_pass"].isna().all()
    assert table["similarity_4"].notna().all()


def test_volumes_are_predicted_with_wrong_words_but_for_the_side(stage: Stage) -> None:
    prompt_features.run(stage, "textbcs", "1")
    from textbcs.prediction.network import load
    from textbcs.volumes.prediction import predict_volume

    model, table = load(stage, "textbcs", "1", "grammar")
    maps = read_codes(RUN / "test" / "a.safetensors")
    assert set(maps) == {"wrong_shape", "wrong_size", "wrong_number"}
    text = wrong_prompts(text_of("a"), "a", SEED)["wrong_size"]
    expected = predict_volume(model, table, made_volume("a").image, [text] * DEPTH, 3).probability
    assert np.array_equal(maps["wrong_size"], code(expected))
    assert read_codes(RUN / "test" / "d.safetensors") == {}
    assert not list(RUN.glob("val/*"))


def test_both_stages_are_one_function() -> None:
    assert prompt_features.run is prompt_features_use.run


def test_the_detector_is_fitted_on_validation_and_measured_on_test(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt_features.run(stage, "textbcs", "1")
    prompt_check.run(stage)
    detector = Detector.of_json(io.read_json(CHECK / "detector.json"))
    assert (detector.patients, set(detector.slots)) == (3, set(VOCABULARY))
    assert "textbcs-s1: fitted on 3 patients; AUROC location " in capsys.readouterr().err
    detection = io.read_csv(CHECK / "detection.csv")
    assert detection["slot"].tolist() == [*VOCABULARY, "any"]
    assert (detection["patients"] == 3).all()
    rates = io.read_csv(CHECK / "rates.csv")
    assert len(rates) == 5 * 4
    scores = io.read_csv(CHECK / "scores.csv").set_index(["patient", "asked"])
    assert scores.loc[("a", "true"), "dice"] == 1
    assert scores.loc[("a", "wrong_location"), "dice"] == 0
    assert scores.loc[(SILENT, "automatic"), "dice"] == 0
    assert UNKNOWN not in scores.index.get_level_values("patient")
    maps = read_codes(RUN / "test" / "c.safetensors")
    found = apply(maps["wrong_shape"], OperatingPoint(0.5, 4.0, 0.9), 1.0)
    mask = made_volume("c").mask
    dice = 2 * (found & mask).sum() / (found.sum() + mask.sum())
    assert scores.loc[("c", "wrong_shape"), "dice"] == pytest.approx(dice)
    # The true prompts' Dice is 1; a share r of wrong sides costs r, whatever the detector does.
    own = rates[rates["slot"] == "location"]
    assert own["dice_asked"].tolist() == pytest.approx([0.99, 0.95, 0.9, 0.8])
    assert own["dice_true"].tolist() == [1] * 4


def test_equal_inputs_give_equal_bytes(stage: Stage) -> None:
    def everything() -> dict[str, bytes]:
        prompt_features.run(stage, "textbcs", "1")
        prompt_check.run(stage)
        files = [*RUN.rglob("*"), *CHECK.rglob("*")]
        return {path.as_posix(): path.read_bytes() for path in files if path.is_file()}

    first = everything()
    assert len(first) == 1 + 4 + 4
    assert everything() == first


def test_a_test_split_without_prompts_is_named(stage: Stage) -> None:
    prompt_features.run(stage, "textbcs", "1")
    table = io.read_csv(RUN / "features.csv")
    io.write_csv(RUN / "features.csv", table[table["split"] == "val"])
    with pytest.raises(InputError, match="no test patient has a prompt"):
        prompt_check.run(stage)


def test_a_run_without_an_operating_point_is_named(stage: Stage) -> None:
    points = io.read_csv("results/volume_scores/points.csv")
    io.write_csv("results/volume_scores/points.csv", points[points["method"] != "textbcs"])
    with pytest.raises(InputError, match="no operating point of textbcs with seed 1"):
        prompt_check.run(stage)
