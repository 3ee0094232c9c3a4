"""The table of prompts that no reader wrote: how often each word is the case's own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import CONFIDENCE
from textbcs.reporting.common.source_labels import (
    attribute_label,
    source_label,
    source_place,
)

if TYPE_CHECKING:
    import pandas as pd

HEADERS = {
    "prompt": "Prompt",
    "word": "Word",
    "split": "Patients of",
    "patients": "Patients",
    "agreeing": "Agree",
    "agreement": "Agreement %",
    "interval": "95 % interval (Wilson)",
}
NOTES = (
    "Against the words of the case's own prompt, which is written from the three-dimensional reference mask. "
    "A prompt that found nothing agrees in no word.",
    "The first pass learned from the training patients and its operating point was chosen on the validation "
    "patients: of the test patients it knows nothing.",
)


def agreement_values(agreed: "pd.DataFrame") -> list[dict[str, Any]]:
    """A row per source, word and split: shares in percent with Wilson's interval, the test split first.

    Args:
        agreed: `split`, `source`, `attribute`, `patients`, `agreeing` of the stage `volume_prompts`.
    """
    rows = [_value(row) for row in records(agreed)]
    splits = ("test", "val", "train")
    return sorted(rows, key=lambda row: (splits.index(row["split"]), source_place(row["source"])))


def _value(row: Mapping[str, Any]) -> dict[str, Any]:
    from scipy.stats import binomtest

    agreeing, patients = int(row["agreeing"]), int(row["patients"])
    value = {**row, "agreement": float("nan"), "low": float("nan"), "high": float("nan")}
    if patients:
        found = binomtest(agreeing, patients).proportion_ci(CONFIDENCE, method="wilson")
        value["agreement"] = 100 * agreeing / patients
        value["low"], value["high"] = 100 * float(found.low), 100 * float(found.high)
    return value


def agreement_rows(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they are printed."""
    return [
        {
            **row,
            "prompt": source_label(row["source"]),
            "word": attribute_label(row["attribute"]),
            "interval": f"{row['low']:.1f} to {row['high']:.1f}"
            if row["low"] == row["low"]
            else "–",
        }
        for row in values
    ]
