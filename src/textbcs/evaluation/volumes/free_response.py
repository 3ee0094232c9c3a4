"""Lesions found against false components, as the threshold moves: points of the free-response curve."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.volumes.patient_scores import Reference, Rules

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["method", "seed", "source", "threshold"]
COUNTS = ["patients", "lesions", "lesions_found", "false_components"]


def response(
    masks: Iterable[tuple[float, NDArray[np.bool_]]], reference: Reference, rules: Rules
) -> list[dict[str, Any]]:
    """What one patient adds to each point: `threshold` and `COUNTS`.

    Args:
        masks: threshold and what is found at it (z, S, S), one at a time.
        reference: her true mask, on the same grid.
        rules: which components count.
    """
    rows = []
    for threshold, found in masks:
        counts = reference.lesions(found, rules)
        row = {"threshold": threshold, "patients": 1, "lesions": counts.lesions}
        row |= {"lesions_found": counts.lesions_found}
        rows.append({**row, "false_components": counts.false_components})
    return rows


def curve(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The points of all networks and sources: `KEYS`, and `COUNTS` over all patients."""
    return rows.groupby(KEYS, sort=False, as_index=False)[COUNTS].sum()
