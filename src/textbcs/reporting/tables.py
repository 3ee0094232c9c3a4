"""Table 1: every method's overlap and complexity, the paper's printed values beside ours.

Reads the evaluated runs, `results/complexity/`, whose weights the text encoder has, and how far the seed
alone moves a score; writes
`reports/tables/table1.{csv,md,tex}` and `table1_differences.csv`, TextBCS against each other row at
patient level, and three scores once more in `reports/metrics/`, for `dvc metrics`. The paper's scores
are subtracted from ours only where the cohort is Duke.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.evaluation import metrics
from textbcs.evaluation.runs import EVALUATION, Run, by_method, read_runs
from textbcs.evaluation.statistics import mean_interval, patient_means
from textbcs.io import NONE, read_json, records, write_csv, write_json, write_text
from textbcs.reporting import remarks
from textbcs.reporting.ablation import paired, percent_limits
from textbcs.reporting.complexity import HEADERS as COMPLEXITY_HEADERS
from textbcs.reporting.complexity import NOTE as COMPLEXITY_NOTE
from textbcs.reporting.complexity import complexity_row
from textbcs.reporting.render import latex_table, markdown_table
from textbcs.reporting.runs import (
    NOT_COMPARABLE,
    encoder_label,
    is_duke,
    label,
    paper,
    prune,
    run_names,
    seed_spread,
    subject,
)

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

COMPLEXITY = Path("results/complexity")
METRICS = Path("reports/metrics")
OURS = "textbcs"

# Columns that `dvc metrics` shows, a file each, so that methods are its columns and scores its rows.
TRACKED = ("dice_slice_mean", "miou_slice_mean", "dice_patient_mean")

# Column -> its header in Markdown, LaTeX and HTML; the order is the order of the printed table.
HEADERS = {
    "label": "Method",
    "reads_at_test": "Reads at test",
    "first_weights": "First weights",
    "dice_slice_mean": "Dice % (mean over slices)",
    "miou_slice_mean": "IoU % (tumour, mean over slices)",
    "dice_patient_mean": "Dice % (mean over patients)",
    "dice_patient_interval": "95 % interval over patients",
    "dice_pooled": "Dice % (pooled pixels)",
    "miou_pooled": "IoU % (tumour, pooled pixels)",
    "dice_two_class_slice_mean": "Dice % (two classes, mean over slices)",
    "miou_two_class_slice_mean": "mIoU % (two classes, mean over slices)",
    "dice_native_slice_mean": "Dice % (DICOM grid, mean over slices)",
    "false_alarm_share": "False alarms % (tumour-free slices)",
    "side_follows_prompt": "Predictions that change side with the prompt %",
    "params_m": "Params M (full width, 224 px)",
    "params_mask_m": "Params M (used for the mask)",
    "flops_g": "FLOPs G (2 per MAC, 224 px, batch 1)",
    "paper_convention_g": "G as the paper counts (MACs, batch 2)",
    "params_here_m": "Params M (as trained here)",
    "paper_params_m": "Paper Params M",
    "paper_flops_g": "Paper Flops G",
    "paper_dice": "Paper Dice %",
    "paper_miou": "Paper mIoU %",
    "dice_minus_paper": "Dice, ours - paper",
    "miou_minus_paper": "IoU (tumour), ours - paper's mIoU",
}


def write_table1(stage: "Stage") -> None:
    """Write Table 1 and the patient-level differences."""
    methods = stage.params["tables"]["table1"]
    prune(EVALUATION, run_names(stage.params))
    prune(COMPLEXITY, [f"{method}.json" for method in methods])
    runs = read_runs(stage)
    complexity = {m: read_json(stage.input(COMPLEXITY / f"{m}.json")) for m in methods}
    bootstrap = stage.params["evaluation"]["bootstrap"]
    stage.seed = bootstrap["seed"]
    duke = is_duke(stage.params)
    rows = [
        table1_row(m, [run for run in runs if run.method == m], complexity[m], bootstrap, duke)
        for m in methods
    ]
    encoder = encoder_label(stage)
    for row in rows:
        row["first_weights"] = first_weights(stage.params["methods"][row["method"]]["initial"])
        row["text_encoder"] = encoder if complexity[row["method"]]["reads_text"] else ""
    headers = column_headers(rows, duke)
    title = f"Table 1. {subject(stage.params, runs[0].slices, free=True)}; text encoder {encoder}"
    write_csv(stage.output("reports/tables/table1.csv"), _frame(rows))
    gaps = differences(runs, bootstrap)
    notes = table1_notes(rows, records(gaps), stage.params["seeds"], seed_spread(stage))
    for form, made in (("md", markdown_table), ("tex", latex_table)):
        write_text(stage.output(f"reports/tables/table1.{form}"), made(title, headers, rows, notes))
    write_csv(stage.output("reports/tables/table1_differences.csv"), gaps)
    for score, values in tracked_scores(rows).items():
        write_json(stage.output(METRICS / f"{score}.json"), values)
    counted = [complexity_row(m, complexity[m], paper()["table1"].get(m, {})) for m in methods]
    title = "Complexity at the published size, one image of three channels"
    write_csv(stage.output("reports/tables/complexity.csv"), _frame(counted))
    text = f"{markdown_table(title, COMPLEXITY_HEADERS, counted)}\n- {COMPLEXITY_NOTE}\n"
    write_text(stage.output("reports/tables/complexity.md"), text)


def table1_row(
    method: str,
    runs: Sequence[Run],
    complexity: Mapping[str, Any],
    bootstrap: Mapping[str, Any],
    duke: bool,
) -> dict[str, Any]:
    """One method's row; with several seeds each score, and each patient's in the interval, is their mean."""
    scores = [_scores(run) for run in runs]
    mean = {key: float(np.mean([one[key] for one in scores])) for key in scores[0]}
    tumour = (run.slices[run.slices["kind"] == "tumour"] for run in runs)
    each = np.mean([patient_means(slices, "dice") for slices in tumour], axis=0)
    patients = mean_interval(each, **bootstrap)
    printed = paper()["table1"].get(method, {})
    row: dict[str, Any] = {
        "method": method,
        "label": label(method),
        "reads_at_test": complexity["reads_at_test"],
        "seeds": len(runs),
        **mean,
        "dice_patient_interval": percent_limits(patients),
        "params_m": complexity["params_as_trained"] / 1e6,
        "params_mask_m": complexity["params_for_mask"] / 1e6,
        "flops_g": complexity["flops"] / 1e9,
        "paper_convention_g": complexity["paper_convention_macs"] / 1e9,
        "params_here_m": complexity["params_here"] / 1e6,
        "paper_dice": printed.get("dice"),
        "paper_miou": printed.get("miou"),
        "paper_params_m": printed.get("params_m"),
        "paper_flops_g": printed.get("flops_g"),
    }
    if duke and printed:
        row["dice_minus_paper"] = row["dice_slice_mean"] - printed["dice"]
        row["miou_minus_paper"] = row["miou_slice_mean"] - printed["miou"]
    return row


def first_weights(initial: Mapping[str, Any]) -> str:
    """What a training starts from.

    Args:
        initial: the block `initial` of a method; it has `sha256` where the published training starts
            from weights of its own kind, and `pretraining` where the method has a pre-training.
    """
    if initial["weights"] not in ("none", NONE, ""):
        return Path(str(initial["weights"])).name
    if initial.get("pretraining"):
        return "own pre-training (weights: none)"
    return "random (weights: none)" if "sha256" in initial else "random"


def _scores(run: Run) -> dict[str, Any]:
    """A run's aggregates in percent; each name says over what it is a mean."""
    tumour = run.slices[run.slices["kind"] == "tumour"]
    free = run.slices[run.slices["kind"] == "negative"]
    pixels = tumour[["true_positive", "false_positive", "false_negative", "true_negative"]]
    pooled = metrics.pooled(pixels.to_numpy())
    patients = patient_means(tumour, "dice")
    alarm = (free["true_positive"] + free["false_positive"] > 0).mean() if len(free) else np.nan
    return {
        "tumour_slices": len(tumour),
        "tumour_free_slices": len(free),
        "patients": len(patients),
        "dice_slice_mean": 100 * tumour["dice"].mean(),
        "miou_slice_mean": 100 * tumour["iou"].mean(),
        "dice_patient_mean": 100 * patients.mean(),
        "dice_pooled": 100 * metrics.dice(pooled),
        "miou_pooled": 100 * metrics.iou(pooled),
        "dice_two_class_slice_mean": 100 * tumour["dice_two_class"].mean(),
        "miou_two_class_slice_mean": 100 * tumour["iou_two_class"].mean(),
        "dice_native_slice_mean": 100 * tumour["dice_native"].mean(),
        "false_alarm_share": 100 * float(alarm),
        "side_follows_prompt": 100 * side_follows_prompt(tumour),
    }


