"""The table of differences on whole volumes: one network and prompt minus another, by patient."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import NONE, source_label
from textbcs.reporting.volumes.scores_by_prompt import interval_text, measures

if TYPE_CHECKING:
    import pandas as pd

OUTSIDE = (
    "Differences are paired by patient, in points of a share, mm, components or ml. They stand in no family "
    "of tests: no interval is adjusted for how many there are. What was asked beforehand: whether a prompt "
    "helps, and whether a wrong or missing one does harm against the same recipe without text."
)
_PAIR = ("method", "source", "other", "other_source", "seed")


def headers(tolerances_mm: Sequence[float], seeds: int) -> dict[str, str]:
    """Heading of each printed column: who is held against whom, then a column a measure."""
    return {
        "minuend": "Network, prompt",
        "subtrahend": "minus",
        **({"seed": "Seed"} if seeds > 1 else {}),
        **{name: _unit(text) for name, (text, _) in measures(tolerances_mm).items()},
    }


def difference_values(
    comparisons: "pd.DataFrame", tolerances_mm: Sequence[float]
) -> list[dict[str, Any]]:
    """The comparisons in printed units, a row per pair and measure: points of a share, mm, components, ml.

    Args:
        comparisons: `method`, `source`, `other`, `other_source`, `seed`, `metric`, `difference`, `low`,
            `high`, `patients` of the stage `volume_score`.
        tolerances_mm: of the NSD.
    """
    known = measures(tolerances_mm)
    rows = []
    for row in records(comparisons):
        factor = known[row["metric"]][1]
        scaled = {name: factor * float(row[name]) for name in ("difference", "low", "high")}
        rows.append({**row, **scaled})
    return rows


def difference_rows(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they are printed, one a pair; a cell reads `difference (from to)`."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for value in values:
        named = {
            "minuend": _who(value["method"], value["source"]),
            "subtrahend": _who(value["other"], value["other_source"]),
            "seed": str(value["seed"]),
        }
        row = rows.setdefault(tuple(value[name] for name in _PAIR), named)
        limits = (value["low"], value["high"], value["patients"])
        row[value["metric"]] = interval_text(value["difference"], *limits)
    return list(rows.values())


def _who(method: str, source: str) -> str:
    """A network and what it is asked with; one that reads no text is asked with nothing."""
    return label(method) if source == NONE else f"{label(method)}, {source_label(source)}"


def _unit(heading: str) -> str:
    """A share in percent differs by points."""
    return heading.removesuffix(" %") + ", points" if heading.endswith(" %") else heading


def difference_notes(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which differences of Dice have their whole interval on one side of 0, and which are open."""
    groups: dict[str, list[str]] = {"above 0": [], "below 0": [], "on both sides of 0": []}
    for row in values:
        if row["metric"] == "dice":
            side = (
                "above 0"
                if row["low"] > 0
                else "below 0"
                if row["high"] < 0
                else "on both sides of 0"
            )
            other = _who(row["other"], row["other_source"])
            groups[side].append(f"{_who(row['method'], row['source'])}, against {other}")
    told = [
        f"Dice, interval {side}: {'; '.join(names)}." for side, names in groups.items() if names
    ]
    return [*told, OUTSIDE]
