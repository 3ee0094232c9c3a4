"""The table of whole volumes: a row per network and source of prompts, its columns, rows and notes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import source_label, source_place
from textbcs.reporting.volumes.volume_errors import agreement

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("method", "seed", "source")
# Column -> heading and factor; the tolerances of the NSD come between them.
MEASURES = {
    "dice": ("Dice %", 100),
    "hd95_mm": ("HD95 mm", 1),
    "lesion_sensitivity": ("Lesions found %", 100),
    "false_components": ("False components per patient", 1),
    "false_ml": ("False ml", 1),
}
# Column -> heading, of the challenge's scores, in percent.
CHALLENGE = {"performance": "MAMA-MIA performance %", "ranking": "MAMA-MIA ranking %"}
FAIRNESS = {
    "fairness_age": "age",
    "fairness_menopause": "menopause",
    "fairness_density": "breast density",
}


@dataclass(frozen=True)
class Scores:
    """What the stage `volume_score` has written, a table each."""

    points: "pd.DataFrame"
    patients: "pd.DataFrame"
    means: "pd.DataFrame"
    mamamia: "pd.DataFrame"


def measures(tolerances_mm: Sequence[float]) -> dict[str, tuple[str, int]]:
    """Column -> heading and factor of every measure that has an interval, in printed order."""
    nsd = {f"nsd_{one:g}mm": (f"NSD at {one:g} mm %", 100) for one in tolerances_mm}
    first, *others = MEASURES.items()
    return dict([first, *nsd.items(), *others])


def headers(tolerances_mm: Sequence[float], seeds: int) -> dict[str, str]:
    """Heading of each printed column; the seed has one where there are several."""
    return {
        "label": "Network",
        "prompt": "Prompt",
        **({"seed": "Seed"} if seeds > 1 else {}),
        **{name: text for name, (text, _) in measures(tolerances_mm).items()},
        "volume_error_ml": "Volume error ml (limits of agreement)",
        **CHALLENGE,
    }


def score_values(
    scores: Scores, methods: Sequence[str], tolerances_mm: Sequence[float]
) -> list[dict[str, Any]]:
    """A row per network, seed and source in full precision, percentages in percent, volumes in ml.

    Beside each measure stand `<measure>_low` and `<measure>_high`: limits of its interval over patients, and
    of the volume error the limits of agreement. NaN: there is no value.

    Args:
        scores: of the stage `volume_score`.
        methods: the networks, in the order of the table.
        tolerances_mm: of the NSD.
    """
    means = {(*(row[key] for key in KEYS), row["metric"]): row for row in records(scores.means)}
    points = {(row["method"], row["seed"]): row for row in records(scores.points)}
    challenge = {tuple(row[key] for key in KEYS): row for row in records(scores.mamamia)}
    found = []
    for key in _keys(scores.patients, methods):
        own = scores.patients[_is(scores.patients, key)]
        row: dict[str, Any] = {"method": key[0], "source": key[2], "seed": key[1]}
        row |= {"label": label(key[0]), "prompt": source_label(key[2]), "patients": len(own)}
        for name, (_, factor) in measures(tolerances_mm).items():
            row |= _scaled(name, means.get((*key, name), {}), factor)
        error = agreement(own["predicted_ml"], own["reference_ml"])
        row |= {"volume_error_ml": error.bias}
        row |= {"volume_error_ml_low": error.low, "volume_error_ml_high": error.high}
        scored = challenge.get(key, {})
        for name in (*CHALLENGE, "fairness", *FAIRNESS):
            row[name] = 100 * float(scored.get(name, math.nan))
        point = points[key[0], key[1]]
        row |= {name: point[name] for name in ("threshold", "smallest_mm3")}
        row["distances_replaced"] = int(own["distance_replaced"].sum())
        found.append(row)
    return found


def _keys(patients: "pd.DataFrame", methods: Sequence[str]) -> list[tuple[str, int, str]]:
    """Network, seed and source of each row, networks in the given order, then seeds, then sources."""
    every = {tuple(row[key] for key in KEYS) for row in records(patients[list(KEYS)])}
    place = {name: number for number, name in enumerate(methods)}
    known = [key for key in every if key[0] in place]
    return sorted(known, key=lambda key: (place[key[0]], key[1], source_place(key[2]), key[2]))


def _is(patients: "pd.DataFrame", key: tuple[str, int, str]) -> Any:
    method, seed, source = (patients[name] == value for name, value in zip(KEYS, key, strict=True))
    return method & seed & source


def _scaled(name: str, row: Mapping[str, Any], factor: int) -> dict[str, float]:
    parts = {"": "mean", "_low": "low", "_high": "high"}
    return {f"{name}{end}": factor * float(row.get(part, math.nan)) for end, part in parts.items()}


def printed_rows(
    values: Sequence[Mapping[str, Any]], tolerances_mm: Sequence[float]
) -> list[dict[str, Any]]:
    """The rows as they are printed: `value (from to)` in a cell, so that the table fits a page."""
    rows = []
    for value in values:
        row: dict[str, Any] = {name: value[name] for name in ("label", "prompt", "seed")}
        for name in (*measures(tolerances_mm), "volume_error_ml"):
            limits = (value[f"{name}_low"], value[f"{name}_high"])
            row[name] = interval_text(value[name], *limits, value["patients"])
        rows.append({**row, **{name: value[name] for name in CHALLENGE}})
    return rows


def interval_text(value: float, low: float, high: float, patients: int) -> str:
    """A value with its limits in brackets, or without any where there are none; a dash for no value."""
    if value != value:
        return "–"
    digits = 1 if abs(value) >= 10 else 2
    shown = f"{value:z.{digits}f}"
    return f"{shown} ({limits_text(low, high, patients, digits)})" if low == low else shown
