"""The scores of one set of probabilities in every sample of resampled patients.

So they have limits, and their differences are paired. `assessment` has the same scores as numbers for the
whole test split, and `cluster_bootstrap` draws the samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics import probability as probability_scores
from textbcs.evaluation.metrics.regions import Scopes
from textbcs.evaluation.statistics import cluster_bootstrap
from textbcs.evaluation.statistics.cluster_bootstrap import Array, Draws
from textbcs.evaluation.uncertainty import calibration
from textbcs.evaluation.uncertainty.assessment import (
    Cases,
    Flags,
    Maps,
    case_doubts,
    error_scopes,
    owners,
    units,
)

if TYPE_CHECKING:
    import pandas as pd

AREAS = {"auroc": cluster_bootstrap.auroc, "auprc": cluster_bootstrap.average_precision}


@dataclass(frozen=True)
class Sample:
    """Scores in every sample of the patients, (1 + B + n,) each, by name.

    Attributes:
        scores: as `means.csv` names them, `ece_region` for instance.
        diagrams: by scope, the share of foreground in each bin, (1 + B + n, bins).
    """

    scores: dict[str, Array]
    diagrams: dict[str, Array]


def measure_samples(
    cases: Cases,
    probability: NDArray[np.floating],
    maps: Maps,
    rules: Mapping[str, Any],
    draws: Draws,
    measured: Mapping[str, Any],
) -> Sample:
    """Every score in every sample of the patients, with `dice`; without maps the calibration alone.

    `measured` is what `assessment.measure` found; see there for the others.
    """
    bins, owner = rules["calibration"]["bins"], owners(cases.slices)
    own = np.asarray(probability)
    scores, diagrams = assess_samples(own, cases.truth, cases.scopes, bins, owner, draws)
    number = np.bincount(owner)
    dice = np.bincount(owner, weights=cases.slices["dice"]) / number
    scores["dice"] = cluster_bootstrap.mean(draws, dice, np.ones(len(number)))
    if maps:
        threshold = rules["threshold"]
        exact = measured["error_detection"]
        found = detect_samples(own, cases.truth, cases.scopes, maps, threshold, owner, draws, exact)
        scores |= found | select_samples(cases.slices, case_doubts(cases, own, maps, rules), draws)
    return Sample(scores, diagrams)


def assess_samples(
    probability: NDArray[np.floating],
    truth: Flags,
    scopes: Scopes,
    bins: int,
    owner: NDArray[np.intp],
    draws: Draws,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Calibration and reliability diagrams (`assessment.assess`) in every sample of the patients.

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
        for name, each in (("brier", (p - y) ** 2), ("nll", probability_scores.surprise(p, y))):
            sums = np.bincount(own, weights=each, minlength=patients).astype(np.float64)
            found[f"{name}_{scope}"] = cluster_bootstrap.mean(draws, sums, total)
        place, number = calibration.places(p, bins)
        shape, at = (patients, number), own * number + place
        size = patients * number
        count, of_p, of_y = (
            np.bincount(at, weights=weights, minlength=size).reshape(shape).astype(np.float64)
            for weights in (None, p, y)
        )
        found[f"ece_{scope}"] = cluster_bootstrap.calibration_error(draws, of_p, of_y, count)
        filled = count.sum(axis=0) > 0
        diagrams[scope] = cluster_bootstrap.shares(draws, of_y[:, filled], count[:, filled])
    return found, diagrams


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
    """Error detection (`assessment.detect`) in every sample, from each patient's counts per level of doubt.

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
    for scope, where in error_scopes(scopes).items():
        errors, own = wrong[where], owners[where]
        total = np.bincount(own, minlength=draws.patients).astype(np.float64)
        sums = np.bincount(own[errors], minlength=draws.patients).astype(np.float64)
        found[f"error_share_{scope}"] = cluster_bootstrap.mean(draws, sums, total)
        for name, values in maps.items():
            level = cluster_bootstrap.levels(values[where], errors)
            counts = cluster_bootstrap.histograms(level, errors, own, draws.patients)
            for score, area_of in AREAS.items():
                area = area_of(draws, *counts)
                lost = exact[scope][f"{name}_{score}"] - area[0]
                found[f"{name}_{score}_{scope}"] = area + lost
    return found


def select_samples(
    slices: "pd.DataFrame", doubt: Mapping[str, NDArray[np.float64]], draws: Draws
) -> dict[str, Array]:
    """Selection (`assessment.select`) in every sample: `<map>_aurc_<unit>`, `<map>_excess_aurc_<unit>`."""
    found = {}
    for name, values in doubt.items():
        for unit, (risk, own, owner) in units(slices, values).items():
            area = cluster_bootstrap.aurc(draws, risk, own, owner)
            found[f"{name}_aurc_{unit}"] = area
            found[f"{name}_excess_aurc_{unit}"] = area - cluster_bootstrap.aurc(
                draws, risk, risk, owner
            )
    return found
