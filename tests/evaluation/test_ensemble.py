"""Ensembles of networks whose faults are independent, or are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation import ensemble as stage_module
from textbcs.evaluation.calibrate import find_scopes
from textbcs.evaluation.ensemble import assess_ensemble, ensemble
from textbcs.evaluation.predict import log_odds
from textbcs.io import read_json, write_csv, write_tensors
from textbcs.receipt import Stage
from textbcs.slices.store import COLUMNS, Shard

RULES = {"threshold": 0.5, "calibration": {"bins": 10, "band_mm": 2.0}}


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


def test_members_that_err_apart_outvote_each_other_and_disagree_where_they_err() -> None:
    some = shard()
    scopes = find_scopes(some, 2.0)
    found = assess_ensemble([member(s) for s in range(5)], some, scopes, RULES)
    one = assess_ensemble([member(0), member(0)], some, scopes, RULES)
    assert found["dice_slice_mean"] > 0.97 > one["dice_slice_mean"]
    assert found["error_detection"]["image"]["mutual_information_auroc"] > 0.9
    # Copies of one network never disagree.
    assert one["error_detection"]["image"]["mutual_information_auroc"] == pytest.approx(0.5)
    assert (found["members"], found["tumour_slices"], found["tumour_patients"]) == (5, 2, 2)
    assert set(found["risk_coverage"]) == {"entropy", "expected_entropy", "mutual_information"}


def test_the_stage_needs_two_seeds(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"evaluation": RULES, "seeds": [1], "tables": {"table1": ["unet", "textbcs"]}}
    stage = stage_in(params)
    ensemble(stage)
    assert read_json("results/calibration/ensemble.json") == {}
    monkeypatch.setattr(stage_module, "read_slices", lambda *_: shard())
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
            write_tensors(folder / "predictions.safetensors", tensors)
    stage.params["seeds"].append(2)
    ensemble(stage)
    found = read_json("results/calibration/ensemble.json")
    assert set(found) == {"unet", "textbcs"}
    # The same probabilities, whichever head they came from.
    one, two = (found[m]["raw"]["image"]["brier"] for m in ("unet", "textbcs"))
    assert one == pytest.approx(two, rel=2e-3)
