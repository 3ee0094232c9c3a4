"""The sentences below the table of whole volumes: how it was made, what it can tell and what it cannot."""

from collections.abc import Mapping, Sequence
from typing import Any

from textbcs.evaluation.statistics.intervals import CONFIDENCE
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.notes import joined
from textbcs.reporting.common.source_labels import IN_USE, source_label
from textbcs.reporting.volumes.scores_by_prompt import FAIRNESS

Row = Mapping[str, Any]

BOTH_TABLES = (
    "What this table tells and Table 1 cannot: how much is marked where there is no tumour, and whether a "
    "lesion is found at all. What Table 1 tells and this one cannot: how well an outline is drawn once it is "
    "known that the slice holds a tumour; here a Dice falls by a rough outline and by a false component "
    "alike, so read it beside the components and the false ml."
)
NOT_THE_PAPERS = (
    "The paper scores slices that are known to hold a tumour. Its values are no yardstick for a whole volume "
    "and none stands here."
)
SLICE_LEAK = (
    "'Each tumour slice's own' is the paper's way of asking: slices with a tumour are asked with their own "
    "prompt, all others are not asked and stay empty. These rows are told which slices hold a tumour; nobody "
    "knows that in use. They can mark nothing on any other slice."
)
CASE_LEAK = (
    "'The case's own' prompt is written from the reference mask, once for the whole volume. It names the "
    "side, shape and size of the largest lesion and the number of lesions, and no slice."
)
CHALLENGE = (
    "MAMA-MIA, as its public scorer has it: performance is the mean of Dice and of 1 minus HD95 over 150 "
    "voxels, fairness 1 minus half the ranges of both over groups of patients, and the ranking the mean of "
    "performance and fairness. Distances are in voxels, so volumes of other slice thickness compare badly, "
    "and a range over small groups is large by chance."
)


def score_notes(params: Mapping[str, Any], values: Sequence[Row]) -> list[str]:
    """The sentences below the table.

    Args:
        params: `volumes`, and of `evaluation` the `lesions`.
        values: of `scores_by_prompt.score_values`.
    """
    sources = {row["source"] for row in values}
    return [
        *in_use(values),
        BOTH_TABLES,
        NOT_THE_PAPERS,
        _points(values),
        *([SLICE_LEAK] if "slice" in sources else []),
        *([CASE_LEAK] if "patient" in sources else []),
        *([_automatic(params)] if "automatic" in sources else []),
        _rules(params),
        *_replaced(values),
        *_challenge(values),
    ]


def in_use(values: Sequence[Row]) -> list[str]:
    """What each network marks as it would be used: asked with what needs no reader."""
    told = [
        f"{label(row['method'])}{_seed(row, values)} {row['lesion_sensitivity']:.1f} % and "
        f"{row['false_components']:z.2f}"
        for row in values
        if row["source"] in IN_USE and row["lesion_sensitivity"] == row["lesion_sensitivity"]
    ]
    if not told:
        return []
    return [
        f"Lesions found and false components per patient without any reader (text from a first pass, or "
        f"none): {'; '.join(told)}."
    ]


def _seed(row: Row, values: Sequence[Row]) -> str:
    several = len({value["seed"] for value in values}) > 1
    return f", seed {row['seed']}," if several else ""


def _points(values: Sequence[Row]) -> str:
    points = dict.fromkeys(
        f"{label(row['method'])}{_seed(row, values)} {row['threshold']:g} and {row['smallest_mm3']:g} mm³"
        for row in values
    )
    return (
        "Every slice of a test patient counts, on the native grid with its true spacing. Each network's "
        "threshold and smallest component were chosen by the 3-D Dice of the validation patients, and of a "
        f"network that reads text with true and automatic prompts together: {'; '.join(points)}. In "
        f"brackets: the {100 * CONFIDENCE:g} % interval over patients; behind a volume error, predicted "
        "minus true, the limits of agreement (mean ± 1.96 standard deviations)."
    )


def _automatic(params: Mapping[str, Any]) -> str:
    return (
        f"Automatic prompts are read off the masks of {label(params['volumes']['first_pass'])}, which reads "
        "no text, by the rules that write the case's own prompt; where it found nothing the prompt is empty."
    )


def _rules(params: Mapping[str, Any]) -> str:
    smallest = params["volumes"]["minimum_lesion_mm3"]
    covered = params["evaluation"]["lesions"]["minimum_covered"]
    return (
        f"A lesion is a 26-connected part of the reference of at least {smallest:g} mm³; it is found where "
        f"at least {100 * covered:g} % of it is marked. A component is false where it touches no reference "
        "voxel; false ml count every voxel outside the reference."
    )


def _replaced(values: Sequence[Row]) -> list[str]:
    """Where nothing was marked, HD95 is no distance between outlines."""
    told = [
        f"{label(row['method'])}{_seed(row, values)}, {source_label(row['source'])} "
        f"{row['distances_replaced']} of {row['patients']}"
        for row in values
        if row["distances_replaced"]
    ]
    if not told:
        return []
    return [
        "Where nothing is marked in a patient, HD95 is the diagonal of the volume: "
        f"{'; '.join(told)} patients."
    ]


def _challenge(values: Sequence[Row]) -> list[str]:
    """What the challenge's scores are, and which groups are left out because nobody has a value."""
    if all(row["performance"] != row["performance"] for row in values):
        return []
    missing = [
        text
        for column, text in FAIRNESS.items()
        if all(row[column] != row[column] for row in values)
    ]
    if not missing:
        return [CHALLENGE]
    return [
        f"{CHALLENGE} Fairness by {joined(missing)} is left out: no test patient has a value that could be "
        "grouped."
    ]
