"""Reliability diagrams: how often a pixel is tumour, against the probability that was stated.

`bin_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.variants import RIVAL
from textbcs.reporting.common.probability_names import KINDS, limits, named
from textbcs.reporting.figures.canvas import LOOKS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCOPES = {"region": "region of interest", "image": "whole image"}
RAW = "raw"


def bin_rows(
    diagrams: "pd.DataFrame", called: Mapping[str, str], groups: Mapping[str, Sequence[str]]
) -> "pd.DataFrame":
    """What is drawn, a row per panel, line and bin, with the limits of its share of tumour.

    Args:
        diagrams: `reliability.csv`.
        called: method -> its name (`probability_names.names`).
        groups: title of a panel -> its methods (`probability_names.groups`).

    Returns:
        The columns of `diagrams`, then `panel` and `label`. UNet's temperatures are drawn, those of the
        ablation's rows only printed: more lines would hide one another.
    """
    import pandas as pd

    parts = []
    for panel, methods in groups.items():
        for method in methods:
            for kind in KINDS:
                drawn = kind in (RAW, "sampled") or (method == RIVAL and kind != "ensemble")
                own = diagrams[(diagrams["method"] == method) & (diagrams["kind"] == kind)]
                if drawn and len(own):
                    parts.append(own.assign(panel=panel, label=named(called, method, kind)))
    empty = diagrams.iloc[:0].assign(panel="", label="")
    return pd.concat(parts, ignore_index=True) if parts else empty


def draw(shown: "pd.DataFrame") -> "Figure":
    """Panels by scope and group, a line a set of probabilities; on the diagonal they are true.

    Args:
        shown: of `bin_rows`. Nearly all pixels of an image are background, so its panels are
            logarithmic above 0.001 and linear below.
    """
    panels = list(dict.fromkeys(shown["panel"]))
    figure = new_figure(3.3 * max(len(panels), 1), 8.2)
    axes = figure.subplots(len(SCOPES), max(len(panels), 1), squeeze=False)
    for column, name in enumerate(panels):
        for row, (scope, title) in enumerate(SCOPES.items()):
            own = shown[(shown["panel"] == name) & (shown["scope"] == scope)]
            _panel(axes[row][column], own, scope == "image")
            axes[row][column].set_title(f"{name}:\n{title}", fontsize=9)
    return figure


def _panel(axes: Any, shown: "pd.DataFrame", logarithmic: bool) -> None:
    """The lines of a panel, each with the band that its limits leave."""
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for place, (name, rows) in enumerate(shown.groupby("label", sort=False)):
        colour, line, marker = LOOKS[place % len(LOOKS)]
        low, high = (rows[side].fillna(rows["frequency"]) for side in ("low", "high"))
        axes.fill_between(rows["probability"], low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            rows["probability"],
            rows["frequency"],
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=3.5,
            linewidth=1,
            label=f"{name}\n{_error(rows.iloc[0])}",
        )
    if logarithmic:
        axes.set_xscale("symlog", linthresh=1e-3)
        axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_xlabel("mean probability of the bin", fontsize=8)
    axes.set_ylabel("share of tumour pixels", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.0002 if logarithmic else -0.02, 1.02)
    # Below the panel, where no line is.
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)


def _error(row: "pd.Series[Any]") -> str:
    """The calibration error with its limits, as the table of calibration prints it."""
    text = f"ECE {100 * row['ece']:.2f} %"
    if row["ece_low"] != row["ece_low"]:
        return text
    return f"{text} ({limits(100 * row['ece_low'], 100 * row['ece_high'], 2)})"
