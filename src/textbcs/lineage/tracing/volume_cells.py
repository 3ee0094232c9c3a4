"""What stands behind a cell of the tables of whole volumes, and how it follows from the rows by patient.

These tables' stages read a file for all networks, so a cell rests on the file that holds its column. The
aggregations are written here once more, apart from the package that printed them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.lineage.records.graph import Item
from textbcs.lineage.tracing.effects import mean_limits, settings

if TYPE_CHECKING:
    import pandas as pd

SCORES = "results/volume_scores"
PATIENTS = f"{SCORES}/patients.csv"
CHECKS = "results/prompt_check"
LIMITS_WIDTH = 1.96  # standard deviations of limits of agreement
_CHALLENGE = ("performance", "ranking", "fairness")
_POINTS = ("threshold", "smallest_mm3")
_SHARES = ("dice", "nsd_")  # in percent
_MEANS = ("hd95_mm", "false_components", "false_ml")


def volumes_of(split: str) -> str:
    """The table of a split's whole volumes."""
    return f"data/volumes/{split}/patients.csv"


def sources(table: str, row: Mapping[str, str], column: str, inputs: Iterable[Item]) -> list[Item]:
    """The inputs on which a cell of a table of whole volumes rests; none for any other table.

    Args:
        table: its path.
        row: its cells by column.
        column: the cell's column.
        inputs: all that the table's stage has read.
    """
    name = Path(table).stem
    if name == "volumes":
        file = "mamamia" if column.startswith(_CHALLENGE) else "points" if column in _POINTS else ""
        wanted = (f"{SCORES}/{file}.csv",) if file else (f"{SCORES}/means.csv", PATIENTS)
        return [item for item in inputs if item.path in wanted]
    places = {
        "volume_differences": f"{SCORES}/comparisons.csv",
        "prompt_check": f"{CHECKS}/{row.get('method', '')}-s",
        "prompt_leak": "results/prompt_leak/",
        "prompt_agreement": "data/volumes/agreement.csv",
    }
    place = places.get(name)
    return [item for item in inputs if place and item.path.startswith(place)]


def recompute(
    table: str,
    row: Mapping[str, str],
    column: str,
    patients: "pd.DataFrame",
    params: Mapping[str, Any],
) -> tuple[float | str, ...]:
    """A cell of the table of whole volumes once more from its patients; () where there is no rule here.

    Args:
        table: its path.
        row: its cells, with `method`, `source` and `seed`.
        column: the cell's column.
        patients: `patients.csv` of the stage `volume_score`.
        params: parameters of the table's stage, by dotted key.
    """
    if Path(table).stem != "volumes":
        return ()
    mine = (patients["method"] == row["method"]) & (patients["source"] == row["source"])
    own = patients[mine & (patients["seed"].astype(str) == row["seed"])].sort_values("patient")
    if not len(own):
        return ()
    if column == "patients":
        return (float(len(own)),)
    if column == "distances_replaced":
        return (float(own["distance_replaced"].sum()),)
    if column == "lesion_sensitivity":
        return (100 * float(own["lesions_found"].sum()) / float(own["lesions"].sum()),)
    if column.startswith("volume_error_ml"):
        return (_agreement(own, column),)
    base = column.removesuffix("_low").removesuffix("_high")
    if base not in own or not base.startswith((*_SHARES, *_MEANS)):
        return ()
    if base != column and settings(params) is None:
        return ()
    factor = 100 if base.startswith(_SHARES) else 1
    mean, low, high = mean_limits(own[base].dropna().to_numpy(dtype=float), params)
    return (factor * {base: mean, f"{base}_low": low, f"{base}_high": high}[column],)


def _agreement(own: "pd.DataFrame", column: str) -> float:
    """Bias, or one of the limits of agreement, ml."""
    errors = (own["predicted_ml"] - own["reference_ml"]).to_numpy(dtype=float)
    mean = float(errors.mean())
    if column == "volume_error_ml":
        return mean
    if len(errors) < 2:
        return math.nan
    squares = float(((errors - mean) ** 2).sum())
    reach = LIMITS_WIDTH * math.sqrt(squares / (len(errors) - 1))
    return mean - reach if column.endswith("_low") else mean + reach


def whole_series(
    volumes: Iterable[Mapping[str, Any]], files: Iterable[Mapping[str, Any]], known: set[str]
) -> Iterator[dict[str, Any]]:
    """A record for each instance of the series that whole volumes were cut from.

    Args:
        volumes: rows of the table of a split's volumes, with `patient` and `series_uid`.
        files: rows of the list of files, with `series_uid` and `sop_uid`.
        known: instances that are listed already, and are left out.
    """
    patient = {row["series_uid"]: row["patient"] for row in volumes}
    for row in files:
        if row["series_uid"] in patient and row["sop_uid"] not in known:
            series = row["series_uid"]
            yield {"patient": patient[series], "series_uid": series, "sop_uid": row["sop_uid"]}
