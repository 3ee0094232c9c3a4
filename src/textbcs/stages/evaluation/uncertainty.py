"""Stage `uncertainty`: can the trained methods' probabilities and their uncertainty be believed?

Reads what each run of Table 1, of the ablation and of the variants with dropout predicted on test, the
test slices, and the temperatures that `calibrate` fitted on validation; writes
`results/uncertainty/`:

- `<method>-s<seed>.json`: one run's scores; `ensemble.json` (means over seeds) and `dropout.json` (means
  over passes with dropout) likewise.
- `scores.csv`: of UNet, the reference, the ablation and those means, each score with its limits;
  `differences.csv`: of pairs that differ in one thing; `reliability.csv`: their diagrams, of the first
  seed (`evaluation.uncertainty.resampled_scores`).
- `fractions.csv`: where a variant was trained on a share of the patients.

Nothing is fitted here. Everything is on the square grid, where the probabilities live, and on tumour
slices, because only those have a region of interest.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import read_csv, read_json, write_csv, write_json
from textbcs.base.variants import BASE, RIVAL
from textbcs.dataset.slice_store import Shard, read_slices
from textbcs.evaluation.metrics.regions import Scopes, find_scopes
from textbcs.evaluation.statistics.ablation_rows import ablation_names, dropout_twins
from textbcs.evaluation.statistics.runs import EVALUATION, fraction_names
from textbcs.evaluation.uncertainty import calibration
from textbcs.evaluation.uncertainty.assessment import assess, measure
from textbcs.evaluation.uncertainty.assessment_samples import measure_samples
from textbcs.evaluation.uncertainty.record import Record
from textbcs.evaluation.uncertainty.resampled_scores import (
    RAW,
    ProbabilitySet,
    difference_rows,
    score_rows,
)
from textbcs.evaluation.uncertainty.tumour_slices import (
    evidential_maps,
    same_slices,
    tumour_cases,
)
from textbcs.prediction.dirichlet import binary_entropy
from textbcs.prediction.files import read_maps

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

FOLDER = Path("results/uncertainty")
CALIBRATION = Path("results/calibration")
TEMPERATURES = {"scaled": "temperature", "scaled_region": "temperature_region"}


def run(stage: "Stage") -> None:
    """Assess every run's predictions on test, and each method's mean over its seeds.

    Raises:
        InputError: the predictions are of other slices than the test split has.
    """
    from textbcs.evaluation.uncertainty.averaged_probabilities import dropouts, ensembles
    from textbcs.evaluation.uncertainty.data_fractions import fraction_rows

    stage.seed = stage.params["evaluation"]["bootstrap"]["seed"]
    shard = read_slices(stage, "test")
    scopes = find_scopes(shard, stage.params["evaluation"]["calibration"]["band_mm"])
    tumour = shard.table[shard.table["kind"] == "tumour"]
    record = Record(stage.params, int(tumour["patient"].nunique()))
    methods = dict.fromkeys([*stage.params["tables"]["table1"], *record.methods])
    runs = [(method, seed) for method in methods for seed in stage.params["seeds"]]
    fits = _fits(stage)
    for method, seed in stage.progress(runs, desc="runs"):
        name = f"{method}-s{seed}"
        result = assess_run(stage, fits[name], shard, scopes, record)
        write_json(stage.output(FOLDER / f"{name}.json"), plain(result))
    means = {
        "ensemble": ensembles(stage, shard, scopes, record),
        "dropout": dropouts(stage, shard, scopes, record),
    }
    for name, found in means.items():
        write_json(stage.output(FOLDER / f"{name}.json"), plain(found))
    _write_record(stage, record)
    if fraction_names(stage.params):
        rows = fraction_rows(stage, shard, scopes)
        write_csv(stage.output(FOLDER / "fractions.csv"), rows)


def _fits(stage: "Stage") -> dict[str, Mapping[str, Any]]:
    """What was fitted on validation, by run: of Table 1 a file each, of the ablation one for all."""
    tables, seeds = stage.params["tables"], stage.params["seeds"]
    names = [f"{method}-s{seed}" for method in tables["table1"] for seed in seeds]
    fits = {name: read_json(stage.input(CALIBRATION / f"{name}.json")) for name in names}
    return {**read_json(stage.input(CALIBRATION / "ablation.json")), **fits}


def _write_record(stage: "Stage", record: Record) -> None:
    """The three tables with limits."""
    import pandas as pd

    pairs, draws = list(_pairs(stage.params)), record.draws
    tables = {
        "scores": score_rows(record.samples, draws),
        "differences": difference_rows(record.samples, pairs, draws),
        "reliability": pd.concat(record.diagrams, ignore_index=True),
    }
    for name, table in tables.items():
        write_csv(stage.output(FOLDER / f"{name}.csv"), table)


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[ProbabilitySet, ProbabilitySet]]:
    """With evidential learning minus without it, all else equal; the reference minus UNet; dropout."""
    names = ablation_names(params)
    for svli in (True, False):
        if {(svli, True), (svli, False)} <= set(names):
            for kind in (RAW, "scaled_region"):
                yield ProbabilitySet(names[svli, True]), ProbabilitySet(names[svli, False], kind)
    yield ProbabilitySet(BASE), ProbabilitySet(RIVAL)
    for name, twin in dropout_twins(params).items():
        yield ProbabilitySet(name, "sampled"), ProbabilitySet(twin)


def assess_run(
    stage: "Stage", fitted: Mapping[str, Any], shard: Shard, scopes: Scopes, record: Record
) -> dict[str, Any]:
    """One run's calibration, raw and with its temperatures, error detection and risk-coverage.

    Args:
        stage: reads the run's evaluation; its parameters hold `evaluation`.
        fitted: what was found on validation, with the run's `method` and `seed`.
        shard: the test slices; the tumour slices are assessed.
        scopes: of all slices.
        record: takes the scores of the methods that it names.
    """
    method, seed = str(fitted["method"]), int(fitted["seed"])
    name, rules = f"{method}-s{seed}", stage.params["evaluation"]
    folder = f"{EVALUATION}/{name}"
    slices = read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id", "patient", "kind", "dice"])
    maps = read_maps(stage, name)
    same_slices(slices, shard, folder)
    cases = tumour_cases(slices, shard, scopes)
    tumour = np.flatnonzero(slices["kind"] == "tumour")
    scaled: dict[str, NDArray[np.float64]] = {}
    if "evidence" in maps:
        probability, found = evidential_maps(maps["evidence"][tumour])
    else:
        odds = maps["log_odds"][tumour]
        probability = calibration.scaled(odds, 1.0)
        found = {"entropy": binary_entropy(probability)}
        scaled = {kind: calibration.scaled(odds, fitted[at]) for kind, at in TEMPERATURES.items()}
    bins = rules["calibration"]["bins"]
    result = {**fitted, **dict.fromkeys(TEMPERATURES), **measure(cases, probability, found, rules)}
    for kind, values in scaled.items():
        result[kind] = assess(values, cases.truth, cases.scopes, bins)
    if method in record.methods:
        for kind, values, doubt in (
            (RAW, probability, found),
            *((kind, values, {}) for kind, values in scaled.items()),
        ):
            sample = measure_samples(cases, values, doubt, rules, record.draws, result)
            if kind in TEMPERATURES:
                always = np.full(len(record.draws.weights), float(fitted[TEMPERATURES[kind]]))
                sample.scores["temperature"] = always
            record.add(ProbabilitySet(method, kind), seed, result[kind], sample)
    return result


def plain(value: Any) -> Any:
    """The same with null for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
