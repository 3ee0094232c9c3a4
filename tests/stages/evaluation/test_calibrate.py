"""Calibration and uncertainty of predictions whose faults are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from textbcs.base.io import InputError, read_csv, read_json, write_csv, write_tensors
from textbcs.dataset.slice_store import COLUMNS, Shard
from textbcs.evaluation.metrics.regions import find_scopes
from textbcs.evaluation.uncertainty.assessment import assess, detect, doubts, select
from textbcs.evaluation.uncertainty.tumour_slices import evidential_maps
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation import calibrate as calibrate_module
from textbcs.stages.evaluation import uncertainty as stage_module
from textbcs.stages.evaluation.calibrate import run as calibrate
from textbcs.stages.evaluation.uncertainty import run as assess_uncertainty

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


def test_doubt_is_the_mean_over_what_was_found_and_its_band() -> None:
    probability = np.zeros((3, SIZE, SIZE))
    probability[0, 8:12, 8:12] = probability[1, 8:24, 8:24] = 0.9  # the last slice: nothing
    found = probability > 0.5
    # Less doubtful inside, and a background that would drown it.
    doubt = np.where(found, 0.2, 0.6).astype(np.float32)
    doubt[:, :4] = 0.01
    maps = {"entropy": doubt, "vacuity": doubt}
    own = doubts(probability, maps, 0.5, np.ones((3, 2)), 1.0)
    for place, side in ((0, 4), (1, 16)):
        inside, band = side**2, 4 * side
        wanted = (0.2 * inside + 0.6 * band) / (inside + band)
        assert own["entropy"][place] == pytest.approx(wanted)
    # As doubtful as a map can say.
    assert (own["entropy"][2], own["vacuity"][2]) == (pytest.approx(np.log(2)), 1)
    assert own["inverse_area"] == pytest.approx([1 / 16, 1 / 256, 1])


def test_doubtful_slices_are_left_out_first() -> None:
    slices = pd.DataFrame({"patient": ["a", "a", "b"], "dice": [0.9, 0.5, 0.0]})
    found = select(slices, {"right": np.array([0.1, 0.2, 0.3]), "wrong": np.array([3, 2, 1.0])})
    assert found["right"]["excess_aurc_slices"] == pytest.approx(0)
    assert found["right"]["aurc_slices"] == pytest.approx((0.1 + 0.3 + 1.6 / 3) / 3)
    assert found["right"]["aurc_patients"] == pytest.approx((0.3 + 0.65) / 2)
    assert found["wrong"]["excess_aurc_patients"] == pytest.approx(
        (1 + 0.65) / 2 - (0.3 + 0.65) / 2
    )


def test_maps_in_pieces_are_the_maps() -> None:
    evidence = np.random.default_rng(1).gamma(1, 5, (130, 2, 3, 3)).astype(np.float16)
    probability, maps = evidential_maps(evidence)
    alpha = evidence.astype(float) + 1
    assert probability == pytest.approx(alpha[:, 1] / alpha.sum(axis=1))
    assert maps["vacuity"] == pytest.approx(2 / alpha.sum(axis=1), rel=1e-6)
    assert set(maps) == {"vacuity", "entropy", "expected_entropy", "mutual_information"}


BOOTSTRAP = {"resamples": 99, "seed": 1}
PARAMS = {
    "evaluation": RULES | {"bootstrap": BOOTSTRAP},
    "seeds": [1],
    "tables": {"table1": ["unet", "textbcs"], "variants": ["plain"]},
    "methods": {"textbcs": {"network": {"svli": True, "evidential": True}}},
    "variants": {"plain": {"network": {"svli": False, "evidential": False}}},
}
RUN = "results/uncertainty/unet-s1.json"


def prepare(
    monkeypatch: pytest.MonkeyPatch, validation: dict[str, np.ndarray], maps: dict[str, np.ndarray]
) -> None:
    """What every run predicted on test and on validation, as it lies on disk."""
    test, val = shard(), shard(6)
    slices = test.table[["slice_id", "patient", "kind"]].assign(dice=[0.9, 0.5, 0.7, np.nan])
    for method in ("unet", "plain", "textbcs"):
        write_csv(Path(f"results/evaluation/{method}-s1/slices.csv"), slices)
        write_tensors(Path(f"results/predictions/{method}-s1/maps.safetensors"), maps)
        write_tensors(Path(f"results/predictions/{method}-s1/validation.safetensors"), validation)

    def only_val(_: Any, name: str) -> Shard:
        assert name == "val"
        return val

    monkeypatch.setattr(calibrate_module, "read_slices", only_val)
    monkeypatch.setattr(stage_module, "read_slices", lambda *_: test)


def test_a_sigmoid_heads_temperature_comes_from_validation_and_helps_on_test(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation is another draw of the fault that the test predictions have."""
    stage = stage_in(PARAMS)
    odds = overconfident(shard().masks, 2.5, 5).astype(np.float16)
    validation = expit(overconfident(shard(6).masks, 2.5, 8)).astype(np.float32)
    prepare(monkeypatch, {"probability": validation}, {"log_odds": odds})
    calibrate(stage)
    assess_uncertainty(stage)
    found = read_json(RUN)
    assert found["temperature"] == pytest.approx(2.5, rel=0.1)
    assert found["validation"]["nll_after"] < found["validation"]["nll_before"]
    raw, scaled = found["raw"], found["scaled"]
    assert scaled["image"]["ece"] < raw["image"]["ece"] / 2
    assert scaled["image"]["nll"] < raw["image"]["nll"]
    # In the region there is more foreground than the slices' quarter: no temperature mends that, but
    # the one that was fitted there does most.
    assert scaled["region"]["ece"] > scaled["image"]["ece"]
    region = found["scaled_region"]["region"]
    assert region["nll"] < min(raw["region"]["nll"], scaled["region"]["nll"])
    fitted = found["validation_region"]
    assert fitted["nll_after"] < fitted["nll_before"]
    assert fitted["pixels"] < found["validation"]["pixels"] == 6 * SIZE**2
    assert (found["head"], found["tumour_slices"]) == ("sigmoid or softmax", 3)
    assert set(found["risk_coverage"]) == {"entropy", "inverse_area"}
    assert set(read_json("results/calibration/ablation.json")) == {"plain-s1"}
    check_tables(found)
    for name in ("ensemble", "dropout"):
        assert read_json(f"results/uncertainty/{name}.json") == {}
    assert not Path("results/uncertainty/fractions.csv").exists()


