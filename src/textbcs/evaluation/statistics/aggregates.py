"""Every aggregate of a method's scores, each with the name of what it is a mean over.

`<metric>_slice_mean`: over tumour slices. `<metric>_patient_mean`: over patients of their mean over
tumour slices, the estimand, with a cluster-bootstrap interval. `<metric>_pooled`: of all pixels
together. `dice_volume`: a patient's whole volume, only where each of its slices was predicted;
otherwise `dice_stacked_slices`, her predicted tumour slices together. Scores are fractions, distances
mm. Tables 1 and 2, the loss weights' table and `results/statistics/means.csv` all take theirs from here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.evaluation.metrics import overlap
from textbcs.evaluation.statistics.intervals import Interval, mean_interval, patient_means
from textbcs.evaluation.statistics.runs import Run, mean_slices, tumour_slices

if TYPE_CHECKING:
    import pandas as pd

PIXELS = ["true_positive", "false_positive", "false_negative", "true_negative"]
PER_SLICE = (
    "dice",
    "iou",
    "dice_two_class",
    "iou_two_class",
    "dice_native",
    "hd95_mm",
    "assd_mm",
    "brier",
    "nll",
    "brier_region",
    "nll_region",
)

ALARM_SHARE = "false_alarm_share_tumour_free"
# Of tumour-free slices: column -> its mean over patients.
FREE = {
    "alarm": "false_alarm_share_tumour_free_patient_mean",
    "false_components": "false_components_tumour_free_patient_mean",
    "false_positive_mm2": "false_positive_mm2_tumour_free_patient_mean",
}


# What Table 1 prints of overlap.
OVERLAP = ("dice", "iou", "dice_two_class", "iou_two_class", "dice_native")


@dataclass(frozen=True)
class Aggregate:
    """One named value of one run.

    Attributes:
        value: NaN where nothing could be used.
        used: slices or patients that had a value.
        total: those that could have had one.
        unit: what `used` and `total` count.
    """

    value: float
    used: int
    total: int
    unit: str


def method_means(
    runs: Sequence[Run],
    nsd: Sequence[str],
    depth: Mapping[str, int],
    bootstrap: Mapping[str, Any],
) -> "pd.DataFrame":
    """All aggregates of one method.

    Args:
        runs: its runs, one a seed.
        nsd: names of the NSD columns.
        depth: slices of each series, by its UID.
        bootstrap: `resamples` and `seed`.

    Returns:
        A row per aggregate: `method`, `measure`, `value` (mean over seeds), `low` and `high` (of patient
        means), `seed_sd` (standard deviation over seeds, NaN for one), `used` (the fewest of any seed),
        `total`, `unit`, `seeds`. A value that some seed lacks is NaN: a mean would hide it.
    """
    import pandas as pd

    columns = [*PER_SLICE[:5], *nsd, *PER_SLICE[5:]]
    each = [aggregate(run.slices, columns, depth) for run in runs]
    limits = _intervals(runs, columns, bootstrap)
    rows = []
    for name, first in each[0].items():
        values = np.array([one[name].value for one in each])
        low, high = limits.get(name, (math.nan, math.nan))
        rows.append(
            {
                "method": runs[0].method,
                "measure": name,
                "value": float(values.mean()),
                "low": low,
                "high": high,
                "seed_sd": float(values.std(ddof=1)) if len(values) > 1 else math.nan,
                "used": min(one[name].used for one in each),
                "total": first.total,
                "unit": first.unit,
                "seeds": len(runs),
            }
        )
    return pd.DataFrame(rows)


def over_seeds(
    runs: Sequence[Run], aggregates: Callable[["pd.DataFrame"], Mapping[str, Aggregate]]
) -> dict[str, float]:
    """Some aggregates of one method, each the mean over its seeds.

    Args:
        runs: its runs, one a seed.
        aggregates: `overlap_aggregates` or `column_means`, of a run's slices.
    """
    each = [aggregates(run.slices) for run in runs]
    return {name: float(np.mean([one[name].value for one in each])) for name in each[0]}


def dice_interval(runs: Sequence[Run], bootstrap: Mapping[str, Any]) -> Interval:
    """A method's Dice, a fraction: its mean over patients, of the mean over seeds, with the interval."""
    return mean_interval(patient_means(tumour_slices(runs, ["dice"]), "dice"), **bootstrap)


def overlap_aggregates(slices: "pd.DataFrame") -> dict[str, Aggregate]:
    """What Table 1 prints of one run's slices: overlap by slice, patient and pixel, and false alarms."""
    alarms = with_alarm(slices[slices["kind"] == "negative"])
    return {
        **column_means(slices, OVERLAP),
        **pooled_scores(slices),
        ALARM_SHARE: _slice_mean(alarms, "alarm"),
    }


def column_means(slices: "pd.DataFrame", columns: Sequence[str]) -> dict[str, Aggregate]:
    """The means of columns over tumour slices, and over patients of theirs."""
    tumour = slices[slices["kind"] == "tumour"]
    found: dict[str, Aggregate] = {}
    for column in columns:
        found[f"{column}_slice_mean"] = _slice_mean(tumour, column)
        found[f"{column}_patient_mean"] = _patient_mean(tumour, column)
    return found


def pooled_scores(slices: "pd.DataFrame") -> dict[str, Aggregate]:
    """Dice and IoU of all pixels of the tumour slices together."""
    tumour = slices[slices["kind"] == "tumour"]
    pooled = overlap.pooled(tumour[PIXELS].to_numpy())
    return {
        f"{name}_pooled": Aggregate(value, len(tumour), len(tumour), "slices")
        for name, value in (("dice", overlap.dice(pooled)), ("iou", overlap.iou(pooled)))
    }


