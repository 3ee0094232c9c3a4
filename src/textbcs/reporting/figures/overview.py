"""The picture to begin with: three test slices, two other methods, the reference method and its vacuity.

`overview_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.base.variants import RIVAL
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import frame, new_figure, outlines, picture, square
from textbcs.reporting.figures.qualitative import case_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.dataset.slice_store import Shard
    from textbcs.evaluation.statistics.runs import Run

BESIDE = (RIVAL, "lvit")  # without text and with it, where they were run
LEAST = 1e-4  # of the scale of vacuity
Maps = Mapping[str, NDArray[Any]]  # method -> probability (cases, H, W)


def columns(methods: Sequence[str], reference: str) -> list[str]:
    """The methods that are drawn: those of `BESIDE` that were run, and the reference last."""
    return [one for one in BESIDE if one in methods and one != reference] + [reference]


def overview_rows(
    cases: Mapping[str, int],
    runs: Mapping[str, "Run"],
    maps: Maps,
    vacuity: NDArray[Any] | None,
    shard: "Shard",
    prompts: Mapping[str, str],
    threshold: float,
) -> "pd.DataFrame":
    """A row per panel of a method, as `fig_qualitative.case_rows`, with `prompt` and `vacuity`.

    Args:
        cases: rule -> row of the test split.
        runs: the methods that are drawn, the reference last.
        maps: method -> probability (cases, H, W).
        vacuity: of the reference, (cases, H, W); None of a head without evidence.
        shard: the test slices.
        prompts: slice_id -> text.
        threshold: foreground where the probability exceeds this.

    Returns:
        `vacuity` is the reference's mean over the part that is enlarged.
    """
    shown = case_rows(cases, runs, maps, shard, threshold)
    shown = shown.assign(prompt=[prompts.get(str(name), "") for name in shown["slice_id"]])
    if vacuity is None:
        return shown
    reference = list(runs)[-1]
    for place, (rule, row) in enumerate(cases.items()):
        own = (shown["rule"] == rule) & (shown["method"] == reference)
        mean = float(vacuity[place][square(shard.masks[row])].mean(dtype=np.float64))
        shown.loc[own, "vacuity"] = float(f"{mean:.4g}")
    return shown


def draw(
    shown: "pd.DataFrame",
    maps: Maps,
    vacuity: NDArray[Any] | None,
    shard: "Shard",
    threshold: float,
) -> "Figure":
    """A line a case: the slice with its mask, a panel a method, the reference's vacuity.

    Args:
        shown: of `overview_rows`.
        maps: method -> probability (cases, H, W).
        vacuity: of the reference, (cases, H, W), or None.
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    rules = list(dict.fromkeys(shown["rule"]))
    across = 1 + shown["method"].nunique() + (vacuity is not None)
    figure = new_figure(1.55 * across, 1.95 * len(rules))
    axes = figure.subplots(len(rules), across, squeeze=False)
    for place, (line, rule) in enumerate(zip(axes, rules, strict=True)):
        own = records(shown[shown["rule"] == rule])
        image, mask = shard.images[own[0]["row"]].astype(np.float32), shard.masks[own[0]["row"]]
        window = square(mask)
        picture(line[0], image, f"{rule}\n{own[0]['slice_id']}")
        outlines(line[0], mask)
        frame(line[0], window)
        for panel, facts in zip(line[1:], own, strict=False):
            picture(panel, image, f"{facts['label']}\nDice {facts['dice']:.2f}", window)
            outlines(panel, mask, maps[facts["method"]][place].astype(np.float32), threshold)
        if vacuity is not None:
            _vacuity(line[-1], vacuity[place].astype(np.float32), own[-1]["label"], window)
    reference = label(shown["method"].iloc[-1])
    figure.supxlabel(
        f"{', '.join(rules)} test slice of {reference} by Dice; solid: mask; dashed: prediction",
        fontsize=8,
    )
    return figure


def _vacuity(axes: Any, vacuity: NDArray[Any], name: str, window: tuple[slice, slice]) -> None:
    """Vacuity on a logarithmic scale: where evidence is ample it is a thousandth and less."""
    from matplotlib.colors import LogNorm

    scale: dict[str, Any] = {
        "cmap": "viridis",
        "vmin": None,
        "vmax": None,
        "norm": LogNorm(LEAST, 1),
    }
    drawn = picture(axes, vacuity, f"vacuity\n{name}", window, **scale)
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=7)
