"""Table 2 (the two parts of the proposed method) and Table 3 (its two loss weights).

Rows of both are variants of one configuration, found by what they change, so a table cannot hold a
run that differs in anything else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics import aggregates
from textbcs.evaluation.statistics.ablation_rows import Runs, ablation_names, sweep_names
from textbcs.evaluation.statistics.intervals import percent_limits
from textbcs.evaluation.statistics.paired_differences import paired_difference
from textbcs.evaluation.statistics.runs import Run

TABLE2 = {
    "label": "Row",
    "svli": "SVLI",
    "evidential": "EL",
    "dice_slice_mean": "Dice % (mean over slices)",
    "miou_slice_mean": "IoU % (tumour, mean over slices)",
    "dice_patient_mean": "Dice % (mean over patients)",
    "dice_patient_interval": "95 % interval over patients",
    "gain": "Dice over the first row (patients)",
    "gain_interval": "95 % interval",
    "paper_dice": "Paper Dice %",
    "paper_miou": "Paper mIoU %",
}
TABLE3 = {
    "weight": "Coefficient",
    "value": "Value",
    "validation_dice": "Validation Dice % (best epoch)",
    "dice_slice_mean": "Dice % (test, mean over slices)",
    "dice_patient_mean": "Dice % (test, mean over patients)",
    "dice_patient_interval": "95 % interval over patients",
    "against_base": "Dice over 0.01 (patients)",
    "against_base_interval": "95 % interval",
    "paper_dice": "Paper Dice %",
}


def table2_rows(
    params: Mapping[str, Any], runs: Runs, printed: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of Table 2, and below them Table 1's UNet, which has a configuration of its own."""
    bootstrap = params["evaluation"]["bootstrap"]
    names = ablation_names(params)
    paper = {(row["svli"], row["evidential"]): row for row in printed}
    first = runs[names[False, False]] if (False, False) in names else None
    rows = []
    for switches, name in names.items():
        values = paper.get(switches, {})
        rows.append(
            {
                "run": name,
                "label": row_label(*switches),
                "svli": _tick(switches[0]),
                "evidential": _tick(switches[1]),
                **scores(runs[name], bootstrap),
                **_gain(runs[name], first, bootstrap, "gain"),
                "paper_dice": values.get("dice"),
                "paper_miou": values.get("miou"),
            }
        )
    if RIVAL in runs:
        label = "UNet of Table 1, with its own configuration"
        own = scores(runs[RIVAL], bootstrap)
        rows.append({"run": RIVAL, "label": label, "svli": "", "evidential": "", **own})
    return rows


def table3_rows(
    params: Mapping[str, Any],
    runs: Runs,
    validation: Mapping[str, float],
    printed: Mapping[str, Mapping[float, float]],
) -> list[dict[str, Any]]:
    """The cells of Table 3, a row each.

    Args:
        params: `methods`, `variants`, `tables` and `evaluation`.
        runs: of the base and of every variant.
        validation: best validation Dice of each run, the mean over its seeds.
        printed: the paper's values by weight and value.
    """
    bootstrap = params["evaluation"]["bootstrap"]
    return [
        {
            "run": name,
            "weight": weight,
            "value": f"{value:g}",
            "validation_dice": 100 * validation[name],
            **scores(runs[name], bootstrap),
            **_gain(runs[name], runs[BASE], bootstrap, "against_base"),
            "paper_dice": printed.get(weight, {}).get(value),
        }
        for weight, value, name in sweep_names(params)
    ]


def better_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each cell of Table 3 that beats the TextBCS run on validation or on test."""
    base = next((row for row in rows if row["run"] == BASE), None)
    sentences = []
    for row in rows:
        if base is None or row["run"] == BASE:
            continue
        for column, where in (("validation_dice", "validation"), ("dice_slice_mean", "test")):
            if row[column] > base[column]:
                sentences.append(
                    f"{row['weight']} = {row['value']} has a higher {where} Dice than TextBCS "
                    f"({row[column]:.2f} against {base[column]:.2f}); nothing was selected by it."
                )
    return sentences


def scores(runs: Sequence[Run], bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    """A run's Dice and IoU in percent, the mean over its seeds, with the interval over patients."""
    found = aggregates.over_seeds(runs, lambda own: aggregates.column_means(own, ("dice", "iou")))
    return {
        "dice_slice_mean": 100 * found["dice_slice_mean"],
        "miou_slice_mean": 100 * found["iou_slice_mean"],
        "dice_patient_mean": 100 * found["dice_patient_mean"],
        "dice_patient_interval": percent_limits(aggregates.dice_interval(runs, bootstrap)),
    }


def gain(
    runs: Sequence[Run], first: Sequence[Run], bootstrap: Mapping[str, Any]
) -> tuple[float, float, float]:
    """Patient-level Dice of `runs` minus `first` in points, with its limits, NaN where there are none."""
    found = paired_difference(runs, first, bootstrap)
    return 100 * found.mean, 100 * found.low, 100 * found.high


def _gain(
    runs: Sequence[Run], first: Sequence[Run] | None, bootstrap: Mapping[str, Any], name: str
) -> dict[str, Any]:
    if first is None or first is runs:
        return {}
    found = paired_difference(runs, first, bootstrap)
    return {name: 100 * found.mean, f"{name}_interval": percent_limits(found)}


def row_label(svli: bool, evidential: bool) -> str:
    """A row's name, from what it adds to the baseline."""
    return " ".join((["+ SVLI"] * svli) + (["+ EL"] * evidential)) or "Baseline"


def _tick(on: bool) -> str:
    return "yes" if on else ""
