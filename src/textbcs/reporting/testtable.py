"""Table 4: the paper's paired t-test at both units, and beside it the tests that fit the data.

A pure function on `results/statistics/comparisons.csv`; reads and writes no file.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.io import records

if TYPE_CHECKING:
    import pandas as pd

METRIC = "dice"

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
    "verdict": "Tests agree",
    "paper_p": "Paper p (unit not stated)",
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
                "interval": f"{100 * row['low']:.2f} to {100 * row['high']:.2f}",
                "dz": _with_limits(row, "cohen_dz"),
                "cliff": _with_limits(row, "cliffs_delta"),
                "patients": int(row["patients"]),
                "slices": int(row["slices"]),
                "verdict": "no" if row["verdicts_disagree"] else "yes",
                "paper_p": p_value(printed[name]) if name in printed else "",
            }
        )
    return rows


def p_value(p: float) -> str:
    """A p-value as it is printed: four decimals, or a bound; a dash where there is none."""
    if p != p:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def disagreements(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each baseline about which the tests do not agree."""
    return [
        f"Against {row['label']} the tests do not agree: after Holm t over slices {row['holm_t_slice']}, "
        f"t over patients {row['holm_t_patient']}, sign flips {row['holm_sign_flip']}, Wilcoxon "
        f"{row['holm_wilcoxon']}; difference {row['difference_points']:.2f} ({row['interval']})."
        for row in rows
        if row["verdict"] == "no"
    ]


def _with_limits(row: Mapping[str, Any], name: str) -> str:
    if row[name] != row[name]:
        return "–"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"