def aggregate(
    slices: "pd.DataFrame", columns: Sequence[str], depth: Mapping[str, int]
) -> dict[str, Aggregate]:
    """All aggregates of one run's slices, by name."""
    tumour = slices[slices["kind"] == "tumour"]
    free = slices[slices["kind"] == "negative"]
    found = column_means(slices, columns)
    # Distances that were measured, not replaced by the image's diagonal.
    measured = tumour[~tumour["distance_replaced"].astype(bool)]
    for column in ("hd95_mm", "assd_mm"):
        mean = _patient_mean(measured, column)
        name = f"{column}_where_found_patient_mean"
        found[name] = Aggregate(mean.value, mean.used, tumour["patient"].nunique(), "patients")
    return found | pooled_scores(slices) | volumes(slices, depth) | _detection(tumour, free)


def _detection(tumour: "pd.DataFrame", free: "pd.DataFrame") -> dict[str, Aggregate]:
    """Lesions found, and what was found where there is none."""
    lesions = int(tumour["lesions"].sum())
    recall = float(tumour["lesions_found"].sum()) / lesions if lesions else math.nan
    alarms = with_alarm(free)
    predicted = int((~tumour["distance_replaced"].astype(bool)).sum())
    true_negatives = int((alarms["alarm"] == 0).sum())
    # A prediction that covers everything finds every lesion and has no false component: the area tells.
    return {
        "lesion_recall_pooled": Aggregate(recall, lesions, lesions, "lesions"),
        "lesion_recall_patient_mean": _patient_mean(with_recall(tumour), "lesion_recall"),
        "false_components_tumour_slice_mean": _slice_mean(tumour, "false_components"),
        "false_components_tumour_patient_mean": _patient_mean(tumour, "false_components"),
        "false_positive_mm2_tumour_slice_mean": _slice_mean(tumour, "false_positive_mm2"),
        "false_positive_mm2_tumour_patient_mean": _patient_mean(tumour, "false_positive_mm2"),
        "predicted_tumour_slices": Aggregate(float(predicted), predicted, len(tumour), "slices"),
        "false_components_tumour_free_slice_mean": _slice_mean(free, "false_components"),
        "false_positive_mm2_tumour_free_slice_mean": _slice_mean(free, "false_positive_mm2"),
        ALARM_SHARE: _slice_mean(alarms, "alarm"),
        **{name: _patient_mean(alarms, column) for column, name in FREE.items()},
        "true_negative_tumour_free_slices": Aggregate(
            float(true_negatives), true_negatives, len(free), "slices"
        ),
    }


def with_alarm(free: "pd.DataFrame") -> "pd.DataFrame":
    """Tumour-free slices with 1 where any pixel is predicted, else 0."""
    return free.assign(alarm=(free["true_positive"] + free["false_positive"] > 0).astype(float))


def with_recall(tumour: "pd.DataFrame") -> "pd.DataFrame":
    """Slices with the share of each one's lesions that were found; NaN where none counts."""
    lesions = tumour["lesions"].where(tumour["lesions"] > 0)
    return tumour.assign(lesion_recall=tumour["lesions_found"] / lesions)


def volumes(slices: "pd.DataFrame", depth: Mapping[str, int]) -> dict[str, Aggregate]:
    """Dice of each patient's slices together, the mean over patients, under the name that is true."""
    volume: list[float] = []
    stacked: list[float] = []
    for _, own in slices.groupby("patient", sort=True):
        uids = own["series_uid"].unique()
        whole = sum(depth.get(str(uid), math.inf) for uid in uids) == len(own)
        used = own if whole else own[own["kind"] == "tumour"]
        value = overlap.dice(overlap.pooled(used[PIXELS].to_numpy()))
        if not math.isnan(value):
            (volume if whole else stacked).append(value)
    total = slices["patient"].nunique()
    return {
        name: Aggregate(float(np.mean(values)), len(values), total, "patients")
        for name, values in (("dice_volume", volume), ("dice_stacked_slices", stacked))
        if values
    }


def _intervals(
    runs: Sequence[Run], columns: Sequence[str], bootstrap: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """Limits of the patient means, of the mean over seeds."""
    recalled = [Run(run.method, run.seed, with_recall(run.slices)) for run in runs]
    names = {column: f"{column}_patient_mean" for column in (*columns, "lesion_recall")}
    for column in ("false_components", "false_positive_mm2"):
        names[column] = f"{column}_tumour_patient_mean"
    alarmed = [Run(run.method, run.seed, with_alarm(run.slices)) for run in runs]
    found = {}
    for table, wanted in (
        (tumour_slices(recalled, list(names)), names),
        (mean_slices(alarmed, list(FREE), "negative"), FREE),
    ):
        for column, name in wanted.items():
            values = patient_means(table, column)
            if len(values):
                interval = mean_interval(values, **bootstrap)
                found[name] = (interval.low, interval.high)
    return found


def _slice_mean(table: "pd.DataFrame", column: str) -> Aggregate:
    values = table[column].dropna()
    mean = float(values.mean()) if len(values) else math.nan
    return Aggregate(mean, len(values), len(table), "slices")


def _patient_mean(table: "pd.DataFrame", column: str) -> Aggregate:
    values = patient_means(table, column)
    mean = float(values.mean()) if len(values) else math.nan
    return Aggregate(mean, len(values), table["patient"].nunique(), "patients")
