"""What is measured of one set of probabilities: calibration, error detection, selection.

Of the tumour slices' pixels, as numbers for the whole test split. `assessment_samples` gives the same scores
in every sample of resampled patients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics import probability as probability_scores
from textbcs.evaluation.metrics.regions import Scopes, bands
from textbcs.evaluation.statistics.cluster_bootstrap import Array
from textbcs.evaluation.uncertainty import calibration

if TYPE_CHECKING:
    import pandas as pd

Flags = NDArray[np.bool_]
Maps = Mapping[str, NDArray[np.float32]]
AREA = "inverse_area"  # a doubt that no network states: small findings are worse, whoever made them
# The greatest value that a map can have, with two classes.
GREATEST = {"vacuity": 1.0, AREA: 1.0}
_NATS = math.log(2)


@dataclass(frozen=True)
class Cases:
    """What is predicted: the t tumour slices of the test split.

    Attributes:
        slices: `patient`, and `dice` of the prediction that is assessed.
        truth: (t, H, W).
        scopes: of these slices.
        spacing_mm: (t, 2), of rows and columns.
    """

    slices: "pd.DataFrame"
    truth: Flags
    scopes: Scopes
    spacing_mm: NDArray[np.float64]


def measure(
    cases: Cases, probability: NDArray[np.floating], maps: Maps, rules: Mapping[str, Any]
) -> dict[str, Any]:
    """Calibration, error detection and selection of one set of probabilities.

    Args:
        cases: the slices.
        probability: (t, H, W), of the foreground.
        maps: what is doubtful, (t, H, W) each.
        rules: the parameters `evaluation`.
    """
    bins, threshold = rules["calibration"]["bins"], rules["threshold"]
    doubt = case_doubts(cases, probability, maps, rules)
    return {
        "raw": assess(probability, cases.truth, cases.scopes, bins),
        "error_detection": detect(probability, cases.truth, cases.scopes, maps, threshold),
        "risk_coverage": select(cases.slices, doubt),
        "band_mm": rules["calibration"]["band_mm"],
        "tumour_slices": len(cases.slices),
        "tumour_patients": int(cases.slices["patient"].nunique()),
    }


def case_doubts(
    cases: Cases, probability: NDArray[np.floating], maps: Maps, rules: Mapping[str, Any]
) -> dict[str, NDArray[np.float64]]:
    """`doubts` of the cases under the parameters `evaluation`."""
    band_mm = rules["calibration"]["band_mm"]
    return doubts(probability, maps, rules["threshold"], cases.spacing_mm, band_mm)


def assess(
    probability: NDArray[np.floating], truth: Flags, scopes: Scopes, bins: int
) -> dict[str, Any]:
    """ECE, Brier, NLL and the reliability diagram, of the whole image and of the region."""
    everywhere = np.ones(truth.shape, dtype=bool)
    result = {}
    for name, where in (("image", everywhere), ("region", scopes.region)):
        p, y = probability[where], truth[where]
        diagram = calibration.reliability(p, y, bins)
        result[name] = {
            "ece": diagram.ece,
            "brier": probability_scores.brier(p, y),
            "nll": probability_scores.negative_log_likelihood(p, y),
            "reliability": {key: value.tolist() for key, value in vars(diagram).items()},
        }
    return result


def detect(
    probability: NDArray[np.floating],
    truth: Flags,
    scopes: Scopes,
    maps: Maps,
    threshold: float,
) -> dict[str, Any]:
    """How well each map ranks wrong pixels above right ones: in the image, in the band, outside it."""
    wrong = (probability > threshold) != truth
    result: dict[str, Any] = {}
    for scope, where in error_scopes(scopes).items():
        errors = wrong[where]
        result[scope] = {"error_share": float(errors.mean()) if errors.size else math.nan}
        for name, values in maps.items():
            doubt = values[where]
            result[scope][f"{name}_auroc"] = calibration.auroc(doubt, errors)
            result[scope][f"{name}_auprc"] = calibration.average_precision(doubt, errors)
    return result


def doubts(
    probability: NDArray[np.floating],
    maps: Maps,
    threshold: float,
    spacing_mm: NDArray[np.float64],
    band_mm: float,
) -> dict[str, NDArray[np.float64]]:
    """How doubtful each slice is: the mean of a map over what was found and the band around its outline.

    The mean over the whole image would be that of the background, and a sum over the area that was found
    grows as the area shrinks: both say little more than how small the finding is. Here every pixel is
    one that the finding rests on. It needs no reference. Where nothing is found the slice is as doubtful
    as the map can say. `inverse_area`, 1 / predicted pixels (at least one), stands for the size alone.

    Args:
        probability: (t, H, W), of the foreground.
        maps: (t, H, W) each.
        threshold: foreground where the probability exceeds this.
        spacing_mm: (t, 2), of rows and columns.
        band_mm: half the band's width.

    Returns:
        (t,) for each map and for `inverse_area`.
    """
    found = probability > threshold
    near = found | bands(found, spacing_mm, band_mm)
    pixels = near.sum(axis=(1, 2))
    result = {}
    for name, values in maps.items():
        sums = np.where(near, values, 0).sum(axis=(1, 2), dtype=np.float64)
        result[name] = np.where(pixels > 0, sums / np.maximum(pixels, 1), GREATEST.get(name, _NATS))
    return {**result, AREA: 1 / np.maximum(found.sum(axis=(1, 2)), 1)}


def select(
    slices: "pd.DataFrame", doubt: Mapping[str, NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    """Whether the doubtful slices, and patients, are the badly segmented ones: AURC of 1 - Dice.

    The excess over the perfect order's AURC says so whatever the Dice is. A patient's doubt and risk are
    the means over her slices.

    Args:
        slices: `patient` and `dice` of the t tumour slices.
        doubt: of `doubts`.
    """
    return {
        name: {
            f"{measure}_{unit}": function(risk, own)
            for unit, (risk, own, _) in units(slices, values).items()
            for measure, function in (
                ("aurc", calibration.aurc),
                ("excess_aurc", calibration.excess_aurc),
            )
        }
        for name, values in doubt.items()
    }


def owners(slices: "pd.DataFrame") -> NDArray[np.intp]:
    """Each slice's patient as a number, patients in the order of their names."""
    return np.unique(slices["patient"].to_numpy(dtype=str), return_inverse=True)[1]


def error_scopes(scopes: Scopes) -> dict[str, Flags]:
    """Where errors are looked for, (t, H, W) each: in the image, in the band, outside it."""
    everywhere = np.ones(scopes.band.shape, dtype=bool)
    return {"image": everywhere, "band": scopes.band, "outside": ~scopes.band}


def units(
    slices: "pd.DataFrame", doubt: NDArray[np.float64]
) -> dict[str, tuple[Array, Array, NDArray[np.intp]]]:
    """Risk, doubt and patient of each slice, and of each patient."""
    owner = owners(slices)
    risk = 1 - slices["dice"].to_numpy(dtype=np.float64)
    number = np.bincount(owner)
    means = (np.bincount(owner, weights=values) / number for values in (risk, doubt))
    patients = np.arange(len(number))
    own_risk, own_doubt = means
    return {"slices": (risk, doubt, owner), "patients": (own_risk, own_doubt, patients)}
