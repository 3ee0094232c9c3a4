"""What makes Fig. 4 evidence: the heat maps' quantities by stage, with intervals over patients.

Pure functions; `paperfigures.py` reads `results/gradcam/summary.csv` and writes
`reports/figures/gradcam_stages`.
"""

from typing import TYPE_CHECKING

from textbcs.reporting.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NETWORKS = {"unet": "UNet", "svli": "UNet + SVLI"}
DIFFERENCE = "svli - unet"
MEASURES = {
    "pointing_hit": "pointing game, share of hits",
    "energy_inside": "energy inside the mask, share",
    "lift": "lift of the energy over the mask's area",
    "randomised_correlation": "rank correlation with random weights",
}


def stage_rows(summary: "pd.DataFrame") -> "pd.DataFrame":
    """The summary's rows of the quantities shown, with `differs`: the paired interval excludes 0."""
    rows = summary[summary["measure"].isin(MEASURES)].reset_index(drop=True)
    paired = rows[rows["network"] == DIFFERENCE].set_index(["stage", "measure"])
    clear = (paired["low"] > 0) | (paired["high"] < 0)
    keys = zip(rows["stage"], rows["measure"], strict=True)
    return rows.assign(differs=[bool(clear.get(key, False)) for key in keys])


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a quantity, mean of patients' means with its interval, by stage.

    Args:
        shown: of `stage_rows`. A star marks a stage where the networks differ.
    """
    figure = new_figure(9.6, 2.9)
    axes = figure.subplots(1, len(MEASURES))
    for panel, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        own = shown[shown["measure"] == measure]
        for place, (network, name) in enumerate(NETWORKS.items()):
            colour, line, marker = LOOKS[place]
            rows = own[own["network"] == network]
            beside = rows["stage"] + 0.16 * (place - 0.5)
            look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
            panel.vlines(beside, rows["low"], rows["high"], color=colour, linewidth=1)
            panel.plot(beside, rows["mean"], linewidth=1, label=name, **look)
        for number in sorted(set(own.loc[own["differs"], "stage"])):
            panel.annotate("*", (number, 1), xycoords=("data", "axes fraction"), ha="center")
        if measure == "lift":
            panel.axhline(1, color="0.5", linewidth=0.6)
        panel.set_title(title, fontsize=7, pad=10)
        panel.set_xlabel("stage", fontsize=7)
        panel.set_xticks(sorted(own["stage"].unique()))
        panel.tick_params(labelsize=7)
    axes[0].legend(fontsize=6)
    figure.supxlabel("star: the interval of the paired difference excludes 0", fontsize=7)
    return figure
