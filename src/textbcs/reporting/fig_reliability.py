"""Reliability diagrams: how often a pixel is tumour, against the probability that was stated.

Pure functions; `paperfigures.py` reads `results/uncertainty/` and writes
`reports/figures/reliability`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.reporting.canvas import LOOKS, new_figure
from textbcs.reporting.runs import label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCOPES = {"image": "all pixels of the image", "region": "pixels of the region of interest"}
KINDS = {"raw": "", "scaled": ", temperature-scaled"}
_COLUMNS = ("method", "seed", "kind", "scope", "ece", "bin", "probability", "frequency", "count")


def bin_rows(assessed: Mapping[str, Mapping[str, Any]]) -> "pd.DataFrame":
    """A row per method, kind of probability, scope and bin of equal mass; empty bins left out.

    Args:
        assessed: method -> its file in `results/uncertainty/`.
    """
    import pandas as pd

    rows = []
    for method, found in assessed.items():
        for kind in KINDS:
            for scope in SCOPES if found.get(kind) else ():
                own = found[kind][scope]
                bins = zip(
                    *(own["reliability"][key] for key in ("probability", "frequency", "count")),
                    strict=True,
                )
                rows += [
                    (method, found["seed"], kind, scope, own["ece"], number, *values)
                    for number, values in enumerate(bins, start=1)
                    if values[-1]
                ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a scope, a line a method and kind; on the diagonal the probabilities are true.

    Args:
        shown: of `bin_rows`. Nearly all pixels of an image are background, so its panel is
            logarithmic above 0.001 and linear below.
    """
    figure = new_figure(7.2, 3.6)
    for panel, (scope, title) in zip(figure.subplots(1, 2), SCOPES.items(), strict=True):
        own = shown[shown["scope"] == scope]
        panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        for place, ((method, kind), rows) in enumerate(own.groupby(["method", "kind"], sort=False)):
            colour, line, marker = LOOKS[place % len(LOOKS)]
            panel.plot(
                rows["probability"],
                rows["frequency"],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=3.5,
                linewidth=1,
                label=f"{label(str(method))}{KINDS[str(kind)]}, ECE {rows['ece'].iloc[0]:.3f}",
            )
        if scope == "image":
            panel.set_xscale("symlog", linthresh=1e-3)
            panel.set_yscale("symlog", linthresh=1e-3)
        panel.set_title(title, fontsize=8)
        panel.set_xlabel("mean probability of the bin", fontsize=7)
        panel.set_ylabel("share of tumour pixels", fontsize=7)
        panel.tick_params(labelsize=7)
        panel.set_xlim(0, 1.02)
        panel.set_ylim(-0.0002 if scope == "image" else -0.02, 1.02)
        panel.legend(fontsize=6, loc="upper left")
    return figure
