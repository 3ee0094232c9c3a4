"""What makes Fig. 4 evidence: the heat maps' quantities by stage, with intervals over patients.

`stage_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from typing import TYPE_CHECKING, Any

from textbcs.reporting.figures.canvas import LOOKS, new_figure
from textbcs.reporting.figures.gradcam_cases import NETWORKS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DIFFERENCE = "svli - unet"
RANDOMISED = "randomised_correlation"
MEASURES = {
    "pointing_hit": "pointing game, share of hits",
    "energy_inside": "energy inside the mask, share",
    "lift": "lift of the energy over the mask's area",
    RANDOMISED: "rank correlation with random weights",
}


def stage_rows(summary: "pd.DataFrame") -> "pd.DataFrame":
    """The summary's rows of the quantities shown, with `differs`: the paired interval excludes 0.

    Never of the correlation, whose interval knows nothing of the spread between random weights.
    """
    rows = summary[summary["measure"].isin(MEASURES)].reset_index(drop=True)
    paired = rows[rows["network"] == DIFFERENCE].set_index(["stage", "measure"])
    clear = (paired["low"] > 0) | (paired["high"] < 0)
    keys = zip(rows["stage"], rows["measure"], strict=True)
    return rows.assign(
        differs=[key[1] != RANDOMISED and bool(clear.get(key, False)) for key in keys]
    )


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a quantity, mean of patients' means with its interval, by stage.

    Args:
        shown: of `stage_rows`. A star marks a stage where the networks differ; a hollow mark is the mean
            without dead maps; below each stage stands how many maps are dead, or have no correlation.
    """
    figure = new_figure(7.4, 6.4)
    axes = figure.subplots(2, 2).ravel()
    for panel, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        own = shown[shown["measure"] == measure]
        for place, network in enumerate(NETWORKS):
            _curve(panel, own[own["network"] == network], place)
        for number in sorted(set(own.loc[own["differs"], "stage"])):
            panel.annotate("*", (number, 1), xycoords=("data", "axes fraction"), ha="center")
        if measure in ("lift", RANDOMISED):
            panel.axhline(1 if measure == "lift" else 0, color="0.5", linewidth=0.6)
        panel.set_title(title, fontsize=9, pad=12)
        _count(panel, own, "missing" if measure == RANDOMISED else "dead_maps")
        panel.tick_params(labelsize=8)
    axes[0].legend(fontsize=8)
    seeds = ", ".join(str(seed) for seed in sorted(set(shown["seed"])))
    figure.supxlabel(
        f"rows of the ablation, seed {seeds}; star: the interval of the paired difference excludes 0\n"
        "hollow: mean over slices with heat; grey bars: single sets of random weights",
        fontsize=8,
    )
    return figure


def _curve(panel: Any, rows: "pd.DataFrame", place: int) -> None:
    """One network's means with their intervals, and what dead maps or the random draws make of them."""
    colour, line, marker = LOOKS[place]
    beside = rows["stage"] + 0.16 * (place - 0.5)
    look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
    if (rows["measure"] == RANDOMISED).all():
        wide = {"color": "0.8", "linewidth": 5, "zorder": 0}
        panel.vlines(beside, rows["draw_least"], rows["draw_greatest"], **wide)
    else:
        some = rows[(rows["dead_maps"] > 0) & rows["mean_with_heat"].notna()]
        hollow = {"facecolors": "none", "edgecolors": colour, "marker": marker, "s": 36}
        panel.scatter(beside[some.index], some["mean_with_heat"], **hollow)
    panel.vlines(beside, rows["low"], rows["high"], color=colour, linewidth=1)
    panel.plot(beside, rows["mean"], linewidth=1, label=list(NETWORKS.values())[place], **look)


def _count(panel: Any, rows: "pd.DataFrame", column: str) -> None:
    """Below each stage: how many slices have no heat, or no value, in either network."""
    counts = {(row.network, row.stage): getattr(row, column) for row in rows.itertuples()}
    stages = sorted(rows["stage"].unique())
    both = [" / ".join(str(counts[network, number]) for network in NETWORKS) for number in stages]
    panel.set_xticks(
        stages, [f"{number}\n{text}" for number, text in zip(stages, both, strict=True)]
    )
    own = rows[rows["network"] != DIFFERENCE]
    slices = int((own["slices"] + own["missing"]).max())
    what = "dead maps" if column == "dead_maps" else "without a correlation"
    panel.set_xlabel(f"stage; {what} of {slices}, UNet / UNet + SVLI", fontsize=8)
