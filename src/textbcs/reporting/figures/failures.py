"""Fig. 5: where the reference method fails, by rule, with the prompt that it was given.

`failure_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import new_figure, outlines, picture, view
from textbcs.reporting.figures.cases import FAILURES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.dataset.slice_store import Shard
    from textbcs.evaluation.statistics.runs import Run

NONE = "none"  # the slice of a rule that no slice meets
FACTS = ("dice", "lesions", "lesions_found", "reference_mm2", "false_positive_mm2")


def failure_rows(
    cases: Mapping[str, int], run: "Run", prompts: Mapping[str, str]
) -> "pd.DataFrame":
    """A row per rule: `rule`, `slice_id`, `row`, `method`, `kind`, the run's facts, `prompt`.

    A rule that no slice meets has the slice `none` and nothing else.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for rule in FAILURES:
        if rule not in cases:
            rows.append({"rule": rule, "slice_id": NONE, "method": run.method})
            continue
        row = cases[rule]
        facts = run.slices.iloc[row]
        name = str(facts["slice_id"])
        shown = {"rule": rule, "slice_id": name, "row": row, "method": run.method}
        shown |= {"kind": facts["kind"], **{key: facts[key] for key in FACTS}}
        rows.append(shown | {"prompt": prompts.get(name, "")})
    columns = ["rule", "slice_id", "row", "method", "kind", *FACTS, "prompt"]
    return pd.DataFrame(rows, columns=columns).astype({"row": "Int64"})


def draw(shown: "pd.DataFrame", maps: NDArray[Any], shard: "Shard", threshold: float) -> "Figure":
    """A column a case: above the whole slice, below the part that holds mask and prediction.

    Args:
        shown: of `failure_rows`.
        maps: probability (cases, H, W).
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    drawn = records(shown[shown["slice_id"] != NONE])
    columns = max(len(drawn), 1)
    figure = new_figure(2.6 * columns, 5.4)
    axes = figure.subplots(2, columns, squeeze=False)
    for place, facts in enumerate(drawn):
        image = shard.images[facts["row"]].astype(np.float32)
        mask, found = shard.masks[facts["row"]], maps[place].astype(np.float32)
        window = view((mask > 0) | (found > threshold))
        picture(axes[0, place], image, f"{facts['rule']}\n{facts['slice_id']}")
        prompt = f"prompt: {facts['prompt']}" if facts["prompt"] else "no prompt"
        picture(axes[1, place], image, _says(facts), window, prompt)
        for panel in axes[:, place]:
            outlines(panel, mask, found, threshold)
    if not drawn:
        for panel in axes.ravel():
            panel.set_axis_off()
    told = f"{label(shown['method'].iloc[0])}; solid: mask; dashed: prediction"
    empty = shown.loc[shown["slice_id"] == NONE, "rule"].tolist()
    if empty:
        told += f"\nno further slice by the rule: {', '.join(empty)}"
    figure.supxlabel(told, fontsize=8)
    return figure


def _says(facts: Mapping[str, Any]) -> str:
    false = f"false positive {facts['false_positive_mm2']:.0f} mm²"
    if facts["kind"] != "tumour":
        return f"tumour-free slice\n{false}"
    found = f"{facts['lesions_found']:.0f} of {facts['lesions']:.0f} lesions"
    return f"Dice {facts['dice']:.2f}, {found}\n{false}"
