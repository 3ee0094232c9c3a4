"""The method for use, its twin without text and nnU-Net on whole volumes: its recipe, and what it reaches.

    python benchmarks/for_use.py recipe [--phantoms 11 12]
    python benchmarks/for_use.py reached [--seeds 1 2 3] [--cache .dvc/cache]

`recipe` trains `textbcs_plus` and one variant of it for each choice of its recipe, once each, on phantoms
that are not the default's (its seed is refused): operating points come from their validation patients, scores
from their test patients, whom the default never sees. `reached` trains `textbcs_plus`, its twin, nnU-Net and
the paper's TextBCS with each seed on the default phantom and prints what docs/explanation/volumes.md asks of
them: a patient's score is the mean over the trainings, and the limits are over patients. Each is a clone of
HEAD that the pipeline itself runs.

Writes the part that ran of `benchmarks/results/for_use.json`. What misses its aim stands there as it is.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import pandas as pd
from clones import ROOT, change_parameters, clone_of_head, merge, run_targets
from pipeline import processor

from textbcs.base import io, kernels
from textbcs.evaluation.volumes.means import (
    SENSITIVITY,
    by_patient,
    difference_interval,
    metric_interval,
)
from textbcs.settings.presets import read_preset

RESULT = ROOT / "benchmarks/results/for_use.json"
FOR_USE, TWIN, YARDSTICK, PAPER = "textbcs_plus", "textbcs_plus_no_text", "nnunet", "textbcs"
SCORES = "results/volume_scores/patients.csv"
# What each line of the ablation changes in `textbcs_plus`.
LINES: dict[str, dict[str, Any]] = {
    FOR_USE: {},
    "without_tumour_free_slices": {"training": {"tumour_free": 0.0}},
    "without_case_prompts": {"training": {"asked": {"case": 0.0}}},
    "without_wrong_prompts": {"training": {"asked": {"wrong": 0.0}}},
    "a_quarter_of_the_wrong_prompts": {"training": {"asked": {"wrong": 0.1}}},
    "without_empty_prompts": {"training": {"asked": {"empty": 0.0}}},
    "without_other_wordings": {"training": {"asked": {"reworded": 0.0}}},
    "dice_of_slices": {"loss": {"batch_dice": False}},
    "without_alignment": {"loss": {"lambda_alignment": 0.0}},
    "alignment_of_all_pixels": {"loss": {"balanced_alignment": False}},
}
SHOWN = ("dice", SENSITIVITY, "false_components")


def main() -> None:
    """Run one part and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("part", choices=("recipe", "reached"))
    parser.add_argument("--phantoms", nargs="+", type=int, default=[11, 12])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--cores", default="all")
    parser.add_argument("--cache", type=Path, help="the cache of a run that is finished")
    parser.add_argument("--keep", type=Path, help="a folder for the clones, which stay")
    options = parser.parse_args()
    params = read_preset("phantom", ROOT / "presets")
    if options.part == "recipe" and params["phantom"]["seed"] in options.phantoms:
        sys.exit(f"phantom seed {params['phantom']['seed']} is the default's; choose others")
    known = io.read_json(RESULT) if RESULT.is_file() else {}
    machine = {"cpu": processor(), "kernels": kernels.label()}
    with tempfile.TemporaryDirectory(prefix="textbcs-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        if options.part == "recipe":
            rows = [
                row for seed in options.phantoms for row in recipe(folder, params, seed, options)
            ]
            known["recipe"] = {"machine": machine, "rows": rows}
        else:
            known["reached"] = {"machine": machine, **reached(folder, params, options)}
    io.write_json(RESULT, known)
    print(io.canonical_json(known[options.part]))


def recipe(
    folder: Path, params: Mapping[str, Any], phantom: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row for each line of the ablation on one phantom."""
    names = {line: line if line == FOR_USE else f"{FOR_USE}_{line}" for line in options.lines}
    variants = {}
    for line, name in names.items():
        own = copy.deepcopy(params["variants"][FOR_USE])
        merge(own, LINES[line])
        variants[name] = own
    clone = folder / f"phantom_{phantom}"
    clone_of_head(clone, options.cache)
    changes = {
        "phantom": {"seed": phantom},
        "variants": variants,
        "tables": {"for_use": [*names.values(), TWIN]},
        "volumes": {
            "methods": {"image": [YARDSTICK], "text": [PAPER]},
            "variants": {"image": [TWIN], "text": [*names.values()]},
        },
    }
    change_parameters(clone, changes)
    run_targets(clone, ["results/receipts/volume_score.json"], options.cores)
    table = io.read_csv(clone / SCORES)
    bootstrap = params["evaluation"]["bootstrap"]
    lines = {**{name: line for line, name in names.items()}, TWIN: "without_text"}
    lines |= {YARDSTICK: YARDSTICK, PAPER: PAPER}
    rows = []
    for (method, source), own in table.groupby(["method", "source"], sort=False):
        row = {"phantom": phantom, "line": lines[method], "source": source}
        found = {m: round(metric_interval(by_patient(own), m, bootstrap).mean, 4) for m in SHOWN}
        rows.append(row | found | {"patients": len(own)})
    return rows


def reached(folder: Path, params: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The scores over all trainings on the default phantom, and each aim with what came out."""
    clone = folder / "default"
    clone_of_head(clone, options.cache)
    methods = {"image": [YARDSTICK], "text": [PAPER]}
    changes = {"seeds": options.seeds, "replicates": {"seeds": []}}
    change_parameters(clone, changes | {"volumes": {"methods": methods}})
    targets = ["results/receipts/volume_score.json", "results/receipts/prompt_check.json"]
    run_targets(clone, targets, options.cores)
    scores = io.read_csv(clone / SCORES)
    return {**judged(scores, params), "auroc_of_wrong_sides": detectors(clone, options.seeds)}


def judged(scores: pd.DataFrame, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows of patients say: the trainings behind them, means over these, and the aims."""
    tables = over_trainings(scores)
    bootstrap = params["evaluation"]["bootstrap"]
    means = [
        {"method": method, "source": source, "metric": metric}
        | shown(metric_interval(own, metric, bootstrap))
        for (method, source), own in tables.items()
        for metric in SHOWN
    ]
    seeds = {name: sorted({*own["seed"].tolist()}) for name, own in scores.groupby("method")}
    beside = paper_beside(tables, bootstrap)
    return {"seeds": seeds, "means": means, "aims": aims(tables, bootstrap), "beside": beside}


def detectors(clone: Path, seeds: list[int]) -> dict[str, list[float]]:
    """The AUROC of wrong sides of each training's detector."""
    return {
        name: [detection(clone, f"{name}-s{seed}") for seed in seeds] for name in (FOR_USE, PAPER)
    }


def over_trainings(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """By network and source, each patient's scores as the mean over the trainings."""
    tables = {}
    for key, own in table.groupby(["method", "source"], sort=False):
        numbers = own.drop(columns=["method", "seed", "source"])
        tables[key] = by_patient(numbers.groupby("patient").mean().reset_index())
    return tables


def aims(
    tables: Mapping[tuple[str, str], pd.DataFrame], bootstrap: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Each aim: what is compared, its limit, what came out and whether it is met."""
    twin, other = tables[TWIN, "none"], tables[YARDSTICK, "none"]
    asked = {source: own for (name, source), own in tables.items() if name == FOR_USE}
    rows = []

    def compared(
        what: str, one: pd.DataFrame, than: pd.DataFrame, metric: str, least: float
    ) -> None:
        found = difference_interval(one, than, metric, bootstrap)
        rows.append({"aim": what, "at_least": least, "met": found.mean >= least, **shown(found)})

    for source in ("wrong_side", "empty"):
        compared(f"dice, {source} prompt, less the twin's", asked[source], twin, "dice", -0.01)
    true, automatic = asked["patient"], asked["automatic"]
    compared("dice, automatic prompt, less the true prompt's", automatic, true, "dice", -0.02)
    compared("dice, automatic prompt, less the twin's", automatic, twin, "dice", 0.0)
    found = metric_interval(automatic, "false_components", bootstrap)
    what = "false components a patient, automatic prompt"
    rows.append({"aim": what, "at_most": 0.5, "met": found.mean <= 0.5, **shown(found)})
    what = "lesion sensitivity, automatic prompt, less nnU-Net's"
    compared(what, automatic, other, SENSITIVITY, 0.0)
    found = difference_interval(true, other, "dice", bootstrap)
    what = "dice, true prompt, less nnU-Net's, limits above 0"
    rows.append({"aim": what, "low_above": 0.0, "met": found.low > 0, **shown(found)})
    return rows


def paper_beside(
    tables: Mapping[tuple[str, str], pd.DataFrame], bootstrap: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The paper's TextBCS with each source of prompts, less the twin without text: no aim is set for it."""
    twin = tables[TWIN, "none"]
    return [
        {"method": PAPER, "source": source, "dice_less_the_twin": shown(found)}
        for (name, source), own in tables.items()
        if name == PAPER and source != "slice"  # which leaks the slices with a tumour
        for found in [difference_interval(own, twin, "dice", bootstrap)]
    ]


def shown(found: Any) -> dict[str, Any]:
    """A mean with its limits, rounded."""
    return {name: round(float(getattr(found, name)), 4) for name in ("mean", "low", "high")}


def detection(clone: Path, run: str) -> float:
    """The AUROC of wrong sides of a training's detector."""
    rows = io.records(io.read_csv(clone / f"results/prompt_check/{run}/detection.csv"))
    return next(round(float(row["auroc"]), 4) for row in rows if row["slot"] == "location")


if __name__ == "__main__":
    main()
