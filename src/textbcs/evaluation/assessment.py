"""What is measured of one set of probabilities: calibration, error detection, selection.

Pure functions on the tumour slices' pixels. Each score is given once, as a number for the whole test
split, and once in every sample of resampled patients (`evaluation.clusters`), so that it has limits and
its differences are paired. Reads and writes no file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import calibration, clusters
from textbcs.evaluation.clusters import Array, Draws
from textbcs.evaluation.scopes import Scopes, bands

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


@dataclass(frozen=True)
class Sample:
    """Scores in every sample of the patients, (1 + B + n,) each, by name.

    Attributes:
        scores: as `evaluation.compare` names them, `ece_region` for instance.
        diagrams: by scope, the share of foreground in each bin, (1 + B + n, bins).
    """

    scores: dict[str, Array]
    diagrams: dict[str, Array]


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
    doubt = _doubts(cases, probability, maps, rules)
    return {
        "raw": assess(probability, cases.truth, cases.scopes, bins),
        "error_detection": detect(probability, cases.truth, cases.scopes, maps, threshold),
        "risk_coverage": select(cases.slices, doubt),
        "band_mm": rules["calibration"]["band_mm"],
        "tumour_slices": len(cases.slices),
        "tumour_patients": int(cases.slices["patient"].nunique()),
    }


def measure_samples(
    cases: Cases,
    probability: NDArray[np.floating],
    maps: Maps,
    rules: Mapping[str, Any],
    draws: Draws,
    measured: Mapping[str, Any],
) -> Sample:
    """The same in every sample of the patients, with `dice`; without maps the calibration alone.

    `measured` is what `measure` found; see there for the others.
    """
    bins, owner = rules["calibration"]["bins"], owners(cases.slices)
    own = np.asarray(probability)
    scores, diagrams = assess_samples(own, cases.truth, cases.scopes, bins, owner, draws)
    number = np.bincount(owner)
    dice = np.bincount(owner, weights=cases.slices["dice"]) / number
    scores["dice"] = clusters.mean(draws, dice, np.ones(len(number)))
    if maps:
        threshold = rules["threshold"]
        exact = measured["error_detection"]
        found = detect_samples(own, cases.truth, cases.scopes, maps, threshold, owner, draws, exact)
        scores |= found | select_samples(cases.slices, _doubts(cases, own, maps, rules), draws)
    return Sample(scores, diagrams)


def _doubts(
    cases: Cases, probability: NDArray[np.floating], maps: Maps, rules: Mapping[str, Any]
) -> dict[str, NDArray[np.float64]]:
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
            "brier": calibration.brier(p, y),
            "nll": calibration.negative_log_likelihood(p, y),
            "reliability": {key: value.tolist() for key, value in vars(diagram).items()},
        }
    return result


def assess_samples(
    probability: NDArray[np.floating],
    truth: Flags,
    scopes: Scopes,
    bins: int,
    owner: NDArray[np.intp],
    draws: Draws,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The same in every sample of the patients.

    Args:
        probability: (t, H, W).
        truth: likewise.
        scopes: likewise.
        bins: of equal mass in the whole test split; they stay as they are in every sample.
        owner: (t,), the patient's number of each slice.
        draws: the samples.

    Returns:
        `ece_<scope>`, `brier_<scope>`, `nll_<scope>`; and by scope the share of foreground in each bin,
        (samples, bins), in the order of `assess`'s diagram.
    """
    patients, found, diagrams = draws.patients, {}, {}
    owners = np.broadcast_to(owner[:, None, None], truth.shape)
    everywhere = np.ones(truth.shape, dtype=bool)
    for scope, where in (("image", everywhere), ("region", scopes.region)):
        p, y = np.asarray(probability[where], np.float64), truth[where].astype(np.float64)
        own = owners[where]
        total = np.bincount(own, minlength=patients).astype(np.float64)
        for name, each in (("brier", (p - y) ** 2), ("nll", calibration.surprise(p, y))):
            sums = np.bincount(own, weights=each, minlength=patients).astype(np.float64)
            found[f"{name}_{scope}"] = clusters.mean(draws, sums, total)
        place, number = calibration.places(p, bins)
        shape, at = (patients, number), own * number + place
        size = patients * number
        count, of_p, of_y = (
            np.bincount(at, weights=weights, minlength=size).reshape(shape).astype(np.float64)
            for weights in (None, p, y)
        )
        found[f"ece_{scope}"] = clusters.calibration_error(draws, of_p, of_y, count)
        filled = count.sum(axis=0) > 0
        diagrams[scope] = clusters.shares(draws, of_y[:, filled], count[:, filled])
    return found, diagrams


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
    for scope, where in _where(scopes).items():
        errors = wrong[where]
        result[scope] = {"error_share": float(errors.mean()) if errors.size else math.nan}
        for name, values in maps.items():
            doubt = values[where]
            result[scope][f"{name}_auroc"] = calibration.auroc(doubt, errors)
            result[scope][f"{name}_auprc"] = calibration.average_precision(doubt, errors)
    return result


