"""Dice against the two loss weights of TextBCS, on validation and on test (Table 3 as curves).

`weight_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.variants import BASE
from textbcs.evaluation.statistics.ablation_rows import Runs, sweep_names
from textbcs.evaluation.statistics.prompt_effects import ratio_interval
from textbcs.evaluation.statistics.runs import tumour_slices
from textbcs.reporting.figures.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TITLES = {
    "lambda_evidence": r"weight of evidential learning, $\lambda_1$",
    "lambda_alignment": r"weight of the alignment, $\lambda_2$",
}


def weight_rows(
    params: Mapping[str, Any], runs: Runs, validation: Mapping[str, float]
) -> "pd.DataFrame":
    """A row per weight and value: `run`, and Dice in percent, of both splits the mean over slices.

    Args:
        params: `methods`, `variants`, `tables` and `evaluation.bootstrap`.
        runs: of the base and of every variant.
        validation: validation Dice of each run's best epoch, a mean over slices.

    Returns:
        `validation_slice_mean`; `test_slice_mean` with `low` and `high` from resampled patients, whose
        slices stay together; `patients`.
    """
    import pandas as pd

    rows = []
    for weight, value, name in sweep_names(params):
        dice = tumour_slices(runs[name], ["dice"]).groupby("patient")["dice"]
        sums, slices = (np.asarray(one, dtype=np.float64) for one in (dice.sum(), dice.count()))
        found = ratio_interval(sums, slices, **params["evaluation"]["bootstrap"])
        row = {"weight": weight, "value": value, "run": name}
        row |= {"validation_slice_mean": 100 * validation[name]}
        row |= {"test_slice_mean": 100 * found.mean, "low": 100 * found.low}
        rows.append(row | {"high": 100 * found.high, "patients": found.patients})
    return pd.DataFrame(rows).sort_values(["weight", "value"], ignore_index=True)


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a weight: Dice over slices, on test with its interval, on validation of the best epoch.

    Args:
        shown: of `weight_rows`. A ring marks the value of TextBCS.
    """
    figure = new_figure(7.4, 3.2)
    for panel, weight in zip(figure.subplots(1, 2, sharey=True), TITLES, strict=True):
        own = shown[shown["weight"] == weight]
        colour, line, marker = LOOKS[0]
        look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
        panel.vlines(own["value"], own["low"], own["high"], color=colour, linewidth=1.2)
        panel.plot(
            own["value"], own["test_slice_mean"], label="test, 95 % interval over patients", **look
        )
        colour, line, marker = LOOKS[1]
        look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
        panel.plot(
            own["value"], own["validation_slice_mean"], label="validation, best epoch", **look
        )
        base = own[own["run"] == BASE]
        ring = {"facecolors": "none", "edgecolors": "black", "s": 90, "zorder": 3}
        panel.scatter(base["value"], base["test_slice_mean"], label="TextBCS", **ring)
        panel.set_xscale("log")
        panel.set_xlabel(TITLES[weight], fontsize=8)
        panel.tick_params(labelsize=8)
        panel.set_ylabel("Dice %, mean over slices", fontsize=8)
        panel.label_outer()
    _leave_out_collapsed(figure, shown)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3, fontsize=8)
    return figure


def _leave_out_collapsed(figure: "Figure", shown: "pd.DataFrame") -> None:
    """A cell below half of TextBCS's Dice would flatten all others: it is named at the axis instead."""
    whole = float(shown.loc[shown["run"] == BASE, "test_slice_mean"].max())
    kept = shown["test_slice_mean"] >= whole / 2
    if kept.all():
        return
    drawn = shown.loc[kept, ["low", "high", "test_slice_mean", "validation_slice_mean"]].to_numpy()
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    margin = 0.05 * (high - low)
    # Room below the others, so that the words cover none of them.
    figure.axes[0].set_ylim(low - 5 * margin, high + margin)
    for panel, weight in zip(figure.axes, TITLES, strict=True):
        for _, row in shown[~kept & (shown["weight"] == weight)].iterrows():
            tests, best = row["test_slice_mean"], row["validation_slice_mean"]
            panel.annotate(
                f"test {tests:.1f},\nvalidation {best:.1f}",
                (row["value"], low - 5 * margin),
                (8, 14),
                textcoords="offset points",
                ha="right",
                fontsize=7,
                arrowprops={"arrowstyle": "->"},
            )
