"""Predicted against true tumour volume, a panel a network (Bland and Altman).

`error_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import IN_USE, source_label
from textbcs.reporting.figures.canvas import LOOKS, new_figure
from textbcs.reporting.volumes.volume_errors import agreement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLUMNS = 3  # panels in a row


def error_rows(patients: "pd.DataFrame", methods: Sequence[str], seed: int) -> "pd.DataFrame":
    """A row per network and patient, as each network would be used: `automatic`, or `none`.

    Args:
        patients: `method`, `seed`, `source`, `patient`, `reference_ml`, `predicted_ml` of the stage
            `volume_score`.
        methods: the networks, in the order of the panels.
        seed: whose networks are drawn.

    Returns:
        `method`, `source`, `patient`, `reference_ml`, `predicted_ml`, `mean_ml` of the two, `error_ml`, and
        the panel's `bias_ml`, `low_ml` and `high_ml` (limits of agreement).
    """
    import pandas as pd

    known = patients[(patients["seed"] == seed) & patients["source"].isin(IN_USE)]
    parts = []
    for method in methods:
        own = known[known["method"] == method].sort_values("patient")
        found = agreement(own["predicted_ml"], own["reference_ml"])
        limits = {"bias_ml": found.bias, "low_ml": found.low, "high_ml": found.high}
        both = own[["predicted_ml", "reference_ml"]]
        named = own[["method", "source", "patient", "reference_ml", "predicted_ml"]]
        error = both["predicted_ml"] - both["reference_ml"]
        parts.append(named.assign(mean_ml=both.mean(axis=1), error_ml=error, **limits))
    return pd.concat(parts, ignore_index=True)


def draw(shown: "pd.DataFrame") -> "Figure":
    """Panels by network: each patient's error over the mean of both volumes, with bias and limits.

    Args:
        shown: of `error_rows`.
    """
    methods = list(dict.fromkeys(shown["method"]))
    rows, columns = -(-len(methods) // COLUMNS), min(COLUMNS, len(methods))
    figure = new_figure(3.0 * columns, 2.7 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, method in zip(panels, methods, strict=False):
        own = shown[shown["method"] == method]
        first = own.iloc[0]
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.plot(own["mean_ml"], own["error_ml"], "o", markersize=3, color=LOOKS[0][0])
        for column, line in (("bias_ml", "-"), ("low_ml", "--"), ("high_ml", "--")):
            axes.axhline(first[column], color=LOOKS[1][0], linestyle=line, linewidth=1.1)
        axes.set_title(f"{label(method)}\nprompt: {source_label(first['source'])}", fontsize=8)
        axes.set_xlabel(_told(first), fontsize=7)
        axes.tick_params(labelsize=7, labelbottom=True)
    for axes in panels[len(methods) :]:
        axes.set_visible(False)
    figure.supxlabel("mean of predicted and true volume, ml", fontsize=8)
    figure.supylabel("predicted minus true volume, ml", fontsize=8)
    return figure


def _told(row: "pd.Series[Any]") -> str:
    """Bias and limits in words, below a panel."""
    if row["low_ml"] != row["low_ml"]:
        return f"bias {row['bias_ml']:z.2f}"
    return f"bias {row['bias_ml']:z.2f}, limits {row['low_ml']:z.2f} to {row['high_ml']:z.2f}"
