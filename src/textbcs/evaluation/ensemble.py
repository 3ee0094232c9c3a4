"""What the mean of a method's seeds gives, or of a network's passes with dropout.

Both are what evidential learning has to face. Reads predictions for the stage `uncertainty`; writes
nothing. With one seed there is no ensemble, and no entry.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import calibration, metrics
from textbcs.evaluation.dirichlet import binary_entropy
from textbcs.evaluation.dirichlet import ensemble as disagreement
from textbcs.evaluation.runs import EVALUATION
from textbcs.evaluation.statistics import patient_means
from textbcs.evaluation.uncertainty import (
    Scopes,
    assess,
    detect,
    evidential_maps,
    same_slices,
    select,
)
from textbcs.io import InputError, read_csv, read_tensors
from textbcs.models.variants import BASE, configuration
from textbcs.slices.store import Shard

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def ensembles(stage: "Stage", shard: Shard, scopes: Scopes) -> dict[str, Any]:
    """The mean of each method's seeds, assessed as one run is, and its Dice on the square grid."""
    seeds = stage.params["seeds"]
    if len(seeds) < 2:
        return {}
    entries = {}
    for method in stage.progress(stage.params["tables"]["table1"], desc="ensembles"):
        members = [_member(stage, shard, f"{method}-s{seed}") for seed in seeds]
        entries[method] = assess_ensemble(members, shard, scopes, stage.params["evaluation"])
    return entries


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
    own = np.stack([member[tumour] for member in members])
    mean = own.mean(axis=0, dtype=np.float64)
    found = assess_mean(mean, disagreement(own), tumour, shard, scopes, rules)
    return {"members": len(members), **found}


def dropouts(stage: "Stage", shard: Shard, scopes: Scopes) -> dict[str, list[dict[str, Any]]]:
    """The mean of the passes of each network whose dropout is sampled, an entry a seed, by its name."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for method in sampled_names(stage.params):
        for seed in stage.params["seeds"]:
            found = _passes(stage, shard, scopes, f"{method}-s{seed}")
            entries.setdefault(method, []).append({"method": method, "seed": int(seed), **found})
    return entries


def sampled_names(params: Mapping[str, Any]) -> list[str]:
    """The proposed method and those of its variants that have dropout."""
    names = (BASE, *params["tables"]["variants"])
    return [name for name in names if configuration(params, name)["network"].get("dropout")]


def _passes(stage: "Stage", shard: Shard, scopes: Scopes, name: str) -> dict[str, Any]:
    folder, rules = f"{EVALUATION}/{name}", stage.params["evaluation"]
    same_slices(read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id"]), shard, folder)
    maps = read_tensors(stage.input(f"{folder}/predictions.safetensors"))
    if "sampled_log_odds" not in maps:
        raise InputError(f"{folder}: holds no passes with dropout; run the stage evaluate again")
    tumour = np.flatnonzero(shard.table["kind"] == "tumour")
    probability = calibration.scaled(maps["sampled_log_odds"][tumour], 1.0)
    information = maps["sampled_mutual_information"][tumour].astype(np.float32)
    entropy = binary_entropy(probability)
    doubts = {
        "entropy": entropy,
        "expected_entropy": np.maximum(entropy - information, 0),
        "mutual_information": information,
    }
    found = assess_mean(probability, doubts, tumour, shard, scopes, rules)
    return {"members": int(rules["calibration"]["dropout_passes"]), **found}


def assess_mean(
    probability: NDArray[np.float64],
    maps: Mapping[str, NDArray[np.float32]],
    tumour: NDArray[np.intp],
    shard: Shard,
    scopes: Scopes,
    rules: Any,
) -> dict[str, Any]:
    """Calibration, error detection, risk-coverage and Dice on the square grid of a mean of predictions.

    Args:
        probability: (t, H, W), of the tumour slices.
        maps: what the members' disagreement says, (t, H, W) each.
        tumour: (t,) places of the tumour slices in the shard.
        shard: the slices.
        scopes: their bands and regions.
        rules: the parameters `evaluation`.
    """
    threshold, bins = rules["threshold"], rules["calibration"]["bins"]
    truth = shard.masks[tumour] > 0
    where = Scopes(scopes.band[tumour], scopes.region[tumour])
    found = probability > threshold
    scores = [metrics.dice(metrics.count(*pair)) for pair in zip(found, truth, strict=True)]
    slices = shard.table.iloc[tumour][["slice_id", "patient"]].assign(dice=scores)
    return {
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
