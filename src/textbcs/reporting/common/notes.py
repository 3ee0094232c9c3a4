"""Sentences below Tables 1, 2 and 4 that the numbers ask for, also where they speak against the method.

Each sentence is computed from the numbers of its table and is left out where it is not true.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics.ablation_rows import Runs, ablation_names
from textbcs.evaluation.statistics.intervals import Interval, percent_limits
from textbcs.evaluation.statistics.paired_differences import paired_difference
from textbcs.reporting.common.labels import label

Row = Mapping[str, Any]

ONE_TRAINING = (
    "One training of each network is held fixed: intervals and p-values are about other patients, not about "
    "another training, which would move every score."
)
SEVERAL_TRAININGS = (
    "A score is the mean over the seeds; intervals and p-values hold these trainings fixed: they are about "
    "other patients, not about other trainings."
)


def seed_notes(seeds: Sequence[int], spread: Mapping[str, Any]) -> list[str]:
    """That trainings are held fixed and, where some were repeated, how far those lie apart.

    Args:
        seeds: of this run.
        spread: `results/statistics/replicates.json`.
    """
    held = ONE_TRAINING if len(seeds) == 1 else SEVERAL_TRAININGS
    measured = retrained(spread, seeds)
    return [held, measured] if measured else [held]


def retrained(spread: Mapping[str, Any], seeds: Sequence[int] = ()) -> str:
    """The sentence on how far other trainings of the same method lie; "" where none was repeated.

    Args:
        spread: `results/statistics/replicates.json`, Dice in percent, means over patients.
        seeds: of this run; with one it is told where its trainings stand among all.
    """
    count = len(spread["seeds"])
    if count < 2:
        return ""
    each = ", ".join(
        f"{label(method)} {deviation:.1f} points ({low:.1f} to {high:.1f})"
        for method, deviation in spread["standard_deviation"].items()
        for low, high in [spread["range"][method]]
    )
    against = ", ".join(
        f"{label(method)} {min(gaps):+z.1f} to {max(gaps):+z.1f} ({sum(gap > 0 for gap in gaps)} of {count} "
        "above 0)"
        for method, gaps in spread["textbcs_minus"].items()
    )
    return (
        f"Trained with {count} seeds ({', '.join(map(str, spread['seeds']))}), the mean Dice over patients "
        f"has a standard deviation of: {each}."
        + (f" Seed by seed, in points, TextBCS minus {against}." if against else "")
        + (_place(spread, seeds[0]) if len(seeds) == 1 else "")
    )


def _place(spread: Mapping[str, Any], seed: int) -> str:
    """Where the reported trainings stand among all that were measured."""
    at, count = spread["seeds"].index(seed), len(spread["seeds"])
    places = {
        label(method): 1 + sum(value > values[at] for value in values)
        for method, values in spread["dice_patient_mean"].items()
    }
    each = ", ".join(f"{name} {place}" for name, place in places.items())
    return f" Rank of the seed reported here, {seed}, among the {count} of each (1 is the best): {each}."


def overlap_notes(rows: Sequence[Row], gaps: Sequence[Row], reference: str) -> list[str]:
    """Which methods are above the reference one, over patients and over slices.

    Args:
        rows: Table 1.
        gaps: the table of differences, the reference minus each other method.
        reference: the method that is held against the others.
    """
    ours = next((row for row in rows if row["method"] == reference), None)
    if ours is None:
        return []
    limits = {
        row["subtrahend"]: Interval(
            row["dice_difference"] / 100, row["low"] / 100, row["high"] / 100, row["patients"]
        )
        for row in gaps
    }
    said = []
    for column, unit, score in (
        ("dice_patient_mean", "patients", "Dice"),
        ("dice_slice_mean", "slices", "Dice"),
        ("miou_slice_mean", "slices", "IoU"),
    ):
        above = [row for row in rows if row[column] > ours[column]]
        if not above:
            continue
        names = joined(f"{row['label']} ({row[column]:.2f})" for row in above)
        text = (
            f"By the mean {score} over {unit} {names} {_is(above)} above {ours['label']} "
            f"({ours[column]:.2f})"
        )
        if unit == "patients":
            each = (
                f"{row['label']} {points(limits[row['method']])}"
                for row in above
                if row["method"] in limits
            )
            text += f"; {ours['label']} minus {', '.join(each)}"
        said.append(f"{text}.")
    return said


def alarm_notes(rows: Sequence[Row], column: str, what: str, reference: str) -> list[str]:
    """Whether the reference method has most of something bad; no other one may have more.

    Args:
        rows: of a table, with `method` and `label`.
        column: a number; rows without one are left out.
        what: of which it is the number, with its unit, as a sentence ends.
        reference: the method.
    """
    known = [row for row in rows if row.get(column) is not None and row[column] == row[column]]
    most = [row for row in known if row[column] == max(one[column] for one in known)]
    if len(known) < 2 or reference not in [row["method"] for row in most] or not most[0][column]:
        return []
    names = joined(str(row["label"]) for row in most)
    verb = "have" if len(most) > 1 else "has"
    return [f"Of all methods {names} {verb} most {what}: {most[0][column]:.2f}."]


def prompt_notes(rows: Sequence[Row]) -> list[str]:
    """What an alarm on a tumour-free slice is, and what the methods that read text were told there."""
    if not any(row.get("tumour_free_slices") for row in rows):
        return []
    said = ["False alarms: tumour-free slices on which at least one pixel is predicted."]
    reading = [str(row["label"]) for row in rows if "prompt" in str(row.get("reads_at_test"))]
    if reading:
        said[0] += (
            f" On these slices {joined(reading)}, which read{'s' * (len(reading) == 1)} a prompt, "
            f"get{'s' * (len(reading) == 1)} the prompt of the same patient's nearest tumour slice, so it "
            "describes a tumour that is not there."
        )
    return said


def ablation_notes(params: Mapping[str, Any], runs: Runs, choice: Mapping[str, Any]) -> list[str]:
    """What Table 2's columns leave out: parts alone, both over each part, the recipe that all rows share.

    Args:
        params: `methods`, `variants`, `tables` and `evaluation`.
        runs: of the base, of every variant and of Table 1's methods.
        choice: what the search chose for the full method: `learning_rate`, `batch_size`.
    """
    names, bootstrap = ablation_names(params), params["evaluation"]["bootstrap"]
    base, both = names.get((False, False)), names.get((True, True))
    said, single = [], {"SVLI": names.get((True, False)), "EL": names.get((False, True))}
    for part, name in single.items():
        if name is None or base is None:
            continue
        found = paired_difference(runs[name], runs[base], bootstrap)
        if found.high < 0:
            said.append(f"{part} alone makes it worse: {points(found)} against the baseline.")
        elif not found.low > 0:
            said.append(f"{part} alone is not shown to help: {points(found)} against the baseline.")
    each = [
        f"{points(paired_difference(runs[both], runs[name], bootstrap))} against {part} alone"
        for part, name in single.items()
        if name is not None and both is not None
    ]
    if each:
        said.append(f"Both parts together: {', '.join(each)}.")
    said += _losses(params, names)
    if len(names) > 1:
        said.append(
            f"All rows of the ablation use the full method's learning rate ({choice['learning_rate']:g}) and "
            f"batch size ({choice['batch_size']}). The other rows were not tuned separately."
        )
    if base is not None and both is not None and RIVAL in runs:
        gain, over = (
            paired_difference(runs[both], runs[name], bootstrap) for name in (base, RIVAL)
        )
        if over.mean < gain.mean:
            said.append(
                f"Against Table 1's UNet, which has a recipe of its own, the gain is {points(over)}, not "
                f"{points(gain)}."
            )
    return said


def _losses(params: Mapping[str, Any], names: Mapping[tuple[bool, bool], str]) -> list[str]:
    """What the switch of evidential learning changes beside the head."""
    balanced = params["methods"][BASE]["loss"].get("balanced_cross_entropy", True)
    if not balanced or len({evidential for _, evidential in names}) < 2:
        return []
    return [
        "EL is a loss, so the rows with it and without it differ in the loss: without EL half of it is "
        "cross-entropy in which tumour and background weigh alike, with EL every pixel weighs the same. "
        "What EL adds or takes away includes that difference."
    ]


def points(found: Interval) -> str:
    """A difference of fractions in points, with its limits."""
    return f"{100 * found.mean:z.2f} points ({percent_limits(found)})"


def joined(names: Any) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else str(last)


def _is(rows: Sequence[Row]) -> str:
    return "are" if len(rows) > 1 else "is"
