"""The data of the viewer that scrolls whole volumes: every slice of a few test patients.

As in the slice viewer a layer is one greyscale PNG in which all slices stand side by side. What is marked is
kept as masks of one bit a pixel, which deflate to a few kilobytes a volume; a probability map would take a
hundred times as much. A browser decodes a patient's sheets when the patient is chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.reporting.common.volume_cases import Case
from textbcs.reporting.page.viewer import COLUMNS, grey_png, png_address, tile

MOST_PATIENTS = 3
MOST_PIXELS = 112  # a side; larger slices are shown at a half, a third, ...
MOST_SLICES = 200  # of a volume; more are thinned out evenly; the page says so
STEP = 8  # of the shown grey values: a small picture shows no more, and the file halves


def volume_data(cases: Sequence[Case]) -> dict[str, Any] | None:
    """What the viewer needs, as JSON would hold it; None where there is nothing to show.

    Args:
        cases: at most `MOST_PATIENTS` are shown.
    """
    shown = [case for case in cases[:MOST_PATIENTS] if case.readings]
    if not shown:
        return None
    return {
        "columns": COLUMNS,
        "readings": [one.label for one in shown[0].readings],
        "patients": [_patient(case) for case in shown],
    }


def _patient(case: Case) -> dict[str, Any]:
    """One patient's sheets and scores."""
    total, *sides = case.image.shape
    kept = np.unique(np.linspace(0, total - 1, min(total, MOST_SLICES)).round().astype(int))
    step = -(-max(sides) // MOST_PIXELS)

    def sheet(values: NDArray[np.uint8], bits: int) -> str:
        return png_address(grey_png(tile(values[kept][:, ::step, ::step], COLUMNS), bits))

    return {
        "patient": case.patient,
        "rule": case.rule,
        "total": total,
        "step": step,
        "size": [len(range(0, side, step)) for side in sides],
        "slices": kept.tolist(),
        "image": sheet(grey_levels(case.image), 8),
        "mask": sheet(case.mask.astype(np.uint8), 1),
        "reference": _pixels(case.mask, kept),
        "found": [
            {
                "prompt": one.prompt,
                "mask": sheet(one.mask.astype(np.uint8), 1),
                "marked": _pixels(one.mask, kept),
                "dice": None if one.dice is None else round(one.dice, 3),
                "false_components": one.false_components,
                "false_ml": round(one.false_ml, 2),
            }
            for one in case.readings
        ],
    }


def _pixels(mask: NDArray[np.bool_], kept: NDArray[np.int64]) -> list[int]:
    """Marked pixels of each shown slice, before any is thinned out."""
    return [int(count) for count in mask[kept].sum(axis=(1, 2))]


def grey_levels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image's bytes rounded to steps of `STEP`, at most 255."""
    steps = STEP * ((image.astype(np.int64) + STEP // 2) // STEP)
    return np.minimum(steps, 255).astype(np.uint8)


def volume_count(
    data: Mapping[str, Any],
    whose: str = "test patients, chosen by the 3-D Dice of the method for use",
) -> str:
    """What is shown and what is left out, in words, for the page.

    Args:
        data: as `volume_data` gives it.
        whose: who the shown patients are.
    """
    told = f"{len(data['patients'])} {whose}"
    parts = [
        f"{one['patient']}: {_share(one)}"
        for one in data["patients"]
        if one["step"] > 1 or len(one["slices"]) < one["total"]
    ]
    return f"{told}, every slice." if not parts else f"{told}. {'; '.join(parts)}."


def _share(one: dict[str, Any]) -> str:
    shown, total, step = len(one["slices"]), one["total"], one["step"]
    slices = "every slice" if shown == total else f"{shown} of {total} slices, evenly chosen"
    return slices if step == 1 else f"{slices}, every {step}{_end(step)} pixel"


def _end(number: int) -> str:
    return {2: "nd", 3: "rd"}.get(number, "th")
