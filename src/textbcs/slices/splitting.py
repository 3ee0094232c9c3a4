"""Patients dealt to train, validation and test."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.dataset.split_table import SPLITS

if TYPE_CHECKING:
    import pandas as pd


def draw_split(
    patients: "pd.DataFrame",
    ratio: Sequence[int],
    stratify: Sequence[str],
    seed: int,
    train_only: Collection[str] = (),
) -> "pd.DataFrame":
    """Assign each patient to a split.

    Patients are put in random order within each stratum, the strata laid end to end in random order,
    and split labels dealt along that line, so that every stretch of it keeps the ratio as closely as
    whole patients allow. The dealing begins at a random place: a stratum of one patient can go to any
    split. Totals are exact and each stratum is divided nearly in the ratio, however small.

    Args:
        patients: a row per eligible patient, with `patient` and the columns of `stratify`.
        ratio: weights of train, val and test.
        stratify: columns whose values make a stratum.
        seed: draws the order of patients and strata and the place where the dealing begins.
        train_only: patients who go to train; the others are divided in the ratio among themselves.

    Returns:
        Columns `patient`, `split`, `stratum`, sorted by patient.

    Raises:
        InputError: a patient occurs twice, or a split would be empty.
    """
    import pandas as pd

    table = _strata(patients, stratify)
    held = table["patient"].isin(list(train_only))
    forced = table[held].assign(split=SPLITS[0])
    table = _dealt(table[~held].copy(), ratio, seed)
    empty = [name for name in SPLITS if name not in set(table["split"])]
    if empty:
        raise InputError(
            f"split: {len(table)} eligible patients leave {empty[0]} empty at {':'.join(map(str, ratio))}; "
            "more patients or another split.ratio are needed"
        )
    table = pd.concat([table, forced]) if len(forced) else table
    return table.sort_values("patient")[["patient", "split", "stratum"]].reset_index(drop=True)


def _strata(patients: "pd.DataFrame", stratify: Sequence[str]) -> "pd.DataFrame":
    """Columns `patient`, `stratum`, sorted by patient."""
    import pandas as pd

    names = patients["patient"].str.strip()
    repeated = names[names.str.casefold().duplicated()]
    if len(repeated):
        raise InputError(
            f"data/cohort/patients.csv: patient {repeated.iloc[0]} occurs twice; a patient must have one row"
        )
    rows = patients[list(stratify)].astype("string").fillna("unknown").to_numpy().tolist()
    strata = ["|".join(row) for row in rows]
    return pd.DataFrame({"patient": names, "stratum": strata}).sort_values("patient")


def _dealt(table: "pd.DataFrame", ratio: Sequence[int], seed: int) -> "pd.DataFrame":
    """The patients in the random order in which they were dealt, with their `split`."""
    import numpy as np

    rng = np.random.default_rng(seed)
    table["order"] = rng.permutation(len(table))
    strata = sorted(set(table["stratum"]))
    place = dict(zip(strata, rng.permutation(len(strata)), strict=True))
    table["place"] = table["stratum"].map(place)
    table = table.sort_values(["place", "order"], kind="stable")
    table["split"] = np.roll(_deal(len(table), ratio), int(rng.integers(max(1, len(table)))))
    return table


def _deal(count: int, ratio: Sequence[int]) -> list[str]:
    """Labels along a line of `count` patients; the label furthest behind its share comes next."""
    total = sum(ratio)
    dealt = [0, 0, 0]
    labels = []
    for position in range(1, count + 1):
        # Integers, so that no rounding decides: share * position - dealt, times the total.
        behind = [ratio[k] * position - dealt[k] * total for k in range(3)]
        chosen = max(range(3), key=lambda k: (behind[k], k))
        dealt[chosen] += 1
        labels.append(SPLITS[chosen])
    return labels
