"""Free response: lesions found against false components per patient, as the threshold moves.

`curve_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.base.variants import VOLUME_YARDSTICKS
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import source_label, source_place
from textbcs.reporting.figures.canvas import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Okabe-Ito, of different lightness, with a line and a marker of their own for grey print.
LOOKS = {
    "none": ("black", "-", "o"),
    "patient": ("#0072B2", "-", "s"),
    "slice": ("#56B4E9", ":", "D"),
    "automatic": ("#D55E00", "--", "^"),
    "report": ("#009E73", "-.", "v"),
    "empty": ("#CC79A7", (0, (3, 1, 1, 1)), "P"),
    "wrong_side": ("#E69F00", (0, (5, 4)), "X"),
}
OTHER = ("0.4", "-", "*")
COLUMNS = 3  # panels in a row
_KEYS = ["method", "source"]


def curve_rows(
    curve: "pd.DataFrame", patients: "pd.DataFrame", methods: Sequence[str], seed: int
) -> "pd.DataFrame":
    """The points of every line, and each line's operating point, a row each.

    Args:
        curve: `method`, `seed`, `source`, `threshold`, `patients`, `lesions`, `lesions_found` and
            `false_components` of the stage `volume_score`.
        patients: a row per patient at the operating point, with the same counts.
        methods: the networks, in the order of the panels.
        seed: whose networks are drawn.

    Returns:
        `method`, `source`, `kind` (`curve` or `operating point`), `threshold` (empty at the operating
        point), `sensitivity` in percent and `false_components` per patient.
    """
    import pandas as pd

    counts = ["lesions", "lesions_found", "false_components"]
    swept = curve[curve["seed"] == seed]
    chosen = patients[patients["seed"] == seed].groupby(_KEYS, sort=False)
    chosen_sums = chosen[counts].sum().join(chosen.size().rename("patients")).reset_index()
    parts = [swept.assign(kind="curve"), chosen_sums.assign(kind="operating point")]
    table = pd.concat(parts, ignore_index=True)
    table["sensitivity"] = 100 * table["lesions_found"] / table["lesions"]
    table["false_components"] = table["false_components"] / table["patients"]
    place = {name: number for number, name in enumerate(methods)}
    table = table[table["method"].isin(place)]
    order = table.assign(
        panel=table["method"].map(place), line=table["source"].map(source_place)
    ).sort_values(["panel", "line", "kind", "threshold"], kind="stable", ignore_index=True)
    return order[["method", "source", "kind", "threshold", "sensitivity", "false_components"]]


def draw(shown: "pd.DataFrame") -> "Figure":
    """A panel a network, a line a source of prompts; filled: the operating point.

    Args:
        shown: of `curve_rows`.
    """
    methods = list(dict.fromkeys(shown["method"]))
    rows, columns = -(-len(methods) // COLUMNS), min(COLUMNS, len(methods))
    figure = new_figure(3.0 * columns, 3.0 * rows + 0.8)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    yardstick = next((name for name in VOLUME_YARDSTICKS if name in methods), None)
    handles: dict[str, Any] = {}
    for axes, method in zip(panels, methods, strict=False):
        if yardstick not in (None, method):
            own = shown[(shown["method"] == yardstick) & (shown["kind"] == "curve")]
            name = f"{label(str(yardstick))}, for comparison"
            (line,) = axes.plot(
                own["false_components"], own["sensitivity"], color="0.6", linewidth=3
            )
            handles.setdefault(name, line)
        for source, own in shown[shown["method"] == method].groupby("source", sort=False):
            handles.setdefault(source_label(str(source)), _line(axes, str(source), own))
        _dress(axes, label(method))
    for axes in panels[len(methods) :]:
        axes.set_visible(False)
    # Not one for all: the legend would lie on it.
    for axes in panels[max(0, len(methods) - columns) : len(methods)]:
        axes.set_xlabel("false components per patient", fontsize=8)
        axes.tick_params(labelbottom=True)
    figure.supylabel("lesions found %", fontsize=8)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=7
    )
    return figure


def _line(axes: Any, source: str, own: "pd.DataFrame") -> Any:
    """One line with its operating point."""
    colour, line, marker = LOOKS.get(source, OTHER)
    swept, chosen = own[own["kind"] == "curve"], own[own["kind"] != "curve"]
    look: Mapping[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.2}
    hollow = {"marker": marker, "markersize": 3.5, "markerfacecolor": "white"}
    (drawn,) = axes.plot(swept["false_components"], swept["sensitivity"], **look, **hollow)
    for row in records(chosen):
        at = (row["false_components"], row["sensitivity"])
        axes.plot(*at, marker, color=colour, markersize=8, markeredgecolor="black", zorder=3)
    return drawn


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xscale("symlog", linthresh=0.125, linscale=0.5)
    axes.set_xlim(left=-0.01)
    axes.set_ylim(-3, 103)
    ticks = [0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16]
    last = max(axes.get_xlim()[1], 1)
    axes.set_xticks([tick for tick in ticks if tick <= last])
    axes.set_xticklabels([f"{tick:g}" for tick in ticks if tick <= last])
    axes.minorticks_off()
    axes.grid(color="0.9", linewidth=0.6)
    axes.tick_params(labelsize=7)
