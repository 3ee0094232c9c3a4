"""Wrong prompts: Dice against the share of slices whose prompt is wrong.

`dose_points` makes the figure's rows from the answers to each prompt, `draw` the figure from its rows.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics.prompt_effects import WRONG, dose_response
from textbcs.evaluation.statistics.robustness_rows import pooled
from textbcs.prompts.paraphrases import Paraphrases
from textbcs.prompts.perturbations import SHUFFLED
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


TITLES = {SHUFFLED: "another case's prompt", "swapped_location": "wrong location"}


def draw(points: "pd.DataFrame") -> "Figure":
    """Mean Dice against the share of wrong prompts, a panel per kind of wrong prompt.

    Args:
        points: of `robustness.dose_points`, in percent. Shaded: interval over patients; bars: central
            95 % of chance assignments; a thin line at each method's Dice with the empty prompt.
    """
    kinds = list(dict.fromkeys(points["wrong"]))
    figure = new_figure(3.7 * len(kinds), 3.4)
    axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for panel, wrong in zip(axes, kinds, strict=True):
        for place, method in enumerate(dict.fromkeys(points["method"])):
            colour, line, marker = LOOKS[place % len(LOOKS)]
            own = points[(points["method"] == method) & (points["wrong"] == wrong)]
            dose, dice = own["dose"].to_numpy(), own["dice"].to_numpy()
            panel.fill_between(dose, own["low"], own["high"], color=colour, alpha=0.15, linewidth=0)
            panel.vlines(dose, own["drawn_low"], own["drawn_high"], color=colour, linewidth=1.4)
            look = {"marker": marker, "markersize": 3, "color": colour, "linewidth": 1}
            panel.plot(dose, dice, line, label=label(method), **look)
            panel.axhline(own["dice_empty"].iloc[0], color=colour, linestyle=line, linewidth=0.6)
        panel.set_title(TITLES.get(wrong, wrong), fontsize=9)
        panel.set_xlabel("slices with the wrong prompt %", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.set_ylim(bottom=0)
    axes[0].set_ylabel("Dice % (mean over patients)", fontsize=8)
    axes[0].legend(fontsize=8)
    figure.supxlabel(
        "computed from the two end points; band: interval over patients; bars: which slices are wrong, by "
        "chance; thin: empty prompt",
        fontsize=7,
    )
    return figure


DRAWS = 2000  # assignments of wrong prompts behind the dose-response curve's spread


def dose_points(
    tables: Mapping[str, Sequence["pd.DataFrame"]],
    paraphrases: Paraphrases,
    bootstrap: Mapping[str, Any],
) -> "pd.DataFrame":
    """The dose-response points of all methods, in percent."""
    import pandas as pd

    parts = []
    for method, runs in tables.items():
        values = pooled(runs, paraphrases)
        empty = float(values.groupby("patient")["dice_empty"].mean().mean())
        for wrong in WRONG:
            points = dose_response(values, wrong, DRAWS, bootstrap)
            parts.append(points.assign(method=method, dice_empty=empty))
    points = pd.concat(parts, ignore_index=True)
    shares = ["dose", "dice", "low", "high", "drawn_low", "drawn_high", "dice_empty"]
    points[shares] = 100 * points[shares]
    return points[["method", "wrong", *shares]]