def side_follows_prompt(tumour: "pd.DataFrame") -> float:
    """Share of tumour slices whose predicted side changes when the prompt names the other side.

    Counted over the slices where the true prompt finds something; a prediction that vanishes under
    the exchanged prompt has not followed it. NaN for a method that reads no text.
    """
    found = tumour[tumour["predicted_side"].notna()]
    if tumour["dice_swapped"].isna().all() or not len(found):
        return float("nan")
    other = found["predicted_side_swapped"]
    return float((other.notna() & (other != found["predicted_side"])).mean())


def differences(runs: Sequence[Run], bootstrap: Mapping[str, Any]) -> "pd.DataFrame":
    """TextBCS minus each other method, Dice in points over patients, a row a method.

    Paired by slice; with several seeds a slice's value is the mean over them, as in `statistics`.
    """
    methods = by_method(runs)
    rows = []
    for name, own in methods.items():
        if name == OURS or OURS not in methods:
            continue
        found = paired(methods[OURS], own, bootstrap)
        rows.append(
            {
                "minuend": OURS,
                "subtrahend": name,
                "seeds": len(own),
                "patients": found.patients,
                "dice_difference": 100 * found.mean,
                "low": 100 * found.low,
                "high": 100 * found.high,
                "confidence": bootstrap["confidence"],
            }
        )
    return _frame(rows)


