"""Rank plot: how probable each rank of each method is when patients are drawn anew.

`rank_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def rank_rows(ranks: "pd.DataFrame") -> "pd.DataFrame":
    """The ranks by Dice, methods by their observed rank, ties in the table's order."""
    rows = ranks[ranks["metric"] == "dice"]
    rows = rows.sort_values(["observed_rank"], kind="stable", ignore_index=True)
    return rows[["method", "observed_rank", "rank", "probability"]]


def draw(shown: "pd.DataFrame") -> "Figure":
    """Methods by rank: the darker, the more probable; a frame marks the observed rank.

    Args:
        shown: of `rank_rows`. Probabilities below 0.5 % have no number.
    """
    methods = list(dict.fromkeys(shown["method"]))
    table = shown.pivot(index="method", columns="rank", values="probability").loc[methods]
    columns = table.columns.tolist()
    figure = new_figure(0.45 * len(columns) + 1.6, 0.33 * len(methods) + 1.0)
    axes = figure.subplots()
    axes.imshow(table.to_numpy(), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row in records(shown):
        place = (columns.index(row["rank"]), methods.index(row["method"]))
        share = row["probability"]
        if share >= 0.005:
            colour = "white" if share > 0.5 else "black"
            look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
            axes.text(*place, f"{100 * share:.0f}", **look)
        if row["rank"] == row["observed_rank"]:
            axes.add_patch(_frame(*place))
    axes.set_xticks(range(len(columns)), [f"{rank:g}" for rank in columns])
    axes.set_yticks(range(len(methods)), [label(method) for method in methods])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("rank by Dice, probability in %; frame: observed", fontsize=8)
    return figure


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    # Over the axes' own lines, which would hide its sides at the edge.
    look: dict[str, Any] = {"fill": False, "edgecolor": "#D55E00", "linewidth": 1.5}
    look |= {"clip_on": False, "zorder": 3}
    return Rectangle((column - 0.5, row - 0.5), 1, 1, **look)
