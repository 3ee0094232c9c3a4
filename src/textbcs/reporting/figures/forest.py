"""Forest plot: the reference method's Dice minus each other method's, with intervals over patients.

`difference_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import CONFIDENCE, limits_text
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def difference_rows(comparisons: "pd.DataFrame", spread: Mapping[str, Any]) -> "pd.DataFrame":
    """The comparisons by Dice: who with whom, difference and limits in points, and their numbers.

    Beside them a column a seed, `seed_<n>`: the same difference of that seed's trainings, in points; NaN for
    a method that was trained once.

    Args:
        comparisons: as the stage `statistics` writes them.
        spread: as the stage `replicates` writes it.
    """
    rows = comparisons[comparisons["metric"] == "dice"].reset_index(drop=True)
    points = {name: 100 * rows[name] for name in ("difference", "low", "high")}
    names = ["reference", "baseline", "difference", "low", "high", "patients", "slices", "seeds"]
    gaps = spread["textbcs_minus"] if len(spread["seeds"]) > 1 else {}
    by_seed = {
        f"seed_{seed}": [gaps[name][at] if name in gaps else math.nan for name in rows["baseline"]]
        for at, seed in enumerate(spread["seeds"])
    }
    return rows.assign(**points)[names].assign(**by_seed)


def draw(shown: "pd.DataFrame") -> "Figure":
    """A line a method, in the table's order; right of zero the reference method is better.

    Args:
        shown: of `difference_rows`.
    """
    figure = new_figure(6.4, 0.28 * len(shown) + 1.0)
    axes = figure.subplots()
    seeds = [name for name in shown.columns if name.startswith("seed_")]
    repeated = bool(len(seeds)) and bool(shown[seeds].notna().to_numpy().any())
    reference = label(shown["reference"].iloc[0]) if len(shown) else ""
    for place, row in enumerate(records(shown)):
        clear = row["low"] > 0 or row["high"] < 0
        face = LOOKS[0][0] if clear else "white"
        axes.plot([row["low"], row["high"]], [place, place], color=LOOKS[0][0], linewidth=1.4)
        axes.plot(row["difference"], place, "s", color=LOOKS[0][0], markerfacecolor=face)
        own = [row[name] for name in seeds]
        axes.plot(own, [place] * len(own), "|", color="black", markersize=9)
        text = f"{row['difference']:z.2f} ({limits_text(row['low'], row['high'], row['patients'])})"
        where: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "va": "center",
            "fontsize": 7,
        }
        axes.annotate(text, (1.02, place), **where)
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(shown)), [label(name) for name in shown["baseline"]])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_xlabel(
        f"{reference} minus the other, points of Dice, mean over patients; unadjusted {100 * CONFIDENCE:g} % "
        "BCa interval,\ntrainings held fixed; filled: the interval excludes 0"
        + ("; bars: each seed's trainings" if repeated else ""),
        fontsize=7,
    )
    return figure
