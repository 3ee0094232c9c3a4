"""What a prediction is worth: a row of metrics per slice."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics import overlap
from textbcs.evaluation.metrics.lesions import count_lesions
from textbcs.evaluation.metrics.probability import brier, negative_log_likelihood
from textbcs.evaluation.metrics.surfaces import boundary_band, nsd_columns, surfaces
from textbcs.imaging.geometry import minimum_pixels
from textbcs.prediction.maps import Prediction
from textbcs.slices.resize import SquareGrid

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("slice_id", "patient", "series_uid", "z_index", "kind", "side", "mask_source")


def score(
    shard: Shard,
    true: Prediction,
    swapped: Prediction | None,
    rules: Mapping[str, Any],
    smallest_mm2: float,
    sides: str = "patient",
) -> "pd.DataFrame":
    """One row of metrics per slice.

    Columns: the slice's identity; its four pixel counts; `dice` and `iou` of the foreground;
    `dice_two_class` and `iou_two_class` with background; those of `native_scores` and
    `pixel_scores`; `predicted_side` and, with the side exchanged in the prompt, `dice_swapped` and
    `predicted_side_swapped` (empty for methods that read no text).

    Args:
        shard: the slices, with their masks on both grids.
        true: with each slice's own prompt.
        swapped: with the side exchanged, or None.
        rules: the parameters `evaluation`.
        smallest_mm2: smaller components are no lesions, `slices.minimum_component_mm2`.
        sides: `cohort.sides`.
    """
    import pandas as pd

    rows = []
    for index, facts in enumerate(records(shard.table)):
        probability, mask = true.probability[index], shard.masks[index]
        native = shard.native_masks[facts["slice_id"]]
        row = {name: facts[name] for name in IDENTITY} | _overlap_scores(
            probability > rules["threshold"], mask
        )
        row |= native_scores(probability, facts, native, rules, smallest_mm2)
        row |= pixel_scores(probability, mask, facts, rules)
        other = None if swapped is None else swapped.probability[index]
        row |= _sides(probability, other, mask, facts["midline_col"], rules["threshold"], sides)
        rows.append(row)
    return pd.DataFrame(rows)


def _overlap_scores(found: NDArray[np.bool_], mask: NDArray[np.generic]) -> dict[str, Any]:
    """The pixel counts of a slice, and its overlap without and with background."""
    counts = overlap.count(found, mask)
    behind = overlap.background(counts)
    return {
        **vars(counts),
        "dice": overlap.dice(counts),
        "iou": overlap.iou(counts),
        "dice_two_class": overlap.two_class(overlap.dice(counts), overlap.dice(behind)),
        "iou_two_class": overlap.two_class(overlap.iou(counts), overlap.iou(behind)),
    }


def _sides(
    probability: NDArray[np.float32],
    swapped: NDArray[np.float32] | None,
    mask: NDArray[np.generic],
    midline: float,
    threshold: float,
    sides: str,
) -> dict[str, Any]:
    """The side that was found, and what is found with the side exchanged in the prompt."""
    row = {
        "predicted_side": _predicted_side(probability, threshold, midline, sides),
        "dice_swapped": float("nan"),
        "predicted_side_swapped": "",
    }
    if swapped is not None:
        row["dice_swapped"] = overlap.dice(overlap.count(swapped > threshold, mask))
        row["predicted_side_swapped"] = _predicted_side(swapped, threshold, midline, sides)
    return row


def native_scores(
    probability: NDArray[np.float32],
    facts: Mapping[str, Any],
    native: NDArray[np.bool_],
    rules: Mapping[str, Any],
    smallest_mm2: float,
) -> dict[str, Any]:
    """What is measured on the slice's DICOM grid, where a pixel has its true size.

    Columns: `dice_native`; `reference_mm2` and `false_positive_mm2`; `nsd_<tolerance>mm`; `hd95_mm`,
    `assd_mm` and whether they are `distance_replaced`; `lesions`, `lesions_found`, `components` and
    `false_components`.

    Args:
        probability: (size, size), of the foreground.
        facts: the slice's row, for its grid.
        native: (native_rows, native_cols), the true mask.
        rules: the parameters `evaluation`.
        smallest_mm2: smaller components are not counted.
    """
    spacing = (float(facts["native_spacing_row_mm"]), float(facts["native_spacing_col_mm"]))
    grid = SquareGrid((facts["native_rows"], facts["native_cols"]), spacing, probability.shape[0])
    found = grid.to_native(probability) > rules["threshold"]
    counts = overlap.count(found, native)
    outline = surfaces(found, native, spacing, rules["nsd_tolerances_mm"])
    pixel_mm2 = spacing[0] * spacing[1]
    return {
        "dice_native": overlap.dice(counts),
        "reference_mm2": (counts.true_positive + counts.false_negative) * pixel_mm2,
        "false_positive_mm2": counts.false_positive * pixel_mm2,
        **dict(zip(nsd_columns(rules["nsd_tolerances_mm"]), outline.nsd, strict=True)),
        "hd95_mm": outline.hd95_mm,
        "assd_mm": outline.assd_mm,
        "distance_replaced": outline.replaced,
        **vars(
            count_lesions(found, native, minimum_pixels(smallest_mm2, spacing), **rules["lesions"])
        ),
    }


def pixel_scores(
    probability: NDArray[np.float32],
    mask: NDArray[np.generic],
    facts: Mapping[str, Any],
    rules: Mapping[str, Any],
) -> dict[str, float]:
    """How far the slice's probabilities can be believed, on the square grid.

    Columns: `brier` and `nll` over the image, `brier_region` and `nll_region` over the lesion and the
    band around its outline (NaN without a lesion).
    """
    spacing = (float(facts["spacing_row_mm"]), float(facts["spacing_col_mm"]))
    truth = np.asarray(mask) > 0
    region = truth | boundary_band(truth, spacing, rules["calibration"]["band_mm"])
    scores = {
        "brier": brier(probability, truth),
        "nll": negative_log_likelihood(probability, truth),
        "brier_region": float("nan"),
        "nll_region": float("nan"),
    }
    if region.any():
        scores["brier_region"] = brier(probability[region], truth[region])
        scores["nll_region"] = negative_log_likelihood(probability[region], truth[region])
    return scores


def _predicted_side(
    probability: NDArray[np.float32], threshold: float, midline: float, sides: str
) -> str:
    """The side of the midline with more predicted foreground; empty where there is none, or no sides.

    The patient's left is at larger columns (LPS), the image's as it is seen at smaller ones.
    """
    if sides == "none":
        return ""
    columns = (probability > threshold).sum(axis=0)
    is_left = np.arange(len(columns)) > midline
    left, right = int(columns[is_left].sum()), int(columns[~is_left].sum())
    if left == right:
        return ""
    return "left" if (left > right) != (sides == "image") else "right"
