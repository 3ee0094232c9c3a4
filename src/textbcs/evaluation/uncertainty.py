"""Stage `uncertainty`: can the trained methods' probabilities and their uncertainty be believed?

Reads what each run of Table 1 predicted on test, the test slices, and the temperature that the stage
`calibrate` fitted on validation; writes `results/uncertainty/<method>-s<seed>.json`, `ensemble.json`
(means over seeds), `dropout.json` (means over passes with dropout) and, where a variant was trained on a
share of the patients, `fractions.csv`.
Nothing is fitted here. Everything is on the square grid, where the probabilities live, and on tumour
slices, because only those have a region of interest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import calibration
from textbcs.evaluation.dirichlet import binary_entropy, expected_probability, uncertainty
from textbcs.evaluation.runs import EVALUATION, fraction_names
from textbcs.evaluation.surfaces import boundary_band
from textbcs.io import InputError, read_csv, read_json, read_tensors, write_csv, write_json
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

FOLDER = Path("results/uncertainty")
CALIBRATION = Path("results/calibration")
_SLICES = 64  # at a time, so that a large test split fits in memory


@dataclass(frozen=True)
class Scopes:
    """Where pixels are looked at, each (n, H, W) bool.

    Attributes:
        band: within a stated distance of the true outline.
        region: the lesion and its band.
    """

    band: NDArray[np.bool_]
    region: NDArray[np.bool_]


def assess_uncertainty(stage: "Stage") -> None:
    """Assess every run's predictions on test, and each method's mean over its seeds.

    Raises:
        InputError: the predictions are of other slices than the test split has.
    """
    from textbcs.evaluation.ensemble import dropouts, ensembles
    from textbcs.evaluation.fractions import fraction_rows

    rules = stage.params["evaluation"]
    shard = read_slices(stage, "test")
    scopes = find_scopes(shard, rules["calibration"]["band_mm"])
    methods, seeds = stage.params["tables"]["table1"], stage.params["seeds"]
    for name in stage.progress([f"{m}-s{s}" for m in methods for s in seeds], desc="runs"):
        fitted = read_json(stage.input(CALIBRATION / f"{name}.json"))
        result = assess_run(stage, name, fitted, shard, scopes)
        write_json(stage.output(FOLDER / f"{name}.json"), plain(result))
    write_json(stage.output(FOLDER / "ensemble.json"), plain(ensembles(stage, shard, scopes)))
    write_json(stage.output(FOLDER / "dropout.json"), plain(dropouts(stage, shard, scopes)))
    if fraction_names(stage.params):
        rows = fraction_rows(stage, shard, scopes)
        write_csv(stage.output(FOLDER / "fractions.csv"), rows)


def assess_run(
    stage: "Stage", name: str, fitted: Mapping[str, Any], shard: Shard, scopes: Scopes
) -> dict[str, Any]:
    """One run's calibration, raw and with its temperature, error detection and risk-coverage.

    Args:
        stage: reads the run's evaluation; its parameters hold `evaluation`.
        name: of the run.
        fitted: what the stage `calibrate` found on validation.
        shard: the test slices; the tumour slices are assessed.
        scopes: of all slices.
    """
    folder = f"{EVALUATION}/{name}"
    slices = read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id", "patient", "kind", "dice"])
    maps = read_tensors(stage.input(f"{folder}/predictions.safetensors"))
    rules = stage.params["evaluation"]
    same_slices(slices, shard, folder)
    tumour = np.flatnonzero(slices["kind"] == "tumour")
    result: dict[str, Any] = {**fitted, "scaled": None}
    where = Scopes(scopes.band[tumour], scopes.region[tumour])
    truth = shard.masks[tumour] > 0
    bins = rules["calibration"]["bins"]
    if "evidence" in maps:
        probability, found = evidential_maps(maps["evidence"][tumour])
    else:
        odds = maps["log_odds"][tumour]
        probability = calibration.scaled(odds, 1.0)
        found = {"entropy": binary_entropy(probability)}
        scaled = calibration.scaled(odds, fitted["temperature"])
        result["scaled"] = assess(scaled, truth, where, bins)
    result["raw"] = assess(probability, truth, where, bins)
    result["error_detection"] = detect(probability, truth, where, found, rules["threshold"])
    result["risk_coverage"] = select(slices.iloc[tumour], probability, found, rules["threshold"])
    result |= {"band_mm": rules["calibration"]["band_mm"], "tumour_slices": len(tumour)}
    result["tumour_patients"] = int(slices["patient"].iloc[tumour].nunique())
    return result


def same_slices(slices: "pd.DataFrame", shard: Shard, folder: str) -> None:
    """Check that an evaluation is of a shard's slices, in their order.

    Raises:
        InputError: it is not.
    """
    if slices["slice_id"].tolist() != shard.table["slice_id"].tolist():
        raise InputError(
            f"{folder}/slices.csv: holds other slices than data/slices/test; run the stage evaluate again"
        )


def find_scopes(shard: Shard, band_mm: float) -> Scopes:
    """The band and the region of each slice, on the square grid."""
    spacing = shard.table[["spacing_row_mm", "spacing_col_mm"]].to_numpy(dtype=np.float64)
    band = np.stack(
        [
            boundary_band(mask, (float(row), float(col)), band_mm)
            for mask, (row, col) in zip(shard.masks, spacing, strict=True)
        ]
    )
    return Scopes(band, band | (shard.masks > 0))


def evidential_maps(
    evidence: NDArray[np.floating],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
    """Foreground probability (n, H, W) and the four uncertainty maps of evidence (n, 2, H, W)."""
    parts = [evidence[start : start + _SLICES] for start in range(0, len(evidence), _SLICES)]
    probability = np.concatenate([expected_probability(part)[:, 1] for part in parts])
    maps = [vars(uncertainty(part)) for part in parts]
    return probability, {name: np.concatenate([one[name] for one in maps]) for name in maps[0]}


def assess(
    probability: NDArray[np.floating], truth: NDArray[np.bool_], scopes: Scopes, bins: int
) -> dict[str, Any]:
    """ECE, Brier, NLL and the reliability diagram, of the whole image and of the region."""
    everywhere = np.ones(truth.shape, dtype=bool)
    result = {}
    for name, where in (("image", everywhere), ("region", scopes.region)):
        p, y = probability[where], truth[where]
        diagram = calibration.reliability(p, y, bins)
        result[name] = {
            "ece": diagram.ece,
            "brier": calibration.brier(p, y),
            "nll": calibration.negative_log_likelihood(p, y),
            "reliability": {key: value.tolist() for key, value in vars(diagram).items()},
        }
    return result


def detect(
    probability: NDArray[np.floating],
    truth: NDArray[np.bool_],
    scopes: Scopes,
    maps: Mapping[str, NDArray[np.float32]],
    threshold: float,
) -> dict[str, Any]:
    """How well each map ranks wrong pixels above right ones: in the image, in the band, outside it."""
    wrong = (probability > threshold) != truth
    everywhere = np.ones(truth.shape, dtype=bool)
    result: dict[str, Any] = {}
    for scope, where in (("image", everywhere), ("band", scopes.band), ("outside", ~scopes.band)):
        errors = wrong[where]
        result[scope] = {"error_share": float(errors.mean()) if errors.size else math.nan}
        for name, values in maps.items():
            doubt = values[where]
            result[scope][f"{name}_auroc"] = calibration.auroc(doubt, errors)
            result[scope][f"{name}_auprc"] = calibration.average_precision(doubt, errors)
    return result


def select(
    slices: "pd.DataFrame",
    probability: NDArray[np.floating],
    maps: Mapping[str, NDArray[np.float32]],
    threshold: float,
) -> dict[str, Any]:
    """Whether the uncertain slices, and patients, are the badly segmented ones: AURC of 1 - Dice.

    A slice's doubt is the sum of a map over the predicted area in pixels (at least one), so it needs no
    reference and a slice without a prediction is a doubtful one. A patient's is the mean over slices.
    """
    area = np.maximum((probability > threshold).sum(axis=(1, 2)), 1)
    result = {}
    for name, values in maps.items():
        doubt = values.sum(axis=(1, 2), dtype=np.float64) / area
        table = slices[["patient"]].assign(risk=1 - slices["dice"], doubt=doubt)
        patients = table.groupby("patient")[["risk", "doubt"]].mean()
        result[name] = {
            f"{measure}_{unit}": function(rows["risk"].to_numpy(), rows["doubt"].to_numpy())
            for unit, rows in (("slices", table), ("patients", patients))
            for measure, function in (
                ("aurc", calibration.aurc),
                ("excess_aurc", calibration.excess_aurc),
            )
        }
    return result


def plain(value: Any) -> Any:
    """The same with null for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
