"""Means, groups and paired differences of an evaluation, with intervals over patients, and as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.metrics.surfaces import nsd_columns
from textbcs.evaluation.statistics.intervals import Interval, limits_text
from textbcs.evaluation.volumes.means import (
    ERROR,
    SENSITIVITY,
    by_patient,
    difference_interval,
    metric_interval,
    metrics,
)
from textbcs.outline.chosen_prompt import AUTOMATIC, NONE
from textbcs.reporting.common.render import markdown_table

if TYPE_CHECKING:
    import pandas as pd

LEAST = 10  # patients: of a smaller group the mean is no evidence, and none is given
ALL = "all"
GROUPS = {
    "manufacturer": "manufacturer",
    "field_strength_t": "field strength, T",
    "side": "side of the largest lesion",
    "size": "size of the largest lesion",
    "reliability": "what the model says of its outline",
}
ASKED = ["model", "source"]
MEANS = [*ASKED, "metric", "mean", "low", "high", "patients"]
SUBGROUPS = [*ASKED, "variable", "group", "metric", "mean", "low", "high", "patients"]
COMPARISONS = [
    *(
        "model",
        "source",
        "other",
        "other_source",
        "metric",
        "difference",
        "low",
        "high",
        "patients",
    ),
]
_WORDS = {
    "dice": "Dice",
    "hd95_mm": "HD95, mm",
    SENSITIVITY: "lesions found",
    "false_components": "false components",
    "false_ml": "false, ml",
    ERROR: "volume error, ml",
}


@dataclass(frozen=True)
class Statistics:
    """How means are taken.

    Attributes:
        tolerances_mm: of the NSD.
        bootstrap: `resamples` and `seed`.
    """

    tolerances_mm: Sequence[float]
    bootstrap: Mapping[str, Any]


@dataclass(frozen=True)
class Tables:
    """The tables of an evaluation: `MEANS`, `SUBGROUPS` and `COMPARISONS`."""

    means: "pd.DataFrame"
    subgroups: "pd.DataFrame"
    comparisons: "pd.DataFrame"


def score_tables(patients: "pd.DataFrame", how: Statistics) -> Tables:
    """All tables.

    Args:
        patients: `model`, `source`, `patient`, the columns of `GROUPS` and of `score_patient`.
        how: tolerances and bootstrap.
    """
    import pandas as pd

    asked: dict[tuple[str, str], pd.DataFrame] = {
        (str(one.model), str(one.source)): by_patient(
            patients[(patients["model"] == one.model) & (patients["source"] == one.source)]
        )
        for one in patients[ASKED].drop_duplicates().itertuples()
    }
    return Tables(
        pd.DataFrame(
            [row for key, own in asked.items() for row in _means(key, own, how)], columns=MEANS
        ),
        pd.DataFrame(
            [row for key, own in asked.items() for row in _groups(key, own, how)], columns=SUBGROUPS
        ),
        pd.DataFrame(list(_differences(asked, how)), columns=COMPARISONS),
    )


def _means(key: tuple[str, str], own: "pd.DataFrame", how: Statistics) -> Iterator[dict[str, Any]]:
    for metric in (*metrics(how.tolerances_mm), ERROR):
        found = metric_interval(own, metric, how.bootstrap)
        yield (
            dict(zip(ASKED, key, strict=True))
            | {"metric": metric, "mean": found.mean}
            | _limits(found)
        )


def _groups(key: tuple[str, str], own: "pd.DataFrame", how: Statistics) -> Iterator[dict[str, Any]]:
    """A row per group and metric; of a small group without numbers."""
    for variable in GROUPS:
        values = own[variable].fillna("").replace("", "not stated")
        for group in sorted(set(values)):
            some = own[values == group]
            row = dict(zip(ASKED, key, strict=True)) | {"variable": variable, "group": group}
            for metric in grouped_metrics(how):
                if len(some) < LEAST:
                    yield row | {"metric": metric, "patients": len(some)}
                    continue
                found = metric_interval(some, metric, how.bootstrap)
                yield row | {"metric": metric, "mean": found.mean} | _limits(found)


def grouped_metrics(how: Statistics) -> list[str]:
    """The metrics that are given by group."""
    return ["dice", *nsd_columns(how.tolerances_mm)[:1], SENSITIVITY, "false_components"]


def _differences(
    asked: Mapping[tuple[str, str], "pd.DataFrame"], how: Statistics
) -> Iterator[dict[str, Any]]:
    for one, other in pairs(list(asked)):
        for metric in metrics(how.tolerances_mm):
            found = difference_interval(asked[one], asked[other], metric, how.bootstrap)
            named = dict(zip(COMPARISONS, (*one, *other), strict=False))
            yield named | {"metric": metric, "difference": found.mean} | _limits(found)


def pairs(asked: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """What is held against what, the first less the second.

    The first model against the second with the same source of prompts, or against whatever that one is asked
    with where one of them reads no text; and within a model each source against the automatic prompt.
    """
    models = list(dict.fromkeys(model for model, _ in asked))
    found = [
        (one, other)
        for one in asked
        for other in asked
        if one[0] == other[0] and one[1] != AUTOMATIC and other[1] == AUTOMATIC
    ]
    if len(models) == 2:
        found += [
            (one, other)
            for one in asked
            for other in asked
            if (one[0], other[0]) == (models[0], models[1])
            and (one[1] == other[1] or NONE in (one[1], other[1]))
        ]
    return found


def _limits(found: Interval) -> dict[str, Any]:
    return {"low": found.low, "high": found.high, "patients": found.patients}


def metric_label(metric: str) -> str:
    """A metric as tables print it."""
    if metric.startswith("nsd_"):
        return f"NSD, {metric.removeprefix('nsd_').removesuffix('mm')} mm"
    return _WORDS[metric]


def printed(
    tables: Tables, how: Statistics
) -> dict[str, tuple[str, dict[str, str], list[dict[str, str]]]]:
    """Title, headings and printed rows of each table, by the name of its section."""
    asked = {"model": "model", "source": "prompts"}
    every = {metric: metric_label(metric) for metric in (*metrics(how.tolerances_mm), ERROR)}
    grouped = {metric: metric_label(metric) for metric in grouped_metrics(how)}
    compared = {metric: metric_label(metric) for metric in metrics(how.tolerances_mm)}
    group = {"variable": "grouped by", "group": "group", "patients": "patients"}
    others = {"other": "less model", "other_source": "prompts"}
    found = {
        "means": (
            "Whole volumes: mean over patients (95 % interval)",
            asked | {"patients": "patients"} | every,
            _wide(tables.means, ASKED, "mean"),
        ),
        "subgroups": (
            f"By group; nothing is given of fewer than {LEAST} patients",
            asked | group | grouped,
            _wide(tables.subgroups, [*ASKED, "variable", "group"], "mean"),
        ),
        "comparisons": (
            "Differences, paired by patient (95 % interval)",
            asked | others | {"patients": "patients"} | compared,
            _wide(tables.comparisons, COMPARISONS[:4], "difference"),
        ),
    }
    return {name: table for name, table in found.items() if table[2]}


def _wide(table: "pd.DataFrame", keys: list[str], value: str) -> list[dict[str, str]]:
    """A row per key with a printed cell per metric."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in records(table):
        key = tuple(str(row[name]) for name in keys)
        own = found.setdefault(key, dict(zip(keys, key, strict=True)))
        own["patients"] = str(max(int(own.get("patients", 0)), int(row["patients"])))
        own[row["metric"]] = _cell(row, value)
        if "variable" in own:
            own["variable"] = GROUPS.get(own["variable"], own["variable"])
    return list(found.values())


def _cell(row: Mapping[str, Any], value: str) -> str:
    mean = row[value]
    if mean != mean or mean is None:
        return "–"
    limits = limits_text(row["low"], row["high"], row["patients"], 3)
    return f"{mean:z.3f} ({limits})"


def markdown(tables: Tables, how: Statistics, notes: Sequence[str]) -> str:
    """All tables and the notes as one text."""
    parts = [
        markdown_table(title, headers, rows)
        for title, headers, rows in printed(tables, how).values()
    ]
    return "\n".join(
        ["# Evaluation of packaged models", "", *parts, *(f"- {note}" for note in notes), ""]
    )
