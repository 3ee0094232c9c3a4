"""The stage `figures`: the paper's result figures and the evidence that it lacks.

Reads the evaluated runs of Table 1 and of the variants, their training curves, the test slices and
prompts, `results/gradcam/`, `results/robustness/`, `results/uncertainty/` and `results/statistics/`; writes
`reports/figures/<name>` as PDF and PNG with what is drawn as CSV beside it. Each figure has a module of its
own in `reporting/figures`. Where there are several seeds, pictures show the first one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_csv, read_tensors
from textbcs.base.variants import BASE
from textbcs.dataset.prompt_table import read_prompts
from textbcs.dataset.slice_store import Shard, read_slices
from textbcs.evaluation.statistics.ablation_rows import best_validation, by_name, sweep_names
from textbcs.evaluation.statistics.robustness_rows import read_tables
from textbcs.evaluation.statistics.runs import Run, first_seed, read_runs
from textbcs.prediction.answers import ROBUSTNESS
from textbcs.prediction.files import read_maps
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.reporting.common import probability_names
from textbcs.reporting.common.labels import label, seed_spread
from textbcs.reporting.figures import (
    dose_response,
    failures,
    forest,
    gradcam_cases,
    gradcam_stages,
    loss_weights,
    qualitative,
    reliability,
    training_curves,
    uncertainty_maps,
)
from textbcs.reporting.figures import overview as overview_figure
from textbcs.reporting.figures import prompt_styles as prompt_styles_figure
from textbcs.reporting.figures import ranks as ranks_figure
from textbcs.reporting.figures.canvas import not_run, write_figure
from textbcs.reporting.figures.cases import MEDIAN, choose_cases, failure_cases, qualitative_cases

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

RUNS, UNCERTAINTY = Path("results/runs"), Path("results/uncertainty")
STATISTICS, GRADCAM = Path("results/statistics"), Path("results/gradcam")
WRONG_SIDE = "swapped_location"
NO_VARIANTS = "no variants are trained (tables.variants)"
COLUMNS = (
    *("slice_id", "patient", "kind", "dice", "true_positive", "false_positive", "lesions"),
    *("lesions_found", "reference_mm2", "false_positive_mm2"),
)


def run(stage: "Stage") -> None:
    """Draw all figures.

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
    compared = forest.difference_rows(comparisons, seed_spread(stage))
    write_figure(stage, "forest", forest.draw(compared), compared)
    ranks = ranks_figure.rank_rows(read_csv(stage.input(STATISTICS / "ranks.csv")))
    write_figure(stage, "ranks", ranks_figure.draw(ranks), ranks)
    prompt_figures(stage, shard)


def prompt_figures(stage: "Stage", shard: Shard) -> None:
    """Wrong prompts and prompt styles.

    Raises:
        InputError: an input is missing or damaged, or holds other slices than the test split.
    """
    paraphrases, tables = read_paraphrases(), read_tables(stage)
    points = dose_response.dose_points(tables, paraphrases, stage.params["evaluation"]["bootstrap"])
    unasked = set() if shard.table["side"].notna().any() else {WRONG_SIDE}  # nothing has a side
    points = points[~points["wrong"].isin(unasked)]
    write_figure(stage, "dose_response", dose_response.draw(points), points)
    method = BASE if BASE in tables else next(iter(tables))
    path = ROBUSTNESS / f"{method}-s{stage.params['seeds'][0]}" / "cases.safetensors"
    maps, rows = read_tensors(stage.input(path)), tables[method][0]
    if rows["slice_id"].iloc[: len(shard.table)].tolist() != shard.table["slice_id"].tolist():
        raise InputError(f"{path.parent}: other slices than data/slices/test; run robustness again")
    shown = prompt_styles_figure.style_rows(rows, paraphrases, method)
    if len(shown):
        shown = shown[~shown["probe"].isin(unasked)]
    threshold = float(stage.params["evaluation"]["threshold"])
    write_figure(
        stage, "prompt_styles", prompt_styles_figure.draw(shown, maps, shard, threshold), shown
    )


