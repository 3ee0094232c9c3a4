"""Dice against the two loss weights of TextBCS, on validation and on test (Table 3 as curves).

Pure functions; `paperfigures.py` reads the runs and writes `reports/figures/weights`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.runs import tumour_slices
from textbcs.evaluation.statistics import mean_interval, patient_means
from textbcs.models.variants import BASE
from textbcs.reporting.ablation import Runs, sweep_names
from textbcs.reporting.canvas import LOOKS, new_figure

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
    """A row per weight and value: `run`, `validation` Dice, `test` Dice with `low` and `high`, in percent.

    Args:
        params: `methods`, `variants`, `tables` and `evaluation.bootstrap`.
        runs: of the base and of every variant.
        validation: best validation Dice of each run.
    """
    import pandas as pd

    rows = []
    for weight, value, name in sweep_names(params):
        means = patient_means(tumour_slices(runs[name], ["dice"]), "dice")
        found = mean_interval(means, **params["evaluation"]["bootstrap"])
        row = {"weight": weight, "value": value, "run": name, "validation": 100 * validation[name]}
        row |= {"test": 100 * found.mean, "low": 100 * found.low, "high": 100 * found.high}
        rows.append(row | {"patients": found.patients})
    return pd.DataFrame(rows).sort_values(["weight", "value"], ignore_index=True)


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a weight: test Dice with its interval over patients, validation Dice of the best epoch.

    Args:
        shown: of `weight_rows`. A ring marks the value of TextBCS.
    """
    figure = new_figure(7.2, 3.0)
    for panel, weight in zip(figure.subplots(1, 2, sharey=True), TITLES, strict=True):
        own = shown[shown["weight"] == weight]
        colour, line, marker = LOOKS[0]
        look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
        panel.vlines(own["value"], own["low"], own["high"], color=colour, linewidth=1.2)
        panel.plot(own["value"], own["test"], label="test", **look)
        colour, line, marker = LOOKS[1]
        look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
        panel.plot(own["value"], own["validation"], label="validation, best epoch", **look)
        base = own[own["run"] == BASE]
        ring = {"facecolors": "none", "edgecolors": "black", "s": 90, "zorder": 3}
        panel.scatter(base["value"], base["test"], label="TextBCS", **ring)
        panel.set_xscale("log")
        panel.set_xlabel(TITLES[weight], fontsize=8)
        panel.tick_params(labelsize=7)
        panel.legend(fontsize=6)
        panel.set_ylabel("Dice %", fontsize=8)
        panel.label_outer()
    return figure
