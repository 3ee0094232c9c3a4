"""How far the seed alone moves a score: every replicated method's trainings, and the differences by seed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from textbcs.reporting.common.notes import joined

NOT_MEASURED = (
    "Each method was trained once, so how far the seed alone moves a score is not known here: "
    "replicates.seeds of params.yaml is empty."
)
ONE_TRAINING_SAYS = (
    "One training says how that network does on other patients (intervals and p-values). It does not say "
    "which method is better where their difference is within the spread of the seeds."
)
TEST = 0.05


def seed_table(
    spread: Mapping[str, Any],
    seeds: Sequence[int],
    reference: str,
    methods: Sequence[str],
    labels: Mapping[str, str],
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Headings, a row per method, and the sentences below.

    Args:
        spread: `results/statistics/replicates.json`, Dice in percent, means over patients.
        seeds: of this run, those that the other tables report.
        reference: the method that is held against the others.
        methods: whose rows are wanted, in order.
        labels: their printed names.
    """
    every, ours = spread["seeds"], labels.get(reference, reference)
    headers = {
        "label": "Method",
        **{f"seed_{seed}": f"Dice %, seed {seed}" for seed in every},
        "mean": "Mean",
        "deviation": "Standard deviation, points",
        "extent": "Range",
        "differences": f"{ours} minus it, points, seed by seed",
        "above": f"{ours} above it",
    }
    rows = [_row(spread, reference, name, labels.get(name, name)) for name in methods]
    return headers, rows, _notes(spread, seeds, rows, ours)


def _row(spread: Mapping[str, Any], reference: str, name: str, label: str) -> dict[str, Any]:
    values, every = spread["dice_patient_mean"][name], spread["seeds"]
    low, high = spread["range"][name]
    row: dict[str, Any] = {
        "method": name,
        "label": label,
        **{f"seed_{seed}": value for seed, value in zip(every, values, strict=True)},
        "mean": sum(values) / len(values),
        "deviation": spread["standard_deviation"][name],
        "extent": f"{low:.2f} to {high:.2f}" if len(values) > 1 else None,
    }
    gaps = spread[f"{reference}_minus"].get(name)
    if gaps is not None:
        row["differences"] = ", ".join(f"{gap:+z.2f}" for gap in gaps)
        row["above"] = f"{sum(gap > 0 for gap in gaps)} of {len(gaps)}"
        row |= {f"difference_seed_{seed}": gap for seed, gap in zip(every, gaps, strict=True)}
    return row


def _notes(
    spread: Mapping[str, Any], seeds: Sequence[int], rows: Sequence[Mapping[str, Any]], ours: str
) -> list[str]:
    """What the seeds are of, what one training decides, and how little a few trainings do."""
    count = len(spread["seeds"])
    if count < 2:
        return [NOT_MEASURED]
    reported = (
        f"The other tables report seed {seeds[0]}."
        if len(seeds) == 1
        else f"The other tables report the mean over the seeds {', '.join(map(str, seeds))}."
    )
    said = [
        "Dice is the mean over patients. Between the trainings of a method nothing but the seed differs. "
        + reported,
        ONE_TRAINING_SAYS,
    ]
    mixed = [row["label"] for row in rows if "above" in row and _signs(row, spread) == {-1, 1}]
    if mixed:
        said.append(
            f"The seed decides whether {ours} is above {joined(mixed)}: the differences have both signs."
        )
    chance = 2.0 ** (1 - count)
    weak = " No test of signs can reach p < 0.05 with so few." if chance >= TEST else ""
    said.append(
        f"Were two methods equal, their {count} differences would all have one sign in 1 of "
        f"{2 ** (count - 1)} cases.{weak}"
    )
    low, high = deviation_factors(count)
    said.append(
        f"A standard deviation of {count} trainings is rough: its 95 % interval reaches from {low:.2f} to "
        f"{high:.2f} times the value, if scores are normally distributed."
    )
    return said


def _signs(row: Mapping[str, Any], spread: Mapping[str, Any]) -> set[int]:
    gaps = (row[f"difference_seed_{seed}"] for seed in spread["seeds"])
    return {1 if gap > 0 else -1 for gap in gaps if gap}


def deviation_factors(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The limits of a standard deviation of normal values, as factors of the one that was measured.

    Args:
        count: values that it was measured on, at least two.
        confidence: coverage.
    """
    from scipy.stats import chi2

    tail, free = (1 - confidence) / 2, count - 1
    low, high = (math.sqrt(free / float(chi2.ppf(share, free))) for share in (1 - tail, tail))
    return low, high