def table1_notes(
    rows: Sequence[Mapping[str, Any]],
    gaps: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    spread: Mapping[str, Any],
) -> list[str]:
    """The sentences below Table 1.

    Args:
        rows: of the table.
        gaps: of the table of differences.
        seeds: of this run.
        spread: `results/statistics/replicates.json`.
    """
    alarms = "alarms on tumour-free slices, in percent"
    return [
        *remarks.overlap_notes(rows, gaps, OURS),
        *remarks.prompt_notes(rows),
        *remarks.alarm_notes(rows, "false_alarm_share", alarms, OURS),
        *remarks.seed_notes(seeds, spread),
    ]


def tracked_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Score -> method -> value in percent, of the columns in `TRACKED`; None where there is no value."""
    return {
        score: {row["method"]: row[score] if _filled(row[score]) else None for row in rows}
        for score in TRACKED
    }


def column_headers(rows: Sequence[Mapping[str, Any]], duke: bool) -> dict[str, str]:
    """Headers of the columns that some row fills; a phantom's say what cannot be compared."""
    headers = {
        key: text for key, text in HEADERS.items() if any(_filled(row.get(key)) for row in rows)
    }
    if not duke:
        for key in ("paper_dice", "paper_miou"):
            if key in headers:
                headers[key] = f"{headers[key]} ({NOT_COMPARABLE})"
    return headers


def _filled(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and np.isnan(value))


def _frame(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(list(rows))
