"""Stage `ensemble`: what the mean of a method's seeds gives, which evidential learning has to face.

Reads the predictions of every method of Table 1 and every seed, and the test slices; writes
`results/calibration/ensemble.json`, an entry per method as the stage `calibrate` writes them, and the
ensemble's Dice on the square grid. With one seed there is no ensemble, and no entry.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import calibration, metrics
from textbcs.evaluation.calibrate import (
    Scopes,
    assess,
    detect,
    evidential_maps,
    find_scopes,
    plain,
    same_slices,
    select,
)
from textbcs.evaluation.runs import EVALUATION
from textbcs.evaluation.statistics import patient_means
from textbcs.evaluation.uncertainty import ensemble as disagreement
from textbcs.io import read_csv, read_tensors, write_json
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def ensemble(stage: "Stage") -> None:
    """Assess the mean of each method's seeds."""
    seeds = stage.params["seeds"]
    entries = {}
    if len(seeds) > 1:
        shard = read_slices(stage, "test")
        scopes = find_scopes(shard, stage.params["evaluation"]["calibration"]["band_mm"])
        for method in stage.progress(stage.params["tables"]["table1"], desc="ensembles"):
            members = [_member(stage, shard, f"{method}-s{seed}") for seed in seeds]
            entries[method] = assess_ensemble(members, shard, scopes, stage.params["evaluation"])
    write_json(stage.output("results/calibration/ensemble.json"), plain(entries))


def _member(stage: "Stage", shard: Shard, name: str) -> NDArray[np.float32]:
    """The foreground probability of one run, (n, H, W)."""
    folder = f"{EVALUATION}/{name}"
    same_slices(read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id"]), shard, folder)
    maps = read_tensors(stage.input(f"{folder}/predictions.safetensors"))
    if "evidence" in maps:
        return evidential_maps(maps["evidence"])[0].astype(np.float32)
    return calibration.scaled(maps["log_odds"], 1.0).astype(np.float32)


def assess_ensemble(
    members: Sequence[NDArray[np.float32]], shard: Shard, scopes: Scopes, rules: Any
) -> dict[str, Any]:
    """Calibration, error detection and risk-coverage of the mean of the members.

    Args:
        members: foreground probabilities (n, H, W) of at least two networks.
        shard: the n slices; the tumour slices are assessed.
        scopes: their bands and regions.
        rules: the parameters `evaluation`.
    """
    tumour = np.flatnonzero(shard.table["kind"] == "tumour")
    threshold, bins = rules["threshold"], rules["calibration"]["bins"]
    own = np.stack([member[tumour] for member in members])
    truth = shard.masks[tumour] > 0
    where = Scopes(scopes.band[tumour], scopes.region[tumour])
    probability, maps = own.mean(axis=0, dtype=np.float64), disagreement(own)
    found = probability > threshold
    scores = [metrics.dice(metrics.count(*pair)) for pair in zip(found, truth, strict=True)]
    slices = shard.table.iloc[tumour][["slice_id", "patient"]].assign(dice=scores)
    return {
        "members": len(members),
        "dice_slice_mean": float(np.mean(scores)),
        "dice_patient_mean": float(patient_means(slices, "dice").mean()),
        "temperature": None,
        "scaled": None,
        "raw": assess(probability, truth, where, bins),
        "error_detection": detect(probability, truth, where, maps, threshold),
        "risk_coverage": select(slices, probability, maps, threshold),
        "tumour_slices": len(tumour),
        "tumour_patients": int(slices["patient"].nunique()),
    }
