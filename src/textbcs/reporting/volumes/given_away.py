"""The table of what prompts give away without any image, by their source and word."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text
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
    "prior_dice": "Dice % of the prompt alone",
    "interval": "95 % interval over patients",
    "patients": "Patients",
    "mutual_information_bits": "Shared with the mask, bits",
    "of_entropy_bits": "of, bits",
}
NOTES = (
    "The prompt alone: the mean mask of the training slices with the same words, cut where it serves the "
    "training slices best. Its Dice on the test patients' tumour slices needs no look at the image; what a "
    "text-guided network reaches beyond it is the image's part.",
    "Shared bits: the mutual information between the words and facts of the mask over validation and test "
    "slices, with the correction of Miller and Madow; beside it the entropy of these facts. Slices of one "
    "patient resemble each other, so it is too large rather than too small.",
    "A prompt that is written from the reference mask gives away what it says. An automatic prompt or a "
    "report was written without the mask, so what it shares with it was seen in the image. Their prompt-only "
    "mask is learnt from the true prompts of the training cases.",
)


def leak_values(leak: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows in printed units, sources in the order of the tables, the attributes in that of the file.

    Args:
        leak: `source`, `attribute`, `prior_dice`, `low`, `high`, `mutual_information_bits`,
            `of_entropy_bits`, `patients` and further counts of the stage `prompt_leak`.
    """
    rows = [
        {**row, **{name: 100 * float(row[name]) for name in ("prior_dice", "low", "high")}}
        for row in records(leak)
    ]
    return sorted(rows, key=lambda row: source_place(row["source"]))


def leak_rows(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they are printed."""
    return [
        {
            **row,
            "prompt": source_label(row["source"]),
            "word": attribute_label(row["attribute"]),
            "interval": _interval(row),
        }
        for row in values
    ]


def _interval(row: Mapping[str, Any]) -> str:
    """The limits; a dash where there is no Dice at all."""
    if row["prior_dice"] != row["prior_dice"]:
        return "–"
    return limits_text(row["low"], row["high"], int(row["patients"]))
