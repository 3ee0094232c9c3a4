"""Table 1's rows, headers and notes: every method's overlap and complexity, beside the paper's values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.io import NONE
from textbcs.base.variants import BASE
from textbcs.evaluation.statistics import aggregates
from textbcs.evaluation.statistics.intervals import CONFIDENCE, percent_limits
from textbcs.evaluation.statistics.paired_differences import paired_difference
from textbcs.evaluation.statistics.runs import Run, by_method
from textbcs.reporting.common import notes as notes_below
from textbcs.reporting.common.labels import comparable_headers, label, paper

if TYPE_CHECKING:
    import pandas as pd

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
# Column -> its aggregate.
AGGREGATES = {
    "dice_slice_mean": "dice_slice_mean",
    "miou_slice_mean": "iou_slice_mean",
    "dice_patient_mean": "dice_patient_mean",
    "dice_pooled": "dice_pooled",
    "miou_pooled": "iou_pooled",
    "dice_two_class_slice_mean": "dice_two_class_slice_mean",
    "miou_two_class_slice_mean": "iou_two_class_slice_mean",
    "dice_native_slice_mean": "dice_native_slice_mean",
    "false_alarm_share": aggregates.ALARM_SHARE,
}
# The same of the table of differences.
DIFFERENCES = {
    "subtrahend": f"{label(BASE)} minus",
    "seeds": "Seeds",
    "patients": "Patients",
    "dice_difference": "Dice difference, points (mean over patients)",
    "low": "95 % from",
    "high": "to",
}


def table1_row(
    method: str,
    runs: Sequence[Run],
    complexity: Mapping[str, Any],
    bootstrap: Mapping[str, Any],
    duke: bool,
) -> dict[str, Any]:
    """One method's row; with several seeds each score, and each patient's in the interval, is their mean."""
    printed = paper()["table1"].get(method, {})
    row: dict[str, Any] = {
        "method": method,
        "label": label(method),
        "reads_at_test": complexity["reads_at_test"],
        "seeds": len(runs),
        **_scores(runs),
        "dice_patient_interval": percent_limits(aggregates.dice_interval(runs, bootstrap)),
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


def _scores(runs: Sequence[Run]) -> dict[str, float]:
    """A method's counts, and its aggregates in percent; each name says over what it is a mean."""
    found = aggregates.over_seeds(runs, aggregates.overlap_aggregates)
    counted = aggregates.overlap_aggregates(runs[0].slices)
    follows = [side_follows_prompt(run.slices[run.slices["kind"] == "tumour"]) for run in runs]
    return {
        "tumour_slices": float(counted["dice_slice_mean"].total),
        "tumour_free_slices": float(counted[aggregates.ALARM_SHARE].total),
        "patients": float(counted["dice_patient_mean"].used),
        **{column: 100 * found[name] for column, name in AGGREGATES.items()},
        "side_follows_prompt": 100 * float(np.mean(follows)),
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
        if name == BASE or BASE not in methods:
            continue
        found = paired_difference(methods[BASE], own, bootstrap)
        rows.append(
            {
                "minuend": BASE,
                "subtrahend": name,
                "seeds": len(own),
                "patients": found.patients,
                "dice_difference": 100 * found.mean,
                "low": 100 * found.low,
                "high": 100 * found.high,
                "confidence": CONFIDENCE,
            }
        )
    return frame(rows)


def table1_notes(rows: Sequence[Mapping[str, Any]], gaps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sentences below Table 1.

    Args:
        rows: of the table.
        gaps: of the table of differences.
    """
    alarms = "alarms on tumour-free slices, in percent"
    return [
        *notes_below.overlap_notes(rows, gaps, BASE),
        *notes_below.prompt_notes(rows),
        *notes_below.alarm_notes(rows, "false_alarm_share", alarms, BASE),
    ]


def tracked_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Score -> method -> value in percent, of the columns in `TRACKED`; None where there is no value."""
    return {
        score: {row["method"]: row[score] if _filled(row[score]) else None for row in rows}
        for score in TRACKED
    }


def column_headers(
    rows: Sequence[Mapping[str, Any]], duke: bool, kind: str = "folder"
) -> dict[str, str]:
    """Headers of the columns that some row fills; a phantom's say what cannot be compared.

    Args:
        rows: of the table.
        duke: whether the cohort is the paper's.
        kind: `cohort.kind`; only NIfTI has another grid than DICOM's.
    """
    filled = {
        key: text for key, text in HEADERS.items() if any(_filled(row.get(key)) for row in rows)
    }
    if kind == "nifti":
        filled = {
            key: text.replace("DICOM grid", "grid of the files") for key, text in filled.items()
        }
    return comparable_headers(filled, duke)


def _filled(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and np.isnan(value))


def frame(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Rows as a table."""
    import pandas as pd

    return pd.DataFrame(list(rows))
