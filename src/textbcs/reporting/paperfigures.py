"""The stage `figures`: the paper's result figures and the evidence that it lacks.

Reads the evaluated runs of Table 1 and of the variants, their training curves, the test slices and
prompts, `results/gradcam/`, `results/uncertainty/` and `results/statistics/`; writes
`reports/figures/<name>` as PDF and PNG with what is drawn as CSV beside it. Each figure has its own
script, `fig_<name>.py`; the prompts' figures are written by `robustfigures.py`. Where there are several
seeds, pictures show the first one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.runs import EVALUATION, Run, first_seed, read_runs
from textbcs.io import InputError, read_csv, read_tensors
from textbcs.models.variants import BASE
from textbcs.prompts.table import read_prompts
from textbcs.reporting import (
    believed,
    fig_failures,
    fig_forest,
    fig_gradcam_cases,
    fig_gradcam_stages,
    fig_overview,
    fig_qualitative,
    fig_ranks,
    fig_reliability,
    fig_training,
    fig_uncertainty,
    fig_weights,
)
from textbcs.reporting.ablation import best_validation, by_name, sweep_names
from textbcs.reporting.canvas import write_figure
from textbcs.reporting.cases import MEDIAN, choose_cases, failure_cases, qualitative_cases
from textbcs.reporting.runs import label, seed_spread
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

RUNS, UNCERTAINTY = Path("results/runs"), Path("results/uncertainty")
STATISTICS, GRADCAM = Path("results/statistics"), Path("results/gradcam")
COLUMNS = (
    *("slice_id", "patient", "kind", "dice", "true_positive", "false_positive", "lesions"),
    *("lesions_found", "reference_mm2", "false_positive_mm2"),
)


def write_figures(stage: "Stage") -> None:
    """Draw all figures.

    Params read: `tables`, `seeds`, `variants`, `methods.textbcs.network`, `methods.textbcs.loss`,
    `evaluation.bootstrap` and `evaluation.threshold`.

    Raises:
        InputError: an input is missing or damaged, or the runs hold other slices than the test split.
    """
    stage.seed = stage.params["evaluation"]["bootstrap"]["seed"]
    shard, runs = read_slices(stage, "test"), read_runs(stage, COLUMNS)
    first = first_seed(runs, shard.table["slice_id"])
    _heat_maps(stage, shard)
    _cases(stage, shard, first)
    _probabilities(stage)
    _curves(stage, runs)
    comparisons = read_csv(stage.input(STATISTICS / "comparisons.csv"))
    compared = fig_forest.difference_rows(comparisons, seed_spread(stage))
    confidence = float(stage.params["evaluation"]["bootstrap"]["confidence"])
    write_figure(stage, "forest", fig_forest.draw(compared, confidence), compared)
    ranks = fig_ranks.rank_rows(read_csv(stage.input(STATISTICS / "ranks.csv")))
    write_figure(stage, "ranks", fig_ranks.draw(ranks), ranks)


def _cases(stage: "Stage", shard: Shard, runs: Mapping[str, Run]) -> None:
    """The overview, Figures 3 and 5, the uncertainty maps: slices by the reference method's rows."""
    threshold = float(stage.params["evaluation"]["threshold"])
    run = runs[stage.params["tables"]["reference"]]
    cases, failed = qualitative_cases(run.slices), failure_cases(run.slices)
    maps = {method: _predicted(stage, own, list(cases.values())) for method, own in runs.items()}
    found = {method: own["probability"] for method, own in maps.items()}
    shown = fig_qualitative.case_rows(cases, runs, found, shard, threshold)
    write_figure(stage, "qualitative", fig_qualitative.draw(shown, found, shard, threshold), shown)
    prompts = read_prompts(stage.input("data/prompts/test.csv"))
    texts = dict(zip(prompts["slice_id"], prompts["text"], strict=True))
    _overview(stage, runs, maps, shard, texts)
    shown = fig_failures.failure_rows(failed, run, texts)
    wrong = _predicted(stage, run, list(failed.values()))["probability"]
    write_figure(stage, "failures", fig_failures.draw(shown, wrong, shard, threshold), shown)
    place, row = list(cases).index(MEDIAN), cases[MEDIAN]
    own = {name: values[place] for name, values in maps[run.method].items()}
    pixels = fig_uncertainty.pixel_rows(shard.images[row], shard.masks[row], own, threshold)
    title = f"{label(run.method)}, median case\n{shard.table['slice_id'].iloc[row]}"
    figure = fig_uncertainty.draw(pixels, title, threshold)
    write_figure(stage, "uncertainty_maps", figure, pixels)


