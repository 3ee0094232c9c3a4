"""Whether a method has learnt anything: its Dice against rows that no network made.

A method that does not beat an empty mask finds nothing; one that does not beat the mean mask of the
prompt's side and size (the stage `trivial`) adds nothing to what the words alone say.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics.intervals import patient_means
from textbcs.evaluation.statistics.paired_differences import difference_interval
from textbcs.evaluation.statistics.runs import Run, tumour_slices

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
        bootstrap: `resamples` and `seed`.

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
            found = difference_interval(ours, theirs, "dice", bootstrap)
            rows.append(
                {
                    "method": method,
                    "trivial": name,
                    "seeds": len(runs),
                    "patients": found.patients,
                    "slices": len(ours),
                    "dice": float(patient_means(ours, "dice").mean()),
                    "trivial_dice": float(patient_means(theirs, "dice").mean()),
                    "difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "above": bool(found.low > 0),
                }
            )
    return pd.DataFrame(rows)
