"""Ensembles of networks whose faults are independent, or are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, write_csv, write_tensors
from textbcs.dataset.slice_store import COLUMNS, Shard
from textbcs.evaluation.metrics.regions import find_scopes
from textbcs.evaluation.uncertainty.averaged_probabilities import (
    assess_mean,
    dropouts,
    ensembles,
    sampled_names,
)
from textbcs.evaluation.uncertainty.record import Record
from textbcs.evaluation.uncertainty.resampled_scores import ProbabilitySet
from textbcs.prediction.dirichlet import ensemble
from textbcs.prediction.files import PREDICTIONS
from textbcs.prediction.maps import log_odds
from textbcs.stage.receipt import Stage

RULES = {
    "threshold": 0.5,
    "calibration": {"bins": 10, "band_mm": 2.0},
    "bootstrap": {"resamples": 99, "seed": 1},
}
KEY = ProbabilitySet("unet", "ensemble")


def shard() -> Shard:
    masks = np.zeros((3, 32, 32), np.uint8)
    masks[:2, 8:24, 8:24] = 1
    rows = [
        dict.fromkeys(COLUMNS, 0)
        | {"slice_id": f"p{i}-z0", "patient": f"p{i}", "kind": "tumour" if i < 2 else "negative"}
        | {"spacing_row_mm": 1.0, "spacing_col_mm": 1.0}
        for i in range(3)
    ]
    return Shard(pd.DataFrame(rows), np.zeros((3, 32, 32), np.float16), masks)


def member(seed: int) -> np.ndarray:
    """Right with 0.9 in nine pixels of ten, wrong with as much in the tenth."""
    wrong = np.random.default_rng(seed).random((3, 32, 32)) < 0.1
    return np.where((shard().masks > 0) ^ wrong, 0.9, 0.1).astype(np.float32)


def assess_ensemble(members: list[np.ndarray]) -> dict[str, Any]:
    """What is found of the mean of some members."""
    own = np.stack(members)[:, :2]  # the tumour slices
    mean, maps = own.mean(axis=0, dtype=np.float64), ensemble(own)
    return assess_mean(mean, maps, shard(), find_scopes(shard(), 2.0), RULES, KEY, 0, None)


def test_members_that_err_apart_outvote_each_other_and_disagree_where_they_err() -> None:
    found = assess_ensemble([member(s) for s in range(5)])
    one = assess_ensemble([member(0), member(0)])
    assert found["dice_slice_mean"] > 0.97 > one["dice_slice_mean"]
    assert found["error_detection"]["image"]["mutual_information_auroc"] > 0.9
    # Copies of one network never disagree.
    assert one["error_detection"]["image"]["mutual_information_auroc"] == pytest.approx(0.5)
    assert (found["tumour_slices"], found["tumour_patients"]) == (2, 2)
    maps = {"entropy", "expected_entropy", "mutual_information"}
    assert set(found["risk_coverage"]) == maps | {"inverse_area"}


def test_an_ensemble_needs_two_seeds(stage_in: Callable[..., Stage]) -> None:
    params = {
        "evaluation": RULES,
        "seeds": [1],
        "tables": {"table1": ["unet", "textbcs"], "variants": []},
        "methods": {"textbcs": {"network": {"svli": True, "evidential": True}}},
        "variants": {},
    }
    stage, record = stage_in(params), Record(params, 2)
    scopes = find_scopes(shard(), 2.0)
    assert ensembles(stage, shard(), scopes, record) == {}
    for seed in (1, 2):
        p = member(seed)
        maps = {
            "unet": {"log_odds": log_odds(p).astype(np.float16)},
            # alpha / S = p, at a strength of 20
            "textbcs": {"evidence": np.stack([20 * (1 - p) - 1, 20 * p - 1], 1).astype(np.float16)},
        }
        for method, tensors in maps.items():
            folder = Path(f"results/evaluation/{method}-s{seed}")
            write_csv(folder / "slices.csv", shard().table[["slice_id"]])
            write_tensors(PREDICTIONS / folder.name / "maps.safetensors", tensors)
    stage.params["seeds"].append(2)
    found = ensembles(stage, shard(), scopes, record)
    assert set(found) == {"unet", "textbcs"} == set(record.methods)
    assert {key.kind for key in record.samples} == {"ensemble"}
    assert found["unet"]["members"] == 2
    # The same probabilities, whichever head they came from.
    one, two = (found[m]["raw"]["image"]["brier"] for m in ("unet", "textbcs"))
    assert one == pytest.approx(two, rel=2e-3)


def test_passes_with_dropout_are_assessed_as_an_ensemble_is(
    stage_in: Callable[..., Stage],
) -> None:
    params = {
        "evaluation": RULES | {"calibration": RULES["calibration"] | {"dropout_passes": 5}},
        "seeds": [1, 2],
        "tables": {"table1": [], "variants": ["plain", "wet"]},
        "methods": {"textbcs": {"network": {"svli": True, "evidential": False}}},
        "variants": {"plain": {"loss": {}}, "wet": {"network": {"dropout": 0.2}}},
    }
    assert sampled_names(params) == ["wet"]
    stage, scopes, record = stage_in(params), find_scopes(shard(), 2.0), Record(params, 2)
    # Less certain by chance, or five equal members would give ties that float16 breaks.
    sure = np.random.default_rng(3).uniform(0.3, 1, (5, *shard().masks.shape))
    passes = [0.5 + s * (member(seed) - 0.5) for seed, s in enumerate(sure)]
    maps = {
        "log_odds": log_odds(member(9)).astype(np.float16),
        "sampled_log_odds": log_odds(np.mean(passes, axis=0)).astype(np.float16),
        "sampled_mutual_information": ensemble(passes)["mutual_information"].astype(np.float16),
    }
    for seed in (1, 2):
        folder = Path(f"results/evaluation/wet-s{seed}")
        write_csv(folder / "slices.csv", shard().table[["slice_id"]])
        write_tensors(PREDICTIONS / folder.name / "maps.safetensors", maps)
    found = dropouts(stage, shard(), scopes, record)
    assert [len(each) for each in record.samples.values()] == [2]
    assert record.methods == ()  # neither UNet nor the proposed method was trained
    assert [one["seed"] for one in found["wet"]] == [1, 2]
    wanted, own = assess_ensemble(passes), found["wet"][0]
    assert (own["members"], own["dice_slice_mean"]) == (5, wanted["dice_slice_mean"])
    for part in ("raw", "error_detection", "risk_coverage"):
        for scope, values in wanted[part].items():
            for name, value in values.items():
                if isinstance(value, float):
                    assert own[part][scope][name] == pytest.approx(value, abs=0.005), (part, name)
    write_tensors(PREDICTIONS / folder.name / "maps.safetensors", {"log_odds": maps["log_odds"]})
    with pytest.raises(InputError, match="wet-s2/maps.safetensors: holds no passes with dropout"):
        dropouts(stage, shard(), scopes, record)
