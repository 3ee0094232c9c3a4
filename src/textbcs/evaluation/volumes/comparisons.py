"""Which network and prompt is held against which on whole volumes, paired by patient.

Every network and source against the yardstick, nnU-Net; a network for use with each source against its twin
without text; and such a network with automatic prompts against the same one with true prompts.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.variants import VOLUME_YARDSTICKS
from textbcs.evaluation.volumes.means import KEYS, by_patient, difference_interval, metrics

if TYPE_CHECKING:
    import pandas as pd

TWIN = "_no_text"  # end of the name of a variant for use that is another one without text
NONE, TRUE, AUTOMATIC = "none", "patient", "automatic"
COLUMNS = [
    *("method", "source", "other", "other_source", "seed"),
    *("metric", "difference", "low", "high", "patients"),
]
Asked = tuple[str, str]  # a network and the source of its prompts


def pairs(asked: Sequence[Asked], for_use: Sequence[str]) -> list[tuple[Asked, Asked]]:
    """The pairs that are compared, the first minus the second; each once.

    Args:
        asked: networks with each source of their prompts.
        for_use: the variants that are made for use.
    """
    wanted: list[tuple[Asked, Asked]] = []
    yardstick = next(((name, NONE) for name in VOLUME_YARDSTICKS if (name, NONE) in asked), None)
    if yardstick:
        wanted += [(one, yardstick) for one in asked if one != yardstick]
    wanted += [(one, (one[0] + TWIN, NONE)) for one in asked if one[0] in for_use]
    wanted += [((name, AUTOMATIC), (name, TRUE)) for name in for_use]
    known = set(asked)
    return [pair for pair in dict.fromkeys(wanted) if known.issuperset(pair)]


def comparisons(
    patients: "pd.DataFrame",
    for_use: Sequence[str],
    tolerances_mm: Sequence[float],
    bootstrap: Mapping[str, Any],
) -> "pd.DataFrame":
    """A row per pair, seed and metric: `COLUMNS`, the difference of the means with its limits.

    Args:
        patients: `KEYS`, `patient` and the columns of `score_patient`.
        for_use: the variants that are made for use.
        tolerances_mm: of the NSD.
        bootstrap: `resamples` and `seed`.
    """
    import pandas as pd

    groups: Any = patients.groupby(KEYS, sort=False)
    tables: dict[tuple[str, int, str], pd.DataFrame] = {key: by_patient(own) for key, own in groups}
    rows = []
    for seed in dict.fromkeys(patients["seed"]):
        asked = [(method, source) for method, own_seed, source in tables if own_seed == seed]
        for one, other in pairs(asked, for_use):
            both = [tables[method, seed, source] for method, source in (one, other)]
            named = dict(zip(COLUMNS, (*one, *other, seed), strict=False))
            for metric in metrics(tolerances_mm):
                found = difference_interval(both[0], both[1], metric, bootstrap)
                row = {**named, "metric": metric, "difference": found.mean}
                limits = {"low": found.low, "high": found.high}
                rows.append({**row, **limits, "patients": found.patients})
    return pd.DataFrame(rows, columns=COLUMNS)
