"""How firm a ranking is: the ranks that resampled patients give, and patients against seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records

if TYPE_CHECKING:
    import pandas as pd

RANKS = {
    "label": "Method",
    "observed_rank": "Rank by Dice (patients)",
    "likely_ranks": "Ranks that hold 95 % of the resamples",
    "first_share": "First in % of the resamples",
}
SEEDS = {
    "patient_sd": "SD between patients, points",
    "seed_sd": "SD between seeds, points",
    "run_sd": "SD of the mean from run to run, points",
    "difference_run_sd": "the same, reference minus method",
}
ONE_SEED = (
    "Only patients are resampled, with one training of each method, so these shares do not show how another "
    "training would change the ranks. Methods that tie for first place all count as first."
)
SEVERAL = (
    "Dice of patient and seed as crossed random effects; the mean's standard deviation from run to run is "
    "what another seed on the same patients would change."
)


def stability_table(
    ranks: "pd.DataFrame",
    variance: "pd.DataFrame",
    reference: str,
    methods: Sequence[str],
    labels: Mapping[str, str],
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Headings, a row per method, and the sentence below.

    Args:
        ranks: as the stage `statistics` writes it.
        variance: likewise; without rows where there is one seed.
        reference: the tested method.
        methods: in the order of Table 1.
        labels: their printed names.
    """
    dice = ranks[ranks["metric"] == "dice"]
    spread = {str(row["of"]): row for row in records(variance) if row["metric"] == "dice"}
    rows = []
    for method in methods:
        own = dice[dice["method"] == method].sort_values("rank")
        shares = own["probability"].tolist()
        low, high = likely_ranks(shares)
        row: dict[str, Any] = {
            "method": method,
            "label": labels.get(method, method),
            "observed_rank": int(own["observed_rank"].iloc[0]),
            "likely_ranks": f"{low} to {high}",
            "first_share": 100 * shares[0],
        }
        if method in spread:
            row["patient_sd"] = 100 * math.sqrt(spread[method]["var_patient"])
            row["seed_sd"] = 100 * math.sqrt(spread[method]["var_seed"])
            row["run_sd"] = 100 * spread[method]["run_to_run_sd"]
            other = spread.get(f"{reference} - {method}")
            row["difference_run_sd"] = 100 * other["run_to_run_sd"] if other else None
        rows.append(row)
    return RANKS | (SEEDS if spread else {}), rows, [SEVERAL if spread else ONE_SEED]


def likely_ranks(shares: Sequence[float], outside: float = 0.025) -> tuple[int, int]:
    """The ranks from which at most `outside` of the samples lie on either side.

    Args:
        shares: of the samples in rank 1, 2, ...; they sum to 1.
        outside: share that may lie below the first and above the second.
    """

    def first(ordered: Sequence[float]) -> int:
        total = 0.0
        for place, share in enumerate(ordered):
            total += share
            if total > outside:
                return place
        return len(ordered) - 1

    return first(shares) + 1, len(shares) - first(shares[::-1])
