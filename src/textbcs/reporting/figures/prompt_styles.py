"""Fig. 6: the same slice under other wordings, no prompt and wrong ones.

`style_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.prediction.prompt_cases import choose_cases
from textbcs.prompts.paraphrases import Paraphrases
from textbcs.prompts.perturbations import EMPTY, SHUFFLED, TRUE
from textbcs.reporting.common.labels import label
from textbcs.reporting.figures.canvas import dashed, fill, new_figure, picture, view

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.dataset.slice_store import Shard

TITLES = {
    TRUE: "own prompt",
    EMPTY: "empty prompt",
    SHUFFLED: "another case's prompt",
    "swapped_location": "wrong location",
}
_COLUMNS = 4


def style_rows(rows: "pd.DataFrame", paraphrases: Paraphrases, method: str) -> "pd.DataFrame":
    """What the figure of prompt styles shows.

    Args:
        rows: a run's rows per slice and probe.
        paraphrases: the sentences behind the probes.
        method: whose rows they are.

    Returns:
        By panel: `case` (1 or 2, as in the paper), `row` (the slice's place in the test split),
        `slice_id`, `style` (the panel's title), `probe`, `prompt`, `dice`, `method`. The paper's two
        variants of its own case, and of all other wordings the worst for this slice, are among the styles.
    """
    import pandas as pd

    paper = [one.name for one in paraphrases.probe if one.paper]
    shown = []
    for place in choose_cases(rows):
        slice_id = rows["slice_id"].iloc[place]
        own = rows[rows["slice_id"] == slice_id].set_index("probe")
        case = 1 if own.loc[TRUE, "prompt"].endswith("number one") else 2
        variants = {
            name: "the paper's variant" for name in paper if name.startswith(f"paper_{case}")
        }
        others = [one.name for one in paraphrases.probe if one.name not in variants]
        worst = str(own.loc[others, "dice"].sort_values(kind="stable").index[0])
        styles = [(TRUE, TITLES[TRUE]), *variants.items(), (worst, "worst other wording")]
        styles += [(probe, TITLES[probe]) for probe in (EMPTY, SHUFFLED, "swapped_location")]
        shown += [
            {
                "case": case,
                "row": place,
                "slice_id": slice_id,
                "style": style,
                "probe": probe,
                "prompt": own.loc[probe, "prompt"],
                "dice": own.loc[probe, "dice"],
                "method": method,
            }
            for probe, style in styles
        ]
    return pd.DataFrame(shown)


def draw(
    shown: "pd.DataFrame", maps: Mapping[str, NDArray[Any]], shard: "Shard", threshold: float
) -> "Figure":
    """Each case in lines of four panels, a panel a style: the image, the mask and the prediction.

    Args:
        shown: of `style_rows`.
        maps: `<slice_id>/<probe>` -> foreground probability (H, W).
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    cases = list(dict.fromkeys(shown["slice_id"])) if len(shown) else []
    most = max((int((shown["slice_id"] == one).sum()) for one in cases), default=1)
    lines = -(-most // _COLUMNS)
    figure = new_figure(1.9 * _COLUMNS, 2.3 * lines * max(len(cases), 1))
    axes = figure.subplots(lines * max(len(cases), 1), _COLUMNS, squeeze=False)
    for panel in axes.ravel():
        panel.set_axis_off()
    for place, slice_id in enumerate(cases):
        own = records(shown[shown["slice_id"] == slice_id])
        found = [maps[f"{slice_id}/{row['probe']}"].astype(np.float32) for row in own]
        mask = shard.masks[own[0]["row"]]
        image = shard.images[own[0]["row"]].astype(np.float32)
        window = view(np.any([mask > 0, *(one > threshold for one in found)], axis=0))
        panels = axes[place * lines : (place + 1) * lines].ravel()
        for panel, row, probability in zip(panels, own, found, strict=False):
            panel.set_axis_on()
            prompt = row["prompt"] or "(empty)"
            picture(
                panel, image, f"{row['style']}\nDice {row['dice']:.2f}", window, prompt, wrap=32
            )
            fill(panel, mask)
            if probability.min() <= threshold:
                dashed(panel, probability, threshold)
        panels[0].set_ylabel(f"case {own[0]['case']}: {slice_id}", fontsize=7)
    who = label(shown["method"].iloc[0]) if len(shown) else "no case"
    figure.supxlabel(f"{who}; light area: mask; dashed: prediction", fontsize=8)
    return figure
