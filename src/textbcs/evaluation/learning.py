"""Whether a method has learnt anything: its Dice against rows that no network made.

A method that does not beat an empty mask finds nothing; one that does not beat the mean mask of the
prompt's side and size (`trivial.py`) adds nothing to what the words alone say. Pure functions on runs;
reads and writes no file.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.runs import Run, tumour_slices
from textbcs.evaluation.statistics import mean_interval, patient_means

if TYPE_CHECKING:
    import pandas as pd


def against_trivial(
    methods: Mapping[str, Sequence[Run]],
    trivial: Mapping[str, Sequence[Run]],
    bootstrap: Mapping[str, Any],
) -> "pd.DataFrame":
    """Dice of every method minus that of every trivial row, paired by slice, at patient level.

    Args:
        methods: the runs of each method or variant.
        trivial: those of each trivial row, on the same slices.
        bootstrap: `resamples`, `seed` and `confidence`.

    Returns:
        A row per method and trivial row: `method`, `trivial`, `seeds`, `patients`, `slices`; patient means
        `dice` and `trivial_dice`; `difference` with its BCa limits `low` and `high`, all fractions; and
        `above`, whether `low` is greater than 0.
    """
    import pandas as pd

    rows = []
    others = {name: tumour_slices(runs, ["dice"]) for name, runs in trivial.items()}
    for method, runs in methods.items():
        ours = tumour_slices(runs, ["dice"])
        for name, theirs in others.items():
            gap = ours[["patient"]].assign(difference=ours["dice"] - theirs["dice"])
            found = mean_interval(patient_means(gap, "difference"), **bootstrap)
            rows.append(
                {
                    "method": method,
                    "trivial": name,
                    "seeds": len(runs),
                    "patients": found.patients,
                    "slices": len(gap),
                    "dice": float(patient_means(ours, "dice").mean()),
                    "trivial_dice": float(patient_means(theirs, "dice").mean()),
                    "difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "above": bool(found.low > 0),
                }
            )
    return pd.DataFrame(rows)
