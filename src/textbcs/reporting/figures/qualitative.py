"""Fig. 3: every method of Table 1 on the same test slices, chosen by rule from the reference method.

`case_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import frame, new_figure, outlines, picture, square

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.dataset.slice_store import Shard
    from textbcs.evaluation.statistics.runs import Run

Maps = Mapping[str, NDArray[Any]]  # method -> probability (cases, H, W)
_COLUMNS = 7


def case_rows(
    cases: Mapping[str, int],
    runs: Mapping[str, "Run"],
    maps: Maps,
    shard: "Shard",
    threshold: float,
) -> "pd.DataFrame":
    """A row per panel: `rule`, `slice_id`, `row`, `method`, `label`, `dice`, pixels predicted.

    `pixels_outside` counts predicted pixels outside the enlarged part, which the panel cannot show.

    Args:
        cases: rule -> row of the test split.
        runs: method -> its run.
        maps: method -> probability (cases, H, W).
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    import pandas as pd

    rows = []
    for place, (rule, row) in enumerate(cases.items()):
        window = square(shard.masks[row])
        for method, run in runs.items():
            found = maps[method][place].astype(np.float32) > threshold
            rows.append(
                {
                    "rule": rule,
                    "slice_id": shard.table["slice_id"].iloc[row],
                    "row": row,
                    "method": method,
                    "label": label(method),
                    "dice": run.slices["dice"].iloc[row],
                    "pixels": int(found.sum()),
                    "pixels_outside": int(found.sum() - found[window].sum()),
                }
            )
    return pd.DataFrame(rows)


def draw(shown: "pd.DataFrame", maps: Maps, shard: "Shard", threshold: float) -> "Figure":
    """Each case: the whole slice with the enlarged part framed, then a panel a method.

    Args:
        shown: of `case_rows`.
        maps: method -> probability (cases, H, W).
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    rules = list(dict.fromkeys(shown["rule"]))
    panels = 1 + shown["method"].nunique()
    columns = min(_COLUMNS, panels)
    lines = -(-panels // columns)
    figure = new_figure(1.12 * columns, 1.45 * lines * len(rules))
    axes = figure.subplots(lines * len(rules), columns, squeeze=False)
    for panel in axes.ravel():
        panel.set_axis_off()
    for place, rule in enumerate(rules):
        own = records(shown[shown["rule"] == rule])
        free = list(axes[place * lines : (place + 1) * lines].ravel())
        row = own[0]["row"]
        image, mask = shard.images[row].astype(np.float32), shard.masks[row]
        window = square(mask)
        for panel in free[: len(own) + 1]:
            panel.set_axis_on()
        picture(free[0], image, rule, below=str(own[0]["slice_id"]))
        frame(free[0], window)
        for panel, facts in zip(free[1:], own, strict=False):
            title = f"{facts['label']}\nDice {facts['dice']:.2f}"
            picture(panel, image, title, window, _note(facts, image.size), wrap=24)
            outlines(panel, mask, maps[facts["method"]][place].astype(np.float32), threshold)
    figure.supxlabel(
        "solid: mask; dashed: prediction; frame: the part that is enlarged beside it", fontsize=8
    )
    return figure


def _note(facts: Mapping[str, Any], pixels: int) -> str:
    """What a panel's outlines do not say."""
    if facts["pixels"] in (0, pixels):
        return "the whole slice predicted" if facts["pixels"] else "nothing predicted"
    return f"{facts['pixels_outside']} px outside frame" if facts["pixels_outside"] else ""