def detect_samples(
    probability: NDArray[np.floating],
    truth: Flags,
    scopes: Scopes,
    maps: Maps,
    threshold: float,
    owner: NDArray[np.intp],
    draws: Draws,
    exact: Mapping[str, Mapping[str, float]],
) -> dict[str, Array]:
    """The same in every sample of the patients, from each patient's counts of pixels per level of doubt.

    What a score of the whole split loses by the levels is added to all samples: less than 0.001 of an
    AUROC, less than 0.01 of an AUPRC.

    Args:
        probability: (t, H, W).
        truth: likewise.
        scopes: likewise.
        maps: (t, H, W) each.
        threshold: foreground where the probability exceeds this.
        owner: (t,), the patient's number of each slice.
        draws: the samples.
        exact: of `detect`.

    Returns:
        `error_share_<scope>`, `<map>_auroc_<scope>`, `<map>_auprc_<scope>`.
    """
    wrong = (probability > threshold) != truth
    owners = np.broadcast_to(owner[:, None, None], truth.shape)
    found = {}
    for scope, where in _where(scopes).items():
        errors, own = wrong[where], owners[where]
        total = np.bincount(own, minlength=draws.patients).astype(np.float64)
        sums = np.bincount(own[errors], minlength=draws.patients).astype(np.float64)
        found[f"error_share_{scope}"] = clusters.mean(draws, sums, total)
        for name, values in maps.items():
            level = clusters.levels(values[where], errors)
            counts = clusters.histograms(level, errors, own, draws.patients)
            for score, area in (
                ("auroc", clusters.auroc(draws, *counts)),
                ("auprc", clusters.average_precision(draws, *counts)),
            ):
                lost = exact[scope][f"{name}_{score}"] - area[0]
                found[f"{name}_{score}_{scope}"] = area + lost
    return found


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
            for unit, (risk, own, _) in _units(slices, values).items()
            for measure, function in (
                ("aurc", calibration.aurc),
                ("excess_aurc", calibration.excess_aurc),
            )
        }
        for name, values in doubt.items()
    }


def select_samples(
    slices: "pd.DataFrame", doubt: Mapping[str, NDArray[np.float64]], draws: Draws
) -> dict[str, Array]:
    """The same in every sample of the patients: `<map>_aurc_<unit>`, `<map>_excess_aurc_<unit>`."""
    found = {}
    for name, values in doubt.items():
        for unit, (risk, own, owner) in _units(slices, values).items():
            area = clusters.aurc(draws, risk, own, owner)
            found[f"{name}_aurc_{unit}"] = area
            found[f"{name}_excess_aurc_{unit}"] = area - clusters.aurc(draws, risk, risk, owner)
    return found


def owners(slices: "pd.DataFrame") -> NDArray[np.intp]:
    """Each slice's patient as a number, patients in the order of their names."""
    return np.unique(slices["patient"].to_numpy(dtype=str), return_inverse=True)[1]


def _where(scopes: Scopes) -> dict[str, Flags]:
    everywhere = np.ones(scopes.band.shape, dtype=bool)
    return {"image": everywhere, "band": scopes.band, "outside": ~scopes.band}


def _units(
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
