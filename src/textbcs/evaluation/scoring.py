"""What a prediction is worth: a row of metrics per slice, and the maps behind it as they are stored.

Pure functions on predictions and slices; reads and writes no file.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import metrics
from textbcs.evaluation.calibration import brier, negative_log_likelihood
from textbcs.evaluation.dirichlet import GREATEST, uncertainty
from textbcs.evaluation.lesions import count_lesions
from textbcs.evaluation.prediction import Prediction, log_odds
from textbcs.evaluation.surfaces import boundary_band, nsd_columns, surfaces
from textbcs.geometry import minimum_pixels
from textbcs.io import records
from textbcs.slices.resize import SquareGrid
from textbcs.slices.store import Shard

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("slice_id", "patient", "series_uid", "z_index", "kind", "side", "mask_source")


def score(
    shard: Shard,
    true: Prediction,
    swapped: Prediction | None,
    rules: Mapping[str, Any],
    smallest_mm2: float,
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
    """
    import pandas as pd

    threshold = rules["threshold"]
    rows = []
    for index, facts in enumerate(records(shard.table)):
        probability = true.probability[index]
        counts = metrics.count(probability > threshold, shard.masks[index])
        behind = metrics.background(counts)
        row = {name: facts[name] for name in IDENTITY} | vars(counts)
        row |= {
            "dice": metrics.dice(counts),
            "iou": metrics.iou(counts),
            "dice_two_class": metrics.two_class(metrics.dice(counts), metrics.dice(behind)),
            "iou_two_class": metrics.two_class(metrics.iou(counts), metrics.iou(behind)),
            **native_scores(
                probability, facts, shard.native_masks[facts["slice_id"]], rules, smallest_mm2
            ),
            **pixel_scores(probability, shard.masks[index], facts, rules),
            "predicted_side": _predicted_side(probability, threshold, facts["midline_col"]),
            "dice_swapped": float("nan"),
            "predicted_side_swapped": "",
        }
        if swapped is not None:
            other = swapped.probability[index]
            row["dice_swapped"] = metrics.dice(metrics.count(other > threshold, shard.masks[index]))
            row["predicted_side_swapped"] = _predicted_side(other, threshold, facts["midline_col"])
        rows.append(row)
    return pd.DataFrame(rows)


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
    counts = metrics.count(found, native)
    outline = surfaces(found, native, spacing, rules["nsd_tolerances_mm"])
    pixel_mm2 = spacing[0] * spacing[1]
    return {
        "dice_native": metrics.dice(counts),
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


def _predicted_side(probability: NDArray[np.float32], threshold: float, midline: float) -> str:
    """The side of the patient's midline with more predicted foreground; empty where there is none.

    The patient's left is at larger columns (LPS).
    """
    columns = (probability > threshold).sum(axis=0)
    is_left = np.arange(len(columns)) > midline
    left, right = int(columns[is_left].sum()), int(columns[~is_left].sum())
    if left == right:
        return ""
    return "left" if left > right else "right"


def maps_of(true: Prediction, swapped: Prediction | None) -> dict[str, NDArray[np.float16]]:
    """What is kept of the maps, float16: enough to recompute every uncertainty."""
    maps = {"probability": true.probability.astype(np.float16)}
    if true.evidence is not None:
        maps["evidence"] = np.minimum(true.evidence, GREATEST).astype(np.float16)
        maps["vacuity"] = uncertainty(true.evidence).vacuity.astype(np.float16)
    else:
        # Near 1 a float16 probability has three digits; its log-odds keep all that calibration needs.
        maps["log_odds"] = log_odds(true.probability).astype(np.float16)
    if swapped is not None:
        maps["probability_swapped"] = swapped.probability.astype(np.float16)
    return maps