def _overview(
    stage: "Stage",
    runs: Mapping[str, Run],
    maps: Mapping[str, Mapping[str, NDArray[Any]]],
    shard: Shard,
    texts: Mapping[str, str],
) -> None:
    """The picture to begin with; its cases are the first ones of Figure 3."""
    reference, threshold = (
        stage.params["tables"]["reference"],
        stage.params["evaluation"]["threshold"],
    )
    own = {name: runs[name] for name in fig_overview.columns(list(runs), reference)}
    cases = choose_cases(runs[reference].slices)
    found = {name: maps[name]["probability"] for name in own}
    vacuity = maps[reference].get("vacuity")
    shown = fig_overview.overview_rows(cases, own, found, vacuity, shard, texts, threshold)
    figure = fig_overview.draw(shown, found, vacuity, shard, threshold)
    write_figure(stage, "overview", figure, shown)


def _predicted(stage: "Stage", run: Run, rows: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Some slices of a run's probability and, of an evidential head, evidence and vacuity."""
    path = EVALUATION / run.name / "predictions.safetensors"
    tensors = read_tensors(stage.input(path))
    names = [name for name in ("probability", "evidence", "vacuity") if name in tensors]
    return {name: tensors[name][np.asarray(rows, dtype=np.int64)] for name in names}


def _heat_maps(stage: "Stage", shard: Shard) -> None:
    """Figure 4 and its quantities."""
    maps = read_tensors(stage.input(GRADCAM / "maps.safetensors"))
    cases, facts, summary = (
        read_csv(stage.input(GRADCAM / f"{name}.csv")) for name in ("cases", "slices", "summary")
    )
    unknown = sorted(set(cases["slice_id"]) - set(shard.table["slice_id"]))
    if unknown:
        raise InputError(
            f"{GRADCAM}/cases.csv: {unknown[0]} is not in data/slices/test; run the stage gradcam again"
        )
    shown = fig_gradcam_cases.panel_rows(cases, facts, maps)
    write_figure(stage, "gradcam_cases", fig_gradcam_cases.draw(shown, maps, shard), shown)
    stages = fig_gradcam_stages.stage_rows(summary)
    write_figure(stage, "gradcam_stages", fig_gradcam_stages.draw(stages), stages)


def _probabilities(stage: "Stage") -> None:
    """Reliability of UNet, its temperatures and dropout, and of the networks with and without EL."""
    diagrams = read_csv(stage.input(UNCERTAINTY / "reliability.csv"), ["method", "kind", "scope"])
    called, groups = believed.names(stage.params), believed.groups(stage.params)
    bins = fig_reliability.bin_rows(diagrams, called, groups)
    write_figure(stage, "reliability", fig_reliability.draw(bins), bins)


def _curves(stage: "Stage", runs: Sequence[Run]) -> None:
    """Training curves and the curves of the loss weights."""
    variants = read_runs(stage, COLUMNS, rows="variants")
    epochs = fig_training.epoch_rows({(run.method, run.seed): _history(stage, run) for run in runs})
    write_figure(stage, "training_curves", fig_training.draw(epochs), epochs)
    swept = {name for _, _, name in sweep_names(stage.params)}
    named = by_name([run for run in (*runs, *variants) if run.method in {BASE, *swept}])
    validation = best_validation(
        {name: [_history(stage, run) for run in own] for name, own in sorted(named.items())}
    )
    weights = fig_weights.weight_rows(stage.params, named, validation)
    write_figure(stage, "weights", fig_weights.draw(weights), weights)


def _history(stage: "Stage", run: Run) -> "pd.DataFrame":
    return read_csv(stage.input(RUNS / run.name / "history.csv"), ["epoch", "validation_dice"])
