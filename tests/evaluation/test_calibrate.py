"""Calibration and uncertainty of predictions whose faults are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from textbcs.evaluation import calibrate as calibrate_module
from textbcs.evaluation import uncertainty as stage_module
from textbcs.evaluation.calibrate import calibrate
from textbcs.evaluation.prediction import Prediction
from textbcs.evaluation.uncertainty import (
    assess,
    assess_uncertainty,
    detect,
    evidential_maps,
    find_scopes,
    select,
)
from textbcs.io import InputError, read_json, write_csv, write_tensors
from textbcs.receipt import Stage
from textbcs.slices.store import COLUMNS, Shard

SIZE = 32
RULES = {"threshold": 0.5, "calibration": {"bins": 10, "band_mm": 2.0}}


def shard(slices: int = 4) -> Shard:
    """Squares of 16 x 16 pixels of 1 mm; the last slice is tumour-free."""
    masks = np.zeros((slices, SIZE, SIZE), np.uint8)
    masks[:-1, 8:24, 8:24] = 1
    rows = [
        dict.fromkeys(COLUMNS, 0)
        | {"slice_id": f"p{i // 2}-z{i}", "patient": f"p{i // 2}", "row": i}
        | {"kind": "tumour" if i < slices - 1 else "negative", "side": "left"}
        | {"spacing_row_mm": 1.0, "spacing_col_mm": 1.0}
        for i in range(slices)
    ]
    return Shard(pd.DataFrame(rows), np.zeros((slices, SIZE, SIZE), np.float16), masks)


def overconfident(truth: np.ndarray, factor: float, seed: int) -> np.ndarray:
    """Log-odds of the foreground, `factor` times what Bayes' rule gives at a quarter of foreground."""
    rng = np.random.default_rng(seed)
    likelihood = rng.normal(np.where(truth > 0, 1.0, -1.0), 1.0) * 2
    return factor * (likelihood - np.log(3))


def test_the_region_is_the_lesion_and_its_band() -> None:
    scopes = find_scopes(shard(), 2.0)
    inner = 16**2 - 12**2
    outer = 4 * 16 * 2 + 4  # two rows on each side, one pixel a corner
    assert scopes.band.sum(axis=(1, 2)).tolist() == [inner + outer] * 3 + [0]
    assert scopes.region.sum(axis=(1, 2)).tolist() == [16**2 + outer] * 3 + [0]


def test_uncertainty_that_knows_the_errors_ranks_them_first() -> None:
    some = shard()
    scopes, truth = find_scopes(some, 2.0), some.masks > 0
    wrong = np.random.default_rng(0).random(truth.shape) < 0.1
    probability = np.where(truth ^ wrong, 0.9, 0.1)
    knows = {"entropy": wrong.astype(np.float32), "blind": np.zeros(truth.shape, np.float32)}
    found = detect(probability, truth, scopes, knows, 0.5)
    for scope in ("image", "band", "outside"):
        assert (found[scope]["entropy_auroc"], found[scope]["entropy_auprc"]) == (1, 1)
        assert found[scope]["blind_auroc"] == 0.5
    assert found["image"]["error_share"] == pytest.approx(wrong.mean())
    assert found["band"]["error_share"] == pytest.approx(wrong[scopes.band].mean())


def test_the_background_flatters_the_whole_image() -> None:
    some = shard()
    truth = some.masks > 0
    # Sure and right far away, sure and wrong in the lesion.
    found = assess(np.full(truth.shape, 0.01), truth, find_scopes(some, 2.0), 10)
    assert found["region"]["ece"] > 2 * found["image"]["ece"]
    assert found["image"]["brier"] == pytest.approx(
        truth.mean() * 0.99**2 + (1 - truth.mean()) * 0.01**2
    )


def test_doubt_is_relative_to_the_area_that_was_found() -> None:
    probability = np.zeros((3, SIZE, SIZE))
    probability[0, :8, :8] = probability[1, :2, :2] = 0.9  # 64 pixels, 4 pixels, nothing
    slices = pd.DataFrame({"patient": ["a", "a", "b"], "dice": [0.9, 0.5, 0.0]})
    found = select(slices, probability, {"entropy": np.ones(probability.shape, np.float32)}, 0.5)
    assert found["entropy"]["excess_aurc_slices"] == pytest.approx(0)
    assert found["entropy"]["aurc_slices"] == pytest.approx((0.1 + 0.3 + 1.6 / 3) / 3)
    assert found["entropy"]["aurc_patients"] == pytest.approx((0.3 + 0.65) / 2)


