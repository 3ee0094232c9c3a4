"""Means over patients of whole volumes' scores, with the project's intervals.

A metric's mean is over the patients that have a value; replaced distances are among them. Lesion sensitivity
is lesions found over lesions, of all patients together; patients are resampled, so the lesions of one stay
together.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.surfaces import nsd_columns
from textbcs.evaluation.statistics import cluster_bootstrap
from textbcs.evaluation.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["method", "seed", "source"]
COLUMNS = [*KEYS, "metric", "mean", "low", "high", "patients"]
SENSITIVITY = "lesion_sensitivity"
ERROR = "volume_error_ml"  # predicted less reference, with its sign
Array = NDArray[np.float64]


def metrics(tolerances_mm: Sequence[float]) -> list[str]:
    """The metrics by which networks are compared, in their order."""
    nsd = nsd_columns(tolerances_mm)
    return ["dice", *nsd, "hd95_mm", SENSITIVITY, "false_components", "false_ml"]


def means(
    patients: "pd.DataFrame", tolerances_mm: Sequence[float], bootstrap: Mapping[str, Any]
) -> "pd.DataFrame":
    """The mean and limits of `metrics` and of `ERROR`, by network, seed and source: `COLUMNS`.

    Args:
        patients: `KEYS`, `patient` and the columns of `score_patient`.
        tolerances_mm: of the NSD.
        bootstrap: `resamples` and `seed`.
    """
    import pandas as pd

    rows = []
    for key, own in patients.groupby(KEYS, sort=False):
        for metric in (*metrics(tolerances_mm), ERROR):
            found = metric_interval(by_patient(own), metric, bootstrap)
            row = dict(zip(KEYS, key, strict=True)) | {"metric": metric, "mean": found.mean}
            rows.append(row | {"low": found.low, "high": found.high, "patients": found.patients})
    return pd.DataFrame(rows, columns=COLUMNS)


def by_patient(own: "pd.DataFrame") -> "pd.DataFrame":
    """One network's rows, sorted by patient, which is the index; with the error of the volume."""
    table = own.set_index("patient").sort_index()
    return table.assign(**{ERROR: table["predicted_ml"] - table["reference_ml"]})


def metric_interval(own: "pd.DataFrame", metric: str, bootstrap: Mapping[str, Any]) -> Interval:
    """The mean of a metric over patients with its limits.

    Args:
        own: of `by_patient`.
        metric: one of `metrics`, or `ERROR`.
        bootstrap: `resamples` and `seed`.
    """
    if metric != SENSITIVITY:
        return mean_interval(own[metric].dropna().to_numpy(dtype=np.float64), **bootstrap)
    draws = cluster_bootstrap.draw(len(own), **bootstrap)
    return cluster_bootstrap.interval(sensitivity(own, draws), draws)


def difference_interval(
    own: "pd.DataFrame", other: "pd.DataFrame", metric: str, bootstrap: Mapping[str, Any]
) -> Interval:
    """What one network scores more than another, paired by patient: over patients that have both values.

    Args:
        own: of `by_patient`.
        other: likewise, of the same patients.
        metric: one of `metrics`.
        bootstrap: `resamples` and `seed`.

    Raises:
        ValueError: the two hold different patients.
    """
    if not own.index.equals(other.index):
        raise ValueError("a paired difference needs the same patients on both sides")
    if metric != SENSITIVITY:
        difference = (own[metric] - other[metric]).dropna()
        return mean_interval(difference.to_numpy(dtype=np.float64), **bootstrap)
    draws = cluster_bootstrap.draw(len(own), **bootstrap)
    return cluster_bootstrap.interval(sensitivity(own, draws) - sensitivity(other, draws), draws)


def sensitivity(own: "pd.DataFrame", draws: cluster_bootstrap.Draws) -> Array:
    """Lesions found over lesions in every sample; NaN where a sample has none."""
    found, lesions = (own[name].to_numpy(dtype=np.float64) for name in ("lesions_found", "lesions"))
    return cluster_bootstrap.mean(draws, found, lesions)
