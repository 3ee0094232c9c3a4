"""The table of the detector of wrong prompts: how well it tells a wrong word, and what its fall-back wins."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, records
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import attribute_label
from textbcs.reporting.volumes.scores_by_prompt import interval_text

if TYPE_CHECKING:
    import pandas as pd

HEADERS = {
    "label": "Network",
    "word": "Wrong word",
    "auroc": "AUROC",
    "error_rate": "Wrong prompts %",
    "detected": "of these detected %",
    "rejected_right": "Right ones rejected %",
    "dice_asked": "Dice % as asked",
    "dice_after_fallback": "Dice % after fall-back",
    "gain": "Points won back",
    "dice_true": "Dice % all right",
}
SHARES = (
    *("error_rate", "detected", "rejected_right", "dice_asked", "dice_after_fallback", "dice_true"),
    *("gain", "gain_low", "gain_high"),
)
NOTES = (
    "The detector asks the network once more with other words and looks at its image-text similarity. It is "
    "fitted on validation patients, and warns from a score that no more than 5 % of their right prompts "
    "reach. A case of which it warns is asked with the automatic prompt instead.",
    "Detected and rejected shares, and Dice, are expected values over which of the test prompts are wrong, "
    "computed from each patient's answers to the right and to the wrong prompt.",
    "Points won back: Dice after the fall-back minus Dice as asked, with the interval over patients. Below 0 "
    "the detector does harm at that share of wrong prompts.",
)


def detection_values(
    detection: Mapping[str, "pd.DataFrame"], rates: Mapping[str, "pd.DataFrame"]
) -> list[dict[str, Any]]:
    """A row per network, slot and share of wrong prompts; shares and Dice in percent.

    Args:
        detection: by network: `slot`, `auroc`, `low`, `high`, `patients`.
        rates: by network: `slot`, `error_rate`, and the other columns of `SHARES`.

    Raises:
        InputError: a slot has rates and no AUROC.
    """
    rows = []
    for method, table in rates.items():
        told = {row["slot"]: row for row in records(detection[method])}
        for row in records(table):
            own = told.get(row["slot"])
            if own is None:
                raise InputError(
                    f"results/prompt_check of {method}: detection.csv has no row for the slot "
                    f"{row['slot']!r}; run the stage prompt_check again"
                )
            shares = {name: 100 * float(row[name]) for name in SHARES}
            rows.append(
                {
                    "method": method,
                    "slot": row["slot"],
                    **{name: own[name] for name in ("auroc", "low", "high")},
                    "patients": own["patients"],
                    **shares,
                }
            )
    return rows


def detection_rows(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they are printed; rates as whole percents where they are."""
    return [
        {
            **row,
            "label": label(row["method"]),
            "word": attribute_label(row["slot"]),
            "auroc": interval_text(row["auroc"], row["low"], row["high"], row["patients"]),
            "gain": interval_text(row["gain"], row["gain_low"], row["gain_high"], row["patients"]),
            "error_rate": f"{row['error_rate']:g}",
        }
        for row in values
    ]
