"""What heat maps show, as means over patients."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics.intervals import mean_interval, patient_means
from textbcs.explain.localisation import LOCALISED, MEASURES, PAIRED

if TYPE_CHECKING:
    import pandas as pd


def summary(facts: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> "pd.DataFrame":
    """Patient means of each network and stage with intervals, and SVLI minus UNet, paired by slice.

    Returns:
        `seed`; `slices`, those with a value (in a difference: in both networks), and `missing`, those
        without; `dead_maps`, the slices whose heat map is zero everywhere (in a difference: of one
        network at least), which count as a miss without energy; `mean`, `low`, `high`, `patients`. For
        the localisation the same without dead maps, `..._with_heat`, as a check of what they do; for
        the correlation `draw_least` and `draw_greatest`, the means of single sets of random weights. No rows
        where there are no heat maps.
    """
    import pandas as pd

    if not len(facts):
        return pd.DataFrame(columns=["stage", "measure", "network", "seed", "slices", "mean"])
    rows = []
    for number, own in facts.groupby("stage", sort=True):
        tables = {label: part.set_index("slice_id") for label, part in own.groupby("network")}
        tables[PAIRED] = _paired(tables["svli"], tables["unet"])
        for measure in MEASURES:
            for label in ("svli", "unet", PAIRED):
                table = tables[label]
                row: dict[str, Any] = {"stage": number, "measure": measure, "network": label}
                row |= {"seed": int(own["seed"].iloc[0])}
                row |= _mean(table, measure, bootstrap)
                row |= {"missing": len(table) - row["slices"]}
                row |= {"dead_maps": int((table["has_heat"] == 0).sum())}
                if measure in LOCALISED:
                    hot = _mean(table[table["has_heat"] == 1], measure, bootstrap)
                    row |= {f"{key}_with_heat": value for key, value in hot.items()}
                else:
                    row |= _draws(table)
                rows.append(row)
    return pd.DataFrame(rows)


def _paired(svli: "pd.DataFrame", unet: "pd.DataFrame") -> "pd.DataFrame":
    """What SVLI adds on each slice; there is heat where both networks have some."""
    columns = [*MEASURES, *_draw_columns(svli)]
    gap = svli[columns] - unet[columns]
    both = svli["has_heat"] * unet["has_heat"]
    return gap.assign(patient=svli["patient"], has_heat=both)


def _mean(table: "pd.DataFrame", column: str, bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    """Slices with a value, and the mean of the patients' means with its limits; NaN where none has."""
    known = table[["patient", column]].dropna()
    if not len(known):
        nothing = dict.fromkeys(("mean", "low", "high"), float("nan"))
        return {"slices": 0, **nothing, "patients": 0}
    found = mean_interval(patient_means(known, column), **bootstrap)
    row = {"slices": len(known), "mean": found.mean, "low": found.low, "high": found.high}
    return row | {"patients": found.patients}


def _draw_columns(table: "pd.DataFrame") -> list[str]:
    return [name for name in map(str, table.columns) if name.startswith("draw_")]


def _draws(table: "pd.DataFrame") -> dict[str, float]:
    """The least and the greatest mean of a single set of random weights."""
    means = [
        float(values.mean())
        for values in (patient_means(table, name) for name in _draw_columns(table))
        if len(values)
    ]
    nothing = float("nan")
    return {
        "draw_least": min(means, default=nothing),
        "draw_greatest": max(means, default=nothing),
    }
