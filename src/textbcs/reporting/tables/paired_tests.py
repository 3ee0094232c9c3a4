"""Table 4: the paper's paired t-test at both units, and beside it the tests that fit the data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text
from textbcs.reporting.common.notes import joined

if TYPE_CHECKING:
    import pandas as pd

METRIC = "dice"
# Test -> its name in a sentence.
NAMES = {
    "t_slice": "t over slices",
    "t_patient": "t over patients",
    "sign_flip": "sign flips",
    "wilcoxon": "Wilcoxon",
}

HEADERS = {
    "label": "TextBCS against",
    "p_t_slice": "p, paired t over slices",
    "p_t_patient": "p, paired t over patients",
    "p_sign_flip": "p, sign flips over patients",
    "p_wilcoxon": "p, Wilcoxon over patients",
    "holm_t_slice": "Holm, t over slices",
    "holm_t_patient": "Holm, t over patients",
    "holm_sign_flip": "Holm, sign flips",
    "holm_wilcoxon": "Holm, Wilcoxon",
    "difference_points": "Dice difference (patients)",
    "interval": "95 % interval (BCa, patients)",
    "dz": "Cohen's dz",
    "cliff": "Cliff's delta",
    "patients": "Patients",
    "slices": "Slices",
    "agree_unadjusted": "Tests and interval agree, unadjusted",
    "agree_holm": "Tests agree, Holm",
    "paper_p": "Paper p (unit not stated)",
}

# Under Table 4: what its two effect sizes are of.
EFFECTS = (
    "Cohen's dz is of the differences within a patient. Cliff's delta is the unpaired one: each patient's "
    "TextBCS value against every patient's value of the other method, not the same patient's alone; what "
    "patients differ by among themselves draws it towards 0."
)

METRICS = {
    "label": "TextBCS against",
    "measure": "Metric",
    "difference_points": "Difference, points (patients)",
    "interval": "95 % interval (BCa, patients)",
    "p_t_slice": "p, t over slices",
    "p_t_patient": "p, t over patients",
    "p_sign_flip": "p, sign flips over patients",
    "p_wilcoxon": "p, Wilcoxon over patients",
    "holm_t_slice": "Holm, t over slices",
    "holm_t_patient": "Holm, t over patients",
    "holm_sign_flip": "Holm, sign flips",
    "holm_wilcoxon": "Holm, Wilcoxon",
    "agree_unadjusted": "Tests and interval agree, unadjusted",
    "agree_holm": "Tests agree, Holm",
    "win_share": "Patients for whom TextBCS is better %, ties half",
}


def table4_rows(
    comparisons: "pd.DataFrame", labels: Mapping[str, str], printed: Mapping[str, float]
) -> list[dict[str, Any]]:
    """A row per baseline, Dice only.

    Args:
        comparisons: as the stage `statistics` writes them.
        labels: printed names of the methods.
        printed: the paper's p-values.
    """
    rows = []
    for row in records(comparisons[comparisons["metric"] == METRIC]):
        name = str(row["baseline"])
        rows.append(
            {
                "method": name,
                "label": labels.get(name, name),
                **{
                    key: p_value(row[key])
                    for key in HEADERS
                    if key[:2] == "p_" or key[:5] == "holm_"
                },
                "difference_points": 100 * row["difference"],
                "interval": limits_text(100 * row["low"], 100 * row["high"], row["patients"]),
                "dz": _with_limits(row, "cohen_dz"),
                "cliff": _with_limits(row, "cliffs_delta"),
                "patients": int(row["patients"]),
                "slices": int(row["slices"]),
                **_agreement(row),
                "holm_changes": holm_changes(row),
                "paper_p": p_value(printed[name]) if name in printed else "",
            }
        )
    return rows


def metric_rows(comparisons: "pd.DataFrame", labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per metric and baseline, the metrics in the order of the file: what Table 4 has of Dice alone."""
    return [
        {
            "method": str(row["baseline"]),
            "metric": str(row["metric"]),
            "label": labels.get(str(row["baseline"]), str(row["baseline"])),
            "measure": metric_label(str(row["metric"])),
            "difference_points": 100 * row["difference"],
            "interval": limits_text(100 * row["low"], 100 * row["high"], row["patients"]),
            **{key: p_value(row[key]) for key in METRICS if key[:2] == "p_" or key[:5] == "holm_"},
            **_agreement(row),
            "win_share": 100 * row["win_share"],
        }
        for row in records(comparisons)
    ]


def _agreement(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"agree_{kind}": "no" if row[f"disagree_{kind}"] else "yes"
        for kind in ("unadjusted", "holm")
    }


def metric_label(metric: str) -> str:
    """A metric's printed name, such as `NSD at 1 mm` of `nsd_1mm`."""
    if metric.startswith("nsd_"):
        return f"NSD at {metric.removeprefix('nsd_').removesuffix('mm')} mm"
    return {"dice": "Dice", "iou": "IoU (tumour)"}.get(metric, metric)


def metric_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is adjusted over what, that metrics of one mask are no independent evidence, and which metric's
    tests disagree; Dice's stand under Table 4 with their numbers."""
    metrics = dict.fromkeys(row["measure"] for row in rows)
    if len(metrics) < 2:
        return []
    said = [
        f"Holm's adjustment is over the baselines, for each metric separately. {joined(metrics)} score the "
        "same masks, so their agreement is no additional evidence."
    ]
    for metric in metrics:
        for kind, what in (
            ("unadjusted", "the unadjusted tests and the unadjusted interval"),
            ("holm", "the tests after Holm"),
        ):
            names = [
                str(row["label"])
                for row in rows
                if row["measure"] == metric and row[f"agree_{kind}"] == "no"
            ]
            if names:
                said.append(f"{metric}: {what} do not agree against {', '.join(names)}.")
    return said


def p_value(p: float) -> str:
    """A p-value as it is printed: four decimals, or a bound; a dash where there is none."""
    if p != p:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def holm_changes(row: Mapping[str, Any]) -> str:
    """The tests that are significant before Holm's adjustment and not after it, by name."""
    before, after = (
        set(str(row[column]).split()) for column in ("significant_unadjusted_by", "significant_by")
    )
    return ", ".join(name for test, name in NAMES.items() if test in before - after)


def disagreements(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each baseline and kind of disagreement: unadjusted, adjusted, and between the two."""
    said = []
    for row in rows:
        raw, adjusted = (
            ", ".join(f"{name} {row[f'{kind}_{test}']}" for test, name in NAMES.items())
            for kind in ("p", "holm")
        )
        if row["agree_unadjusted"] == "no":
            said.append(
                f"Against {row['label']} the unadjusted tests and the unadjusted interval do not agree: "
                f"{raw}; difference {row['difference_points']:z.2f} ({row['interval']})."
            )
        if row["agree_holm"] == "no":
            said.append(f"Against {row['label']} the tests do not agree after Holm: {adjusted}.")
        if row["holm_changes"]:
            said.append(
                f"Against {row['label']} Holm's adjustment over the {len(rows)} comparisons changes the "
                f"verdict of {row['holm_changes']}, no longer significant: unadjusted {raw}; "
                f"Holm {adjusted}."
            )
    return said


def _with_limits(row: Mapping[str, Any], name: str) -> str:
    if row[name] != row[name]:
        return "–"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    limits = f"{low:z.2f} to {high:z.2f}" if low == low else "–"
    return f"{row[name]:z.2f} ({limits})"
