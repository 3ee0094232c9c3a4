"""From made-up volumes through the first pass and the cases' prompts to a network that reads text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_inputs import (
    LEFT,
    PARAMS,
    RIGHT,
    SIZE,
    TEXTS,
    shard,
    write_split,
    write_text,
    write_weights,
)

from textbcs.base.io import InputError, read_csv, read_tensors, records, write_csv, write_json
from textbcs.dataset.prompt_grammar import mirror
from textbcs.dataset.volume_store import COLUMNS, Volume, write_patients, write_volume
from textbcs.stage.receipt import Stage
from textbcs.stages.volumes import volume_prompts, volumes_first, volumes_text
from textbcs.volumes import predicted_patients
from textbcs.volumes.coded_maps import code, read_codes, read_vacuity, write_maps
from textbcs.volumes.operating_point import OperatingPoint
from textbcs.volumes.prediction import predict_volume

DEPTH = 4
PATIENTS = {"val": ["v", "w"], "test": ["a", "b"]}
OWN: dict[str, Any] = PARAMS | {
    "seeds": [1],
    "prompts": {"irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75},
    "volumes": {
        "first_pass": "unet",
        "minimum_lesion_mm3": 10.0,
        "thresholds": [0.25, 0.5],
        "smallest_mm3": [10.0, 40.0],
        "reports": "presets/none",
    },
}


def made_volume(patient: str) -> Volume:
    """A lesion of 4 x 4 x 2 voxels of 1 mm³ at larger columns."""
    rng = np.random.default_rng(ord(patient))
    facts = dict.fromkeys(COLUMNS, 1.0) | {"patient": patient, "series_uid": "1", "slices": DEPTH}
    facts |= {"size": SIZE, "native_rows": SIZE, "native_cols": SIZE, "midline_col": 15.5}
    mask = np.zeros((DEPTH, SIZE, SIZE), bool)
    mask[1:3, 4:8, 20:24] = True
    image = rng.uniform(size=mask.shape).astype(np.float16)
    return Volume(facts | {"mask_source": "expert"}, image, mask, mask)


def write_volumes(stage: Stage) -> None:
    for split, names in PATIENTS.items():
        made = [made_volume(name) for name in names]
        for one in made:
            write_volume(stage, split, one)
        write_patients(stage, split, [one.facts for one in made])


def write_cases() -> None:
    """The cases' own prompts; b has none."""
    rows = [("val", "v", LEFT), ("val", "w", RIGHT), ("test", "a", LEFT)]
    write_csv("data/prompts/patients.csv", pd.DataFrame(rows, columns=["split", "patient", "text"]))
    write_json(
        "data/prompts/thresholds.json",
        {"case_small_up_to_mm3": 20.0, "case_medium_up_to_mm3": 40.0},
    )


@pytest.fixture
def stage(stage_in: Callable[..., Stage]) -> Stage:
    """Volumes, cases, slices' prompts, weights and the embeddings of what may be asked."""
    made = stage_in(OWN)
    write_volumes(made)
    write_cases()
    write_split(made, "test", shard())
    table = pd.read_csv("data/prompts/test.csv", keep_default_na=False)
    names = {"a-1": "a-z001", "a-2": "a-z003", "b-1": "b-z000", "b-9": "b-z002"}
    table["slice_id"] = table["slice_id"].map(names)
    table.loc[table["slice_id"] == "b-z002", "borrowed_from"] = "b-z000"
    write_csv("data/prompts/test.csv", table)
    found = "location left; shape round; size medium; number one"
    write_text("grammar", sorted({"", found, *TEXTS, *map(mirror, TEXTS)}))
    write_weights()
    return made


def write_first_pass(stage: Stage, silent: str = "b") -> None:
    """Findings of the lesion at 0.4 and of some noise at 0.3; nothing at all of one patient."""
    for split, names in PATIENTS.items():
        for name in names:
            volume = made_volume(name)
            found = np.where(volume.mask, np.float32(0.6 if name == "v" else 0.55), np.float32(0.1))
            found[0, 20:22, 2:5] = 0.7  # 6 voxels, less than a lesion
            found[3, 20:30, 2:8] = 0.3  # 60
            maps = {"none": found.astype(np.float32) * (name != silent)}
            write_maps(stage, "unet-s1", split, name, maps)


def prompts() -> dict[tuple[str, str], str]:
    rows = records(read_csv("data/volumes/prompts.csv").fillna({"text": ""}))
    return {(row["patient"], row["source"]): row["text"] for row in rows}