def check_tables(found: dict[str, Any]) -> None:
    """The tables with limits say what a run's own file says; equal runs do not differ."""
    scores = read_csv("results/uncertainty/scores.csv")
    assert set(scores["method"]) == {"unet", "plain", "textbcs"}
    own = scores[scores["method"] == "unet"].set_index(["kind", "measure"])["value"]
    for kind in ("raw", "scaled", "scaled_region"):
        for scope in ("image", "region"):
            for score in ("ece", "brier", "nll"):
                assert own[kind, f"{score}_{scope}"] == pytest.approx(found[kind][scope][score])
    for scope, values in found["error_detection"].items():
        for name, value in values.items():
            assert own["raw", f"{name}_{scope}"] == pytest.approx(value), name
    for name, values in found["risk_coverage"].items():
        for unit, value in values.items():
            assert own["raw", f"{name}_{unit}"] == pytest.approx(value), name
    assert own["raw", "dice"] == pytest.approx((0.7 + 0.7) / 2)
    differences = read_csv("results/uncertainty/differences.csv")
    pairs = set(zip(differences["first"], differences["second"], strict=True))
    assert pairs == {("textbcs", "unet")}  # `plain` lacks SVLI too, so it shows no single part
    assert (differences["value"] == 0).all()
    bins = read_csv("results/uncertainty/reliability.csv")
    drawn = bins[(bins["method"] == "unet") & (bins["kind"] == "raw") & (bins["scope"] == "region")]
    diagram = found["raw"]["region"]["reliability"]
    assert drawn["frequency"].tolist() == pytest.approx(diagram["frequency"])


def test_an_evidential_head_has_four_maps_and_no_temperature(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    draw = np.random.default_rng(2).gamma(1, 9, (4, 2, SIZE, SIZE))
    prepare(monkeypatch, {}, {"evidence": draw.astype(np.float16)})
    calibrate(stage)
    assess_uncertainty(stage)
    found = read_json(RUN)
    empty = ("temperature", "temperature_region", "scaled", "scaled_region", "validation")
    assert [found[name] for name in empty] == [None] * 5
    assert len(found["risk_coverage"]) == 5
    assert set(read_csv("results/uncertainty/scores.csv")["kind"]) == {"raw"}
    assert found["error_detection"]["band"]["mutual_information_auroc"] > 0


def test_predictions_of_another_split_are_refused(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    validation = {"probability": np.full((6, SIZE, SIZE), 0.3, np.float32)}
    prepare(monkeypatch, validation, {"log_odds": np.zeros((4, SIZE, SIZE), np.float16)})
    calibrate(stage)
    monkeypatch.setattr(stage_module, "read_slices", lambda *_: shard(6))
    with pytest.raises(InputError, match="other slices than data/slices/test"):
        assess_uncertainty(stage)


def test_predictions_of_other_validation_slices_are_refused(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    prepare(monkeypatch, {"probability": np.full((5, SIZE, SIZE), 0.3, np.float32)}, {})
    with pytest.raises(
        InputError,
        match=r"unet-s1/validation.safetensors: 5 maps for 6 validation slices; run predict again",
    ):
        calibrate(stage)


def test_temperatures_are_fitted_on_nothing_of_the_test_split(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_in(PARAMS)
    validation = expit(overconfident(shard(6).masks, 2.5, 8)).astype(np.float32)
    prepare(monkeypatch, {"probability": validation}, {})
    calibrate(stage)
    runs = ("plain-s1", "textbcs-s1", "unet-s1")
    wanted = [f"results/predictions/{run}/validation.safetensors" for run in runs]
    assert (
        list(stage.input_hashes()) == wanted
    )  # beside the slices of validation, which are made here
