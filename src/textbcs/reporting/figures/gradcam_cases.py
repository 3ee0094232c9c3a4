"""Fig. 4: heat maps of the ablation's UNet and UNet with SVLI at each stage, on two cases.

`panel_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.reporting.figures.canvas import new_figure, outlines, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.dataset.slice_store import Shard

# Rows of the ablation: Table 1's UNet is another run.
NETWORKS = {"unet": "ablation's UNet", "svli": "ablation's UNet + SVLI"}


def panel_rows(
    cases: "pd.DataFrame", facts: "pd.DataFrame", maps: Mapping[str, NDArray[Any]]
) -> "pd.DataFrame":
    """A row per heat map: its case, network and stage, its greatest value and its quantities.

    Args:
        cases: `rule` and `slice_id`, in the maps' order.
        facts: the quantities of each slice, network and stage.
        maps: network -> heat (cases, stages, H, W).
    """
    import pandas as pd

    rows = []
    for place, case in enumerate(records(cases)):
        for network in NETWORKS:
            for number in range(maps[network].shape[1]):
                row = {"rule": case["rule"], "slice_id": case["slice_id"], "network": network}
                row |= {"stage": number + 1, "greatest": float(maps[network][place, number].max())}
                rows.append(row)
    keys = ["slice_id", "network", "stage"]
    quantities = ["seed", "dice", "has_heat", "pointing_hit", "energy_inside", "lift"]
    return pd.DataFrame(rows).merge(facts[[*keys, *quantities]], on=keys, how="left")


def draw(shown: "pd.DataFrame", maps: Mapping[str, NDArray[Any]], shard: "Shard") -> "Figure":
    """A line a case and network; a column a stage, each heat map over its own greatest value.

    Args:
        shown: of `panel_rows`.
        maps: network -> heat (cases, stages, H, W).
        shard: the test slices.
    """
    rules = list(dict.fromkeys(shown["rule"]))
    stages = int(shown["stage"].max())
    figure = new_figure(1.3 * (stages + 1), 1.75 * len(rules) * len(NETWORKS))
    axes = figure.subplots(len(rules) * len(NETWORKS), stages + 1, squeeze=False)
    ids = shard.table["slice_id"].astype(str).tolist()
    for place, rule in enumerate(rules):
        for line, network in enumerate(NETWORKS):
            own = records(shown[(shown["rule"] == rule) & (shown["network"] == network)])
            row = ids.index(str(own[0]["slice_id"]))
            image, mask = shard.images[row].astype(np.float32), shard.masks[row]
            panels = axes[place * len(NETWORKS) + line]
            picture(panels[0], image, "\n".join([*textwrap.wrap(rule, 18), own[0]["slice_id"]]))
            panels[0].set_ylabel(f"{NETWORKS[network]}\nDice {own[0]['dice']:.2f}", fontsize=8)
            outlines(panels[0], mask)
            for panel, facts in zip(panels[1:], own, strict=True):
                heat = maps[network][place, facts["stage"] - 1].astype(np.float32)
                _heat(panel, image, heat, facts)
                outlines(panel, mask)
                panel.set_aspect("equal")
    seeds = ", ".join(str(seed) for seed in sorted(set(shown["seed"])))
    figure.supxlabel(
        f"outline: mask; each heat map over its own greatest value; seed {seeds}", fontsize=8
    )
    return figure


def _heat(
    axes: Any, image: NDArray[np.float32], heat: NDArray[np.float32], facts: Mapping[str, Any]
) -> None:
    """One heat map over its image, relative to its own greatest value."""
    greatest = float(heat.max())
    inside = f"{100 * facts['energy_inside']:.1f} % inside" if greatest > 0 else "zero everywhere"
    picture(axes, image, f"stage {facts['stage']}\n{inside}")
    if greatest > 0:
        share = heat / greatest
        # The image stays visible where the network does not look.
        axes.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=np.clip(0.25 + share, 0, 0.85))