def test_maps_in_pieces_are_the_maps() -> None:
    evidence = np.random.default_rng(1).gamma(1, 5, (130, 2, 3, 3)).astype(np.float16)
    probability, maps = evidential_maps(evidence)
    alpha = evidence.astype(float) + 1
    assert probability == pytest.approx(alpha[:, 1] / alpha.sum(axis=1))
    assert maps["vacuity"] == pytest.approx(2 / alpha.sum(axis=1), rel=1e-6)
    assert set(maps) == {"vacuity", "entropy", "expected_entropy", "mutual_information"}


PARAMS = {
    "evaluation": RULES,
    "seeds": [1],
    "tables": {"table1": ["unet"], "variants": []},
    "methods": {"textbcs": {"network": {}}},
    "variants": {},
}
RUN = "results/uncertainty/unet-s1.json"


def prepare(
    monkeypatch: pytest.MonkeyPatch, found: Prediction, maps: dict[str, np.ndarray]
) -> None:
    """Test predictions on disk, and what the network answers on validation."""
    test, val = shard(), shard(6)
    slices = test.table[["slice_id", "patient", "kind"]].assign(dice=[0.9, 0.5, 0.7, np.nan])
    write_csv(Path("results/evaluation/unet-s1/slices.csv"), slices)
    write_tensors(Path("results/evaluation/unet-s1/predictions.safetensors"), maps)

    def only_val(_: Any, name: str) -> Shard:
        assert name == "val"
        return val

    def texts(_: Any) -> pd.DataFrame:
        return val.table[["slice_id"]].assign(text="x")

    monkeypatch.setattr(calibrate_module, "read_slices", only_val)
    monkeypatch.setattr(calibrate_module, "read_prompts", texts)
    monkeypatch.setattr(calibrate_module, "load", lambda *_: (None, None))
    monkeypatch.setattr(calibrate_module, "predict", lambda *_: found)
    monkeypatch.setattr(stage_module, "read_slices", lambda *_: test)
    Path("data/prompts").mkdir(parents=True)
    Path("data/prompts/val.csv").touch()


def test_a_sigmoid_heads_temperature_comes_from_validation_and_helps_on_test(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation is another draw of the fault that the test predictions have."""
    stage = stage_in(PARAMS)
    odds = overconfident(shard().masks, 2.5, 5).astype(np.float16)
    validation = expit(overconfident(shard(6).masks, 2.5, 8)).astype(np.float32)
    prepare(monkeypatch, Prediction(validation), {"log_odds": odds})
    calibrate(stage, "unet", "1")
    assess_uncertainty(stage)
    found = read_json(RUN)
    assert found["temperature"] == pytest.approx(2.5, rel=0.1)
    assert found["validation"]["nll_after"] < found["validation"]["nll_before"]
    raw, scaled = found["raw"], found["scaled"]
    assert scaled["image"]["ece"] < raw["image"]["ece"] / 2
    assert scaled["image"]["nll"] < raw["image"]["nll"]
    # In the region there is more foreground than the slices' quarter: no temperature mends that.
    assert scaled["region"]["ece"] > scaled["image"]["ece"]
    assert (found["head"], found["tumour_slices"]) == ("sigmoid or softmax", 3)
    assert set(found["risk_coverage"]) == {"entropy"}
    for name in ("ensemble", "dropout"):
        assert read_json(f"results/uncertainty/{name}.json") == {}
    assert not Path("results/uncertainty/fractions.csv").exists()


def test_an_evidential_head_has_four_maps_and_no_temperature(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    draw = np.random.default_rng(2).gamma(1, 9, (4, 2, SIZE, SIZE))
    prediction = Prediction(np.zeros((6, SIZE, SIZE), np.float32), draw.astype(np.float32))
    prepare(monkeypatch, prediction, {"evidence": draw.astype(np.float16)})
    calibrate(stage, "unet", "1")
    assess_uncertainty(stage)
    found = read_json(RUN)
    assert (found["temperature"], found["scaled"], found["validation"]) == (None, None, None)
    assert len(found["risk_coverage"]) == 4
    assert found["error_detection"]["band"]["mutual_information_auroc"] > 0


def test_predictions_of_another_split_are_refused(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    prediction = Prediction(np.full((6, SIZE, SIZE), 0.3, np.float32))
    prepare(monkeypatch, prediction, {"log_odds": np.zeros((4, SIZE, SIZE), np.float16)})
    calibrate(stage, "unet", "1")
    monkeypatch.setattr(stage_module, "read_slices", lambda *_: shard(6))
    with pytest.raises(InputError, match="other slices than data/slices/test"):
        assess_uncertainty(stage)