def test_prompts_of_cases_from_the_first_passes_findings(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    write_first_pass(stage)
    volume_prompts.run(stage)
    found = "location left; shape round; size medium; number one"
    assert prompts() == {
        ("v", "patient"): LEFT,
        ("v", "automatic"): found,
        ("v", "wrong_side"): mirror(LEFT),
        ("w", "patient"): RIGHT,
        ("w", "automatic"): found,
        ("w", "wrong_side"): mirror(RIGHT),
        ("a", "patient"): LEFT,
        ("a", "automatic"): found,
        ("a", "wrong_side"): mirror(LEFT),
        ("b", "patient"): "",
        ("b", "automatic"): "",
        ("b", "wrong_side"): "",
    }
    told = capsys.readouterr()
    assert "Dice 1.000 of validation volumes at 0.5" in told.out + told.err
    table = read_csv("data/volumes/agreement.csv")
    own = table[(table["split"] == "test") & (table["source"] == "automatic")]
    assert own.set_index("attribute")["agreeing"].to_dict() == {
        "location": 1,
        "shape": 1,
        "size": 0,
        "number": 1,
        "all": 0,
    }
    assert set(own["patients"]) == {1}


def test_without_sides_no_prompt_has_a_wrong_one(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(OWN | {"cohort": {"sides": "none"}})
    write_volumes(stage)
    write_cases()
    write_first_pass(stage)
    volume_prompts.run(stage)
    assert {source for _, source in prompts()} == {"patient", "automatic"}
    assert prompts()["a", "automatic"].startswith("shape")


def test_reports_are_a_second_source(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(OWN | {"volumes": OWN["volumes"] | {"reports": "data/reports.csv"}})
    write_volumes(stage)
    write_cases()
    write_first_pass(stage)
    text = "One round mass in the left breast, 12 mm."
    write_csv("data/reports.csv", pd.DataFrame({"patient": ["a"], "report": [text]}))
    volume_prompts.run(stage)
    assert prompts()["a", "report"] == "location left; shape round; size large; number one"
    assert prompts()["b", "report"] == ""


def test_maps_of_a_first_pass_on_other_volumes_are_refused(stage: Stage) -> None:
    write_first_pass(stage)
    maps = {"none": np.zeros((DEPTH + 1, SIZE, SIZE), np.float32)}
    write_maps(stage, "unet-s1", "val", "w", maps)
    with pytest.raises(InputError, match=r"unet-s1/val/w.safetensors: is not of the volume"):
        volume_prompts.run(stage)
    write_maps(stage, "unet-s1", "val", "w", {"patient": maps["none"][:DEPTH]})
    with pytest.raises(InputError, match="of a network that reads text"):
        volume_prompts.run(stage)


def test_a_network_without_text_needs_no_prompts(stage: Stage) -> None:
    volumes_first.run(stage, "unet", "1")
    files = sorted(p.relative_to("results/volumes") for p in Path("results/volumes").rglob("*.*"))
    assert [p.as_posix() for p in files] == [
        f"unet-s1/{split}/{name}.safetensors"
        for split in ("test", "val")
        for name in PATIENTS[split]
    ]
    for path in Path("results/volumes").rglob("*.safetensors"):
        assert set(read_tensors(path)) == {"probability/none", "shape"}
    assert "data/prompts/test.csv" not in stage.input_hashes()


def test_a_network_with_text_answers_every_source(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_first_pass(stage, silent="a")
    volume_prompts.run(stage)
    kept: dict[str, Any] = {}
    load = predicted_patients.load

    def keep(*arguments: Any) -> Any:
        kept["network"] = load(*arguments)
        return kept["network"]

    monkeypatch.setattr(predicted_patients, "load", keep)
    volumes_text.run(stage, "textbcs", "1")
    model, table = kept["network"]
    path = Path("results/volumes/textbcs-s1/test/a.safetensors")
    codes = read_codes(path)
    asked = {
        "patient": [LEFT] * DEPTH,
        "slice": [None, LEFT, None, LEFT],
        "automatic": [""] * DEPTH,
        "empty": [""] * DEPTH,
        "wrong_side": [mirror(LEFT)] * DEPTH,
    }
    assert set(codes) == set(asked)
    for source, texts in asked.items():
        found = predict_volume(model, table, made_volume("a").image, texts, 3)
        assert np.array_equal(codes[source], code(found.probability)), source
    assert not codes["slice"][[0, 2]].any()
    assert not np.array_equal(codes["patient"], codes["wrong_side"])
    assert set(read_vacuity(path)) == {"patient", "automatic"}
    validation = Path("results/volumes/textbcs-s1/val/v.safetensors")
    assert set(read_codes(validation)) == {"patient", "automatic"}
    assert read_vacuity(validation) == {}


def test_one_patient_alone_has_the_same_bytes(stage: Stage) -> None:
    volumes_first.run(stage, "unet", "1")
    path = Path("results/volumes/unet-s1/test/b.safetensors")
    among = path.read_bytes()
    write_patients(stage, "test", [made_volume("b").facts])
    volumes_first.run(stage, "unet", "1")
    assert path.read_bytes() == among


def test_the_operating_point_is_that_of_validation(stage: Stage) -> None:
    write_first_pass(stage)
    rules = OWN["volumes"]
    cases = volume_prompts._marked(stage, "unet-s1")
    found = volume_prompts.choose(cases, rules["thresholds"], rules["smallest_mm3"])
    assert found == OperatingPoint(0.5, 10.0, 1.0)
