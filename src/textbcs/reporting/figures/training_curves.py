"""Training curves: validation Dice by epoch, every method of Table 1.

`epoch_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = 5


def epoch_rows(histories: Mapping[tuple[str, int], "pd.DataFrame"]) -> "pd.DataFrame":
    """A row per method, seed and epoch: `validation_dice`, and `best` at the epoch that is kept.

    Args:
        histories: (method, seed) -> `history.csv`.
    """
    import pandas as pd

    tables = []
    for (method, seed), history in histories.items():
        own = history[["epoch", "validation_dice"]].reset_index(drop=True)
        best = own.index == own["validation_dice"].idxmax()
        tables.append(own.assign(method=method, seed=seed, best=best))
    table = pd.concat(tables, ignore_index=True)
    return table[["method", "seed", "epoch", "validation_dice", "best"]]


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a method over all others in grey; the dot is the epoch whose weights are kept."""
    from matplotlib.ticker import MaxNLocator

    methods = list(dict.fromkeys(shown["method"]))
    columns = min(_COLUMNS, len(methods))
    lines = -(-len(methods) // columns)
    figure = new_figure(1.9 * columns, 1.7 * lines + 0.3)
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    curves = list(shown.groupby(["method", "seed"], sort=False))
    for place, panel in enumerate(axes.ravel()):
        if place >= len(methods):
            panel.set_axis_off()
            continue
        for (method, _), rows in curves:
            if method != methods[place]:
                panel.plot(rows["epoch"], rows["validation_dice"], color="0.85", linewidth=0.6)
        for (method, _), rows in curves:
            if method == methods[place]:
                panel.plot(rows["epoch"], rows["validation_dice"], color=LOOKS[0][0], linewidth=1.2)
                best = rows[rows["best"]]
                panel.plot(best["epoch"], best["validation_dice"], "o", color="black", markersize=3)
        panel.set_title(label(methods[place]), fontsize=8)
        panel.tick_params(labelsize=7)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel("validation Dice", fontsize=8)
    return figure
