"""What the mean of a method's seeds gives, or of a network's passes with dropout.

Both are what evidential learning has to face. With one seed there is no ensemble, and no entry.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_csv
from textbcs.base.variants import BASE, configuration
from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics import overlap
from textbcs.evaluation.metrics.regions import Scopes
from textbcs.evaluation.statistics.intervals import patient_means
from textbcs.evaluation.statistics.runs import EVALUATION
from textbcs.evaluation.uncertainty import calibration
from textbcs.evaluation.uncertainty.assessment import measure
from textbcs.evaluation.uncertainty.assessment_samples import measure_samples
from textbcs.evaluation.uncertainty.record import Record
from textbcs.evaluation.uncertainty.resampled_scores import ProbabilitySet
from textbcs.evaluation.uncertainty.tumour_slices import evidential_maps, same_slices, tumour_cases
from textbcs.prediction.dirichlet import binary_entropy
from textbcs.prediction.dirichlet import ensemble as disagreement
from textbcs.prediction.files import PREDICTIONS, read_maps

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

Maps = Mapping[str, NDArray[np.float32]]


def ensembles(stage: "Stage", shard: Shard, scopes: Scopes, record: Record) -> dict[str, Any]:
    """The mean of each method's seeds, assessed as one run is, and its Dice on the square grid.

    Args:
        stage: reads the predictions; its parameters hold `tables`, `seeds` and `evaluation`.
        shard: the test slices; the tumour slices are assessed.
        scopes: of all slices.
        record: takes the scores of the methods that it names.
    """
    seeds, rules = stage.params["seeds"], stage.params["evaluation"]
    if len(seeds) < 2:
        return {}
    entries = {}
    methods = dict.fromkeys([*stage.params["tables"]["table1"], *record.methods])
    tumour = np.flatnonzero(shard.table["kind"] == "tumour")
    for method in stage.progress(methods, desc="ensembles"):
        names = [f"{method}-s{seed}" for seed in seeds]
        members = np.stack([_member(stage, shard, name)[tumour] for name in names])
        mean, maps = members.mean(axis=0, dtype=np.float64), disagreement(members)
        own = record if method in record.methods else None
        found = assess_mean(
            mean, maps, shard, scopes, rules, ProbabilitySet(method, "ensemble"), 0, own
        )
        entries[method] = {"members": len(members), **found}
    return entries


def _member(stage: "Stage", shard: Shard, name: str) -> NDArray[np.float32]:
    """The foreground probability of one run, (n, H, W)."""
    folder = f"{EVALUATION}/{name}"
    same_slices(read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id"]), shard, folder)
    maps = read_maps(stage, name)
    if "evidence" in maps:
        return evidential_maps(maps["evidence"])[0].astype(np.float32)
    return calibration.scaled(maps["log_odds"], 1.0).astype(np.float32)


def dropouts(
    stage: "Stage", shard: Shard, scopes: Scopes, record: Record
) -> dict[str, list[dict[str, Any]]]:
    """The mean of the passes of each network whose dropout is sampled, an entry a seed, by its name."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for method in sampled_names(stage.params):
        for seed in stage.params["seeds"]:
            found = _passes(stage, shard, scopes, method, int(seed), record)
            entries.setdefault(method, []).append({"method": method, "seed": int(seed), **found})
    return entries


def sampled_names(params: Mapping[str, Any]) -> list[str]:
    """The proposed method and those of its variants that have dropout."""
    names = (BASE, *params["tables"]["variants"])
    return [name for name in names if configuration(params, name)["network"].get("dropout")]


def _passes(
    stage: "Stage", shard: Shard, scopes: Scopes, method: str, seed: int, record: Record
) -> dict[str, Any]:
    name, rules = f"{method}-s{seed}", stage.params["evaluation"]
    folder = f"{EVALUATION}/{name}"
    same_slices(read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id"]), shard, folder)
    maps = read_maps(stage, name)
    if "sampled_log_odds" not in maps:
        raise InputError(
            f"{PREDICTIONS}/{name}/maps.safetensors: holds no passes with dropout; run predict again"
        )
    tumour = np.flatnonzero(shard.table["kind"] == "tumour")
    probability = calibration.scaled(maps["sampled_log_odds"][tumour], 1.0)
    information = maps["sampled_mutual_information"][tumour].astype(np.float32)
    entropy = binary_entropy(probability)
    doubts = {
        "entropy": entropy,
        "expected_entropy": np.maximum(entropy - information, 0),
        "mutual_information": information,
    }
    key = ProbabilitySet(method, "sampled")
    found = assess_mean(probability, doubts, shard, scopes, rules, key, seed, record)
    return {"members": int(rules["calibration"]["dropout_passes"]), **found}


def assess_mean(
    probability: NDArray[np.float64],
    maps: Maps,
    shard: Shard,
    scopes: Scopes,
    rules: Any,
    key: ProbabilitySet,
    seed: int,
    record: Record | None,
) -> dict[str, Any]:
    """Calibration, error detection, risk-coverage and Dice on the square grid of a mean of predictions.

    Args:
        probability: (t, H, W), of the tumour slices.
        maps: what the members' disagreement says, (t, H, W) each.
        shard: the slices, the tumour slices among them.
        scopes: of all slices.
        rules: the parameters `evaluation`.
        key: whose mean it is.
        seed: of the run; 0 for a mean of seeds.
        record: takes the scores, if it is given.
    """
    truth = shard.masks[np.flatnonzero(shard.table["kind"] == "tumour")] > 0
    found = probability > rules["threshold"]
    scores = [overlap.dice(overlap.count(*pair)) for pair in zip(found, truth, strict=True)]
    slices = shard.table[["slice_id", "patient"]].assign(dice=np.nan)
    slices.loc[shard.table["kind"] == "tumour", "dice"] = scores
    cases = tumour_cases(slices, shard, scopes)
    result = {
        "dice_slice_mean": float(np.mean(scores)),
        "dice_patient_mean": float(patient_means(cases.slices, "dice").mean()),
        "temperature": None,
        "scaled": None,
        **measure(cases, probability, maps, rules),
    }
    if record is not None:
        sample = measure_samples(cases, probability, maps, rules, record.draws, result)
        record.add(key, seed, result["raw"], sample)
    return result
