"""Which whole volumes the page shows, and what the networks mark in them at their operating points."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.io import InputError, read_csv, records
from textbcs.base.variants import volume_methods
from textbcs.dataset.volume_store import (
    PROMPT_COLUMNS,
    PROMPTS,
    Volume,
    read_patients,
    read_volume,
    voxel_mm3,
)
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.source_labels import source_label, source_place
from textbcs.reporting.common.volume_cases import Case, Reading
from textbcs.volumes.coded_maps import file_of, read_codes
from textbcs.volumes.operating_point import OperatingPoint, apply

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

SCORES = Path("results/volume_scores")
# What a volume was asked with where no single prompt of `data/volumes/prompts.csv` says it.
ASKED = {"none": "", "empty": "", "slice": "each tumour slice with its own, all others not asked"}


def shown_cases(stage: "Stage", scores: "pd.DataFrame") -> Iterator[Case]:
    """The worst, the median and the best test patient of the method for use, one at a time.

    Networks of the first seed are shown.

    Args:
        stage: its parameters hold `volumes` and `seeds`.
        scores: `patients.csv` of the stage `volume_score`.

    Raises:
        InputError: an input is missing or damaged, or a score has no map.
    """
    seed, methods = stage.params["seeds"][0], volume_methods(stage.params)
    own_seed = scores[scores["seed"] == seed]
    points = _points(stage, seed)
    prompts = read_csv(
        stage.input(PROMPTS), PROMPT_COLUMNS, dict.fromkeys(PROMPT_COLUMNS, str)
    ).fillna("")
    facts = {row["patient"]: row for row in records(read_patients(stage, "test"))}
    for patient, rule in chosen_patients(reference_dice(own_seed, stage.params)).items():
        volume = read_volume(stage, "test", facts[patient])
        told = prompt_texts(prompts, patient)
        rows = own_seed[own_seed["patient"] == patient]
        readings = [
            reading
            for method in methods
            for reading in _readings(
                stage, (method, seed), points[method], volume, records(rows), told
            )
        ]
        image = np.round(255 * volume.image.astype(np.float32)).astype(np.uint8)
        yield Case(patient, rule, image, volume.mask, readings)


def _points(stage: "Stage", seed: int) -> dict[str, OperatingPoint]:
    """The operating point of each network of one seed."""
    table = read_csv(stage.input(SCORES / "points.csv"), ["method", "seed"])
    return {
        row["method"]: OperatingPoint(row["threshold"], row["smallest_mm3"], row["dice_val"])
        for row in records(table[table["seed"] == seed])
    }


def chosen_patients(dice: Mapping[str, float]) -> dict[str, str]:
    """The patients who are shown, by rule: the worst, the median and the best Dice, ties by name.

    Args:
        dice: three-dimensional Dice by patient.

    Returns:
        Patient -> rule. Of an even number the lower of the two in the middle is the median; a patient whom
        two rules choose is shown once.
    """
    order = sorted(dice, key=lambda patient: (dice[patient], patient))
    if not order:
        return {}
    rules = {"worst": order[0], "median": order[(len(order) - 1) // 2], "best": order[-1]}
    found: dict[str, str] = {}
    for rule, patient in rules.items():
        found[patient] = f"{found[patient]} and {rule}" if patient in found else rule
    return found


def reference_dice(scores: "pd.DataFrame", params: Mapping[str, Any]) -> dict[str, float]:
    """The Dice by patient that the shown patients are chosen by.

    Of the first network for use that reads text, else of the first one of the paper that does, each asked
    with the case's own prompt; without either, of the first network. Nobody where there is no network.

    Args:
        scores: a row per method, source and patient of one seed.
        params: `volumes`.
    """
    chosen = params["volumes"]
    readers = [*chosen["variants"]["text"], *chosen["methods"]["text"]]
    pairs = [(name, "patient") for name in readers]
    pairs += [(name, "none") for name in volume_methods(params) if name not in readers]
    method, source = next(iter(pairs), ("", ""))
    own = scores[(scores["method"] == method) & (scores["source"] == source)]
    return {row["patient"]: float(row["dice"]) for row in records(own)}


def prompt_texts(prompts: "pd.DataFrame", patient: str) -> dict[str, str]:
    """What a patient's volume was asked with, by source; "" for an empty prompt."""
    rows = records(prompts[prompts["patient"] == patient])
    return {**ASKED, **{row["source"]: str(row["text"]) for row in rows}}


def _readings(
    stage: "Stage",
    network: tuple[str, int],
    point: OperatingPoint,
    volume: Volume,
    rows: Sequence[Mapping[str, Any]],
    told: Mapping[str, str],
) -> Iterator[Reading]:
    """What one network marks with each source, in the order of the tables."""
    method, seed = network
    path = file_of(f"{method}-s{seed}", "test", volume.facts["patient"])
    codes = read_codes(stage.input(path))
    own = [row for row in rows if row["method"] == method]
    for row in sorted(own, key=lambda row: source_place(row["source"])):
        source, dice = row["source"], float(row["dice"])
        if source not in codes:
            raise InputError(
                f"{path}: no map of the source {source!r}; run the stage volume_score again"
            )
        yield Reading(
            f"{label(method)}, prompt: {source_label(source)}",
            told.get(source, ""),
            apply(codes[source], point, voxel_mm3(volume.facts)),
            None if dice != dice else dice,
            int(row["false_components"]),
            float(row["false_ml"]),
        )
