"""How well heat maps find the lesion, and how much of them random weights would show too."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.dataset.slice_store import Shard
from textbcs.explain import heat_map_measures
from textbcs.prediction.cases import by_dice, mask_dice, middle

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.explain.heat_maps import Explained


LOCALISED = ("pointing_hit", "energy_inside", "lift")


PAIRED = "svli - unet"


RANDOMISED = "randomised_correlation"


MEASURES = (*LOCALISED, RANDOMISED)


Maps = list[NDArray[np.float32]]  # one a stage, each (n, h, w)


def tumour_only(shard: Shard) -> Shard:
    """The tumour slices of a shard."""
    places = np.flatnonzero(shard.table["kind"] == "tumour")
    table = shard.table.iloc[places].reset_index(drop=True)
    return Shard(table, shard.images[places], shard.masks[places], shard.native_masks)


def signed_maps(parts: "Iterable[Explained]") -> Maps:
    """Each stage's maps before the cut at zero, of all slices, at the stage's own size."""
    stages = zip(*(part.signed for part in parts), strict=True)
    return [np.concatenate([one.cpu().numpy() for one in stage]) for stage in stages]


def survival(own: Maps, blind: Maps) -> NDArray[np.float64]:
    """Rank correlation (n, stages) of each slice's maps with those of random weights.

    Before the cut at zero, which leaves nothing of many maps: an empty map has no correlation.
    """
    return np.array(
        [
            [heat_map_measures.rank_correlation(a, b) for a, b in zip(first, second, strict=True)]
            for first, second in zip(own, blind, strict=True)
        ]
    ).T


def slice_rows(
    shard: Shard,
    heat: NDArray[np.float32],
    correlations: NDArray[np.float64],
    probability: NDArray[np.float32],
    params: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One row per slice and stage of a network.

    Args:
        shard: n tumour slices.
        heat: (n, 5, H, W) of the trained network.
        correlations: (draws, n, 5) with random weights.
        probability: (n, H, W), for the slice's Dice.
        params: `gradcam.tolerance_mm` and `evaluation.threshold`.

    Returns:
        Rows with `has_heat`, 0 for a map that is zero everywhere, the measures of `MEASURES`, of which
        the correlation is the mean of the draws that have one, and each draw's own.
    """

    rows = []
    for place, facts in enumerate(records(shard.table)):
        mask = shard.masks[place]
        tolerance = params["gradcam"]["tolerance_mm"] / float(facts["spacing_row_mm"])
        found = mask_dice(probability[place] > params["evaluation"]["threshold"], mask)
        for number in range(heat.shape[1]):
            one, drawn = heat[place, number], correlations[:, place, number]
            energy = heat_map_measures.energy_inside(one, mask)
            known = drawn[~np.isnan(drawn)]
            row = {
                "slice_id": facts["slice_id"],
                "patient": facts["patient"],
                "stage": number + 1,
                "dice": found,
                "has_heat": int(heat_map_measures.has_heat(one)),
                "pointing_hit": heat_map_measures.pointing_hit(one, mask, tolerance),
                "energy_inside": energy,
                "lift": heat_map_measures.lift(energy, mask),
                RANDOMISED: float(known.mean()) if len(known) else float("nan"),
            }
            rows.append(row | {f"draw_{n}": float(value) for n, value in enumerate(drawn, start=1)})
    return rows


def chosen_cases(facts: "pd.DataFrame", shard: Shard) -> "pd.DataFrame":
    """The figure's two cases, by rule: UNet's median Dice, and the slice with the most lesion parts.

    Returns:
        `rule`, `slice_id` and `row`, its place among the tumour slices.
    """
    import pandas as pd
    from scipy.ndimage import label

    dice = facts[(facts["network"] == "unet") & (facts["stage"] == 1)].reset_index(drop=True)
    median = str(dice["slice_id"].iloc[middle(by_dice(dice))])
    parts = [int(label(mask)[1]) for mask in shard.masks]
    ids = shard.table["slice_id"].astype(str).tolist()
    several = max(
        (place for place in range(len(ids)) if ids[place] != median or len(ids) == 1),
        key=lambda place: (parts[place], -place),
    )
    chosen = [("median Dice of the ablation's UNet", median), ("most lesion parts", ids[several])]
    return pd.DataFrame(
        [{"rule": rule, "slice_id": name, "row": ids.index(name)} for rule, name in chosen]
    )