def _cases(stage: "Stage", shard: Shard, runs: Mapping[str, Run]) -> None:
    """The overview, Figures 3 and 5, the uncertainty maps: slices by the reference method's rows."""
    threshold = float(stage.params["evaluation"]["threshold"])
    run = runs[BASE]
    cases, failed = qualitative_cases(run.slices), failure_cases(run.slices)
    maps = {method: _predicted(stage, own, list(cases.values())) for method, own in runs.items()}
    found = {method: own["probability"] for method, own in maps.items()}
    shown = qualitative.case_rows(cases, runs, found, shard, threshold)
    write_figure(stage, "qualitative", qualitative.draw(shown, found, shard, threshold), shown)
    prompts = read_prompts(stage.input("data/prompts/test.csv"))
    texts = dict(zip(prompts["slice_id"], prompts["text"], strict=True))
    _overview(stage, runs, maps, shard, texts)
    shown = failures.failure_rows(failed, run, texts)
    wrong = _predicted(stage, run, list(failed.values()))["probability"]
    write_figure(stage, "failures", failures.draw(shown, wrong, shard, threshold), shown)
    place, row = list(cases).index(MEDIAN), cases[MEDIAN]
    own = {name: values[place] for name, values in maps[run.method].items()}
    pixels = uncertainty_maps.pixel_rows(shard.images[row], shard.masks[row], own, threshold)
    title = f"{label(run.method)}, median case\n{shard.table['slice_id'].iloc[row]}"
    figure = uncertainty_maps.draw(pixels, title, threshold)
    write_figure(stage, "uncertainty_maps", figure, pixels)


def _overview(
    stage: "Stage",
    runs: Mapping[str, Run],
    maps: Mapping[str, Mapping[str, NDArray[Any]]],
    shard: Shard,
    texts: Mapping[str, str],
) -> None:
    """The picture to begin with; its cases are the first ones of Figure 3."""
    threshold = stage.params["evaluation"]["threshold"]
    own = {name: runs[name] for name in overview_figure.columns(list(runs), BASE)}
    cases = choose_cases(runs[BASE].slices)
    found = {name: maps[name]["probability"] for name in own}
    vacuity = maps[BASE].get("vacuity")
    shown = overview_figure.overview_rows(cases, own, found, vacuity, shard, texts, threshold)
    figure = overview_figure.draw(shown, found, vacuity, shard, threshold)
    write_figure(stage, "overview", figure, shown)


def _predicted(stage: "Stage", run: Run, rows: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Some slices of a run's probability and, of an evidential head, evidence and vacuity."""
    tensors = read_maps(stage, run.name)
    names = [name for name in ("probability", "evidence", "vacuity") if name in tensors]
    return {name: tensors[name][np.asarray(rows, dtype=np.int64)] for name in names}


def _heat_maps(stage: "Stage", shard: Shard) -> None:
    """Figure 4 and its quantities."""
    maps = read_tensors(stage.input(GRADCAM / "maps.safetensors"))
    cases, facts = (read_csv(stage.input(GRADCAM / f"{name}.csv")) for name in ("cases", "slices"))
    summary = read_csv(stage.input(STATISTICS / "gradcam.csv"))
    if not len(cases):
        for name in ("gradcam_cases", "gradcam_stages"):
            write_figure(stage, name, not_run(NO_VARIANTS), cases)
        return
    unknown = sorted(set(cases["slice_id"]) - set(shard.table["slice_id"]))
    if unknown:
        raise InputError(
            f"{GRADCAM}/cases.csv: {unknown[0]} is not in data/slices/test; run the stage gradcam again"
        )
    shown = gradcam_cases.panel_rows(cases, facts, maps)
    write_figure(stage, "gradcam_cases", gradcam_cases.draw(shown, maps, shard), shown)
    stages = gradcam_stages.stage_rows(summary)
    write_figure(stage, "gradcam_stages", gradcam_stages.draw(stages), stages)


def _probabilities(stage: "Stage") -> None:
    """Reliability of UNet, its temperatures and dropout, and of the networks with and without EL."""
    diagrams = read_csv(stage.input(UNCERTAINTY / "reliability.csv"), ["method", "kind", "scope"])
    called, groups = probability_names.names(stage.params), probability_names.groups(stage.params)
    bins = reliability.bin_rows(diagrams, called, groups)
    write_figure(stage, "reliability", reliability.draw(bins), bins)


def _curves(stage: "Stage", runs: Sequence[Run]) -> None:
    """Training curves and the curves of the loss weights."""
    variants = read_runs(stage, COLUMNS, rows="variants")
    epochs = training_curves.epoch_rows(
        {(run.method, run.seed): _history(stage, run) for run in runs}
    )
    write_figure(stage, "training_curves", training_curves.draw(epochs), epochs)
    swept = {name for _, _, name in sweep_names(stage.params)}
    named = by_name([run for run in (*runs, *variants) if run.method in {BASE, *swept}])
    validation = best_validation(
        {name: [_history(stage, run) for run in own] for name, own in sorted(named.items())}
    )
    weights = loss_weights.weight_rows(stage.params, named, validation)
    alone = set(weights["run"]) == {BASE}
    drawn = not_run(NO_VARIANTS) if alone else loss_weights.draw(weights)
    write_figure(stage, "weights", drawn, weights)


def _history(stage: "Stage", run: Run) -> "pd.DataFrame":
    return read_csv(stage.input(RUNS / run.name / "history.csv"), ["epoch", "validation_dice"])
