"""Does every method learn: its Dice against an empty mask and against what the prompt alone buys."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text

if TYPE_CHECKING:
    import pandas as pd

WORDS = {"empty": "the empty mask", "prior": "the mean mask of the prompt's side and size"}

HEADERS = {
    "label": "Method",
    "dice": "Dice % (mean over patients)",
    "over_empty": "Dice over the empty mask, points",
    "over_empty_interval": "95 % interval (empty mask)",
    "over_prior": "Dice over the mean mask of the prompt's side and size, points",
    "over_prior_interval": "95 % interval (mean mask)",
    "learns": "Both lower limits above 0",
}


def trivial_rows(
    table: "pd.DataFrame", names: Sequence[str], labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row per method; below them the mean mask's own Dice.

    Args:
        table: as the stage `statistics` writes it.
        names: methods and variants that are shown, in order.
        labels: their printed names.
    """
    known = {(str(row["method"]), str(row["trivial"])): row for row in records(table)}
    rows = []
    for name in names:
        found = {other: known[name, other] for other in WORDS}
        row: dict[str, Any] = {
            "method": name,
            "label": labels.get(name, name),
            "dice": 100 * float(found["empty"]["dice"]),
        }
        for other, one in found.items():
            low, high = 100 * float(one["low"]), 100 * float(one["high"])
            row[f"over_{other}"] = 100 * float(one["difference"])
            row[f"over_{other}_interval"] = limits_text(low, high, int(one["patients"]))
            row[f"above_{other}"] = bool(one["above"])
        row["learns"] = "yes" if row["above_empty"] and row["above_prior"] else "no"
        rows.append(row)
    prior = known[names[0], "prior"]
    rows.append(
        {
            "method": "prior",
            "label": "Mean mask of the prompt's side and size (reads no image)",
            "dice": 100 * float(prior["trivial_dice"]),
        }
    )
    return rows


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each method that does not beat both rows, or one that says that all do."""
    tested = [row for row in rows if "learns" in row]
    said = []
    for row in tested:
        short = [other for other in WORDS if not row[f"above_{other}"]]
        if short:
            parts = (
                f"{WORDS[other]} ({row[f'over_{other}']:.2f} points, {row[f'over_{other}_interval']})"
                for other in short
            )
            said.append(
                f"{row['label']} is not shown to learn: the interval of its difference does not lie above 0 "
                f"against {' nor against '.join(parts)}."
            )
    return said or [
        f"All {len(tested)} rows are above both, by the lower limits of their intervals."
    ]
