"""From made-up maps of whole volumes to the tables: what can be worked out from how they were made."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.dataset.volume_store import COLUMNS, Volume, write_patients, write_volume
from textbcs.stage.receipt import Stage
from textbcs.stages.volumes import volume_score
from textbcs.volumes.coded_maps import write_maps

PATIENTS = {"val": ["v", "w"], "test": ["007", "b", "c", "d"]}
SHAPE = (4, 16, 16)
PARAMS: dict[str, Any] = {
    "seeds": [1, 2],
    "volumes": {
        "methods": {"image": ["nnunet"], "text": []},
        "variants": {"image": [], "text": ["plus"]},
        "minimum_lesion_mm3": 20.0,
        "thresholds": [0.25, 0.5, 0.75],
        "smallest_mm3": [20.0, 60.0],
    },
    "evaluation": {
        "nsd_tolerances_mm": [1.0],
        "lesions": {"minimum_covered": 0.1},
        "bootstrap": {"resamples": 199, "seed": 1},
    },
}


def made_volume(patient: str) -> Volume:
    """A lesion of 4 x 4 x 2 voxels of 1 mm³ on the square grid; the native one has twice as many a side."""
    facts: dict[str, Any] = dict.fromkeys(COLUMNS, 1.0)
    facts |= {"patient": patient, "series_uid": "1", "slices": SHAPE[0], "size": SHAPE[1]}
    facts |= {"native_rows": 32, "native_cols": 32, "mask_source": "expert"}
    facts |= dict.fromkeys(("native_spacing_row_mm", "native_spacing_col_mm"), 0.5)
    mask = np.zeros(SHAPE, bool)
    mask[1:3, 4:8, 8:12] = True
    return Volume(
        facts, np.zeros(SHAPE, np.float16), mask, mask.repeat(2, axis=1).repeat(2, axis=2)
    )


def made_map(mask: np.ndarray, lesion: float, false: float) -> np.ndarray:
    """The lesion at one probability, 2 x 5 x 4 false voxels at another, 2 x 2 x 3 more at 0.9."""
    found = np.where(mask, np.float32(lesion), np.float32(0.0))
    found[1:3, 10:15, 2:6] = false
    found[0:2, 1:3, 12:15] = 0.9
    return found.astype(np.float32)


@pytest.fixture
def stage(stage_in: Callable[..., Stage]) -> Stage:
    """The false part of nnU-Net is as sure as its lesion, that of the other is less sure if it is asked."""
    made = stage_in(PARAMS)
    for split, names in PATIENTS.items():
        volumes = [made_volume(name) for name in names]
        for volume in volumes:
            write_volume(made, split, volume)
            for seed in (1, 2):
                _write_runs(made, split, volume, seed)
        write_patients(made, split, [volume.facts for volume in volumes])
    facts = {"patient": PATIENTS["test"], "age_years": [30, 45, 30, 45]}
    write_csv("data/cohort/patients.csv", pd.DataFrame(facts))
    return made


def _write_runs(stage: Stage, split: str, volume: Volume, seed: int) -> None:
    mask, patient = volume.mask, volume.facts["patient"]
    own = {"patient": made_map(mask, 0.6, 0.3), "automatic": made_map(mask, 0.6, 0.3)}
    if split == "test":
        own["empty"] = made_map(mask, 0.1, 0.1 if patient == "007" else 0.8)
    write_maps(stage, f"nnunet-s{seed}", split, patient, {"none": made_map(mask, 0.8, 0.8)})
    write_maps(stage, f"plus-s{seed}", split, patient, own)


def table(name: str) -> pd.DataFrame:
    return read_csv(f"results/volume_scores/{name}.csv")


def test_points_are_chosen_on_validation_and_scores_follow(stage: Stage) -> None:
    volume_score.run(stage)
    points = table("points")
    assert points["method"].tolist() == ["nnunet", "nnunet", "plus", "plus"]
    # At 0.5 the false part is gone; the speck of 12 voxels goes with every smallest component.
    assert (points[["threshold", "smallest_mm3"]].iloc[2] == [0.5, 20.0]).all()
    assert points["dice_val"].iloc[2] == 1
    # Nothing sunders the other's false part, which is larger than its lesion.
    assert points["dice_val"].iloc[0] == pytest.approx(64 / (32 + 72))
    patients = table("patients")
    rows = patients.set_index(["method", "seed", "source", "patient"]).sort_index()
    right = rows.loc["plus", 1, "patient", "007"]
    assert right["dice"] == pytest.approx(
        1, abs=0.1
    )  # corners are cut on the way to the finer grid
    assert (right["lesions_found"], right["false_components"]) == (1, 0)
    assert right["reference_ml"] == pytest.approx(0.032)
    silent, wrong = (rows.loc["plus", 2, "empty", name] for name in ("007", "b"))
    assert (silent["dice"], silent["distance_replaced"], silent["hd95_voxels"]) == (0, True, np.inf)
    assert (wrong["dice"], wrong["lesions_found"], wrong["false_components"]) == (0, 0, 1)
    assert len(patients) == 2 * (1 + 3) * 4


def test_the_curve_counts_every_component_that_is_large_enough(stage: Stage) -> None:
    volume_score.run(stage)
    curve = table("curve").set_index(["method", "seed", "source", "threshold"])
    own = curve.loc["plus", 1, "patient"]
    assert own["false_components"].tolist() == [4, 0, 0]
    assert own["lesions_found"].tolist() == [4, 4, 0]
    assert own["lesions"].tolist() == own["patients"].tolist() == [4, 4, 4]


def test_means_comparisons_and_the_challenges_scores(stage: Stage) -> None:
    volume_score.run(stage)
    patients = table("patients")
    means = table("means").set_index(["method", "seed", "source", "metric"])["mean"]
    own = patients[(patients["method"] == "plus") & (patients["seed"] == 1)]
    own = own[own["source"] == "empty"]
    assert means["plus", 1, "empty", "false_components"] == pytest.approx(3 / 4)
    assert means["plus", 1, "empty", "hd95_mm"] == pytest.approx(own["hd95_mm"].mean())
    compared = table("comparisons").set_index(["seed", "source", "other", "metric"])["difference"]
    assert compared[1, "patient", "nnunet", "false_components"] == -1
    assert compared[2, "automatic", "plus", "dice"] == 0
    scores = table("mamamia").set_index(["method", "seed", "source"]).loc["plus", 1, "empty"]
    norm = own["hd95_voxels"].replace(np.inf, 150) / 150
    assert scores["performance"] == pytest.approx(0.5 * (1 - norm.mean()))
    assert np.isnan(scores["fairness_density"])
    assert scores["fairness"] == scores["fairness_age"]


def test_several_processes_give_the_same_bytes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> dict[str, bytes]:
        volume_score.run(stage)
        names = ("points", "patients", "curve", "means", "comparisons", "mamamia")
        return {name: volume_score.SCORES.joinpath(f"{name}.csv").read_bytes() for name in names}

    once = written()

    def reversed_work(work: Any, items: list[Any], jobs: int) -> Any:
        """Whatever order the work is done in, results come in that of the items."""
        done = [work(item) for item in reversed(items)]
        yield from reversed(done)

    monkeypatch.setattr(volume_score, "each", reversed_work)
    assert written() == once


def test_maps_of_another_volume_are_named(stage: Stage) -> None:
    other = np.zeros((3, 16, 16), np.float32)
    write_maps(stage, "plus-s2", "test", "c", {"patient": other})
    with pytest.raises(InputError, match=r"plus-s2/test/c\.safetensors.*predicts it again"):
        volume_score.run(stage)
