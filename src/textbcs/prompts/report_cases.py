"""The prompt of a case from a free-text report of the whole examination.

As `radiology_reports.read_report` reads it, but for the size: a case's size class is that of its largest
lesion's volume, and a report states diameters. One diameter d is taken as that of a sphere, pi/6 d^3; two or
three as those of an ellipsoid, pi/6 a b c, whose third axis is the smaller of two. The largest volume of all
statements is classed by the tertiles of volume. From one diameter of a lesion that is longer than wide that
is an upper bound. Where no diameter is stated, the word small, medium or large counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError, records
from textbcs.dataset.prompt_grammar import Prompt, PromptError
from textbcs.intake.own_tables import read_own_table
from textbcs.intake.spelling import short
from textbcs.prompts.derive import size_word
from textbcs.prompts.radiology_reports import (
    Clause,
    diameters_mm,
    stated_prompt,
    stated_size_word,
)

if TYPE_CHECKING:
    import pandas as pd

_NAMES = ("patient", "patient_id")


def report_case_prompts(
    path: Path, patients: Iterable[str], thresholds_mm3: tuple[float, float]
) -> dict[str, str]:
    """The prompts that a table of reports gives to cases.

    Args:
        path: a table (CSV or XLSX) with the columns `patient` or `patient_id`, and `report`. Where it
            has a column `slice`, only rows without one count: the others tell of a slice.
        patients: whose prompts are asked for.
        thresholds_mm3: the two tertiles of the largest lesion's volume.

    Returns:
        Patient -> the prompt's text; "" where she has no report, or one that does not state all
        attributes or states lesions in both breasts: an attribute is never guessed.

    Raises:
        InputError: no readable table, a column is missing, or a patient has two reports.
    """
    reports = _reports(path, read_own_table(path, ["report"], [*_NAMES, "slice"]))
    return {
        name: _text(reports[name], thresholds_mm3) if name in reports else "" for name in patients
    }


def read_case_report(text: str, thresholds_mm3: tuple[float, float]) -> Prompt:
    """The prompt of the case that a report tells of.

    Args:
        text: the report, in English.
        thresholds_mm3: the two tertiles of the largest lesion's volume.

    Raises:
        PromptError: as `radiology_reports.read_report`.
    """
    return stated_prompt(text, lambda stated: case_size(stated, thresholds_mm3))


def case_size(stated: Sequence[Clause], thresholds_mm3: tuple[float, float]) -> str:
    """The size class of the largest stated lesion, by its diameters, else the stated word, else ""."""
    volumes = [_volume(sizes) for one in stated for sizes in diameters_mm(one.text)]
    return size_word(max(volumes), thresholds_mm3) if volumes else stated_size_word(stated)


def _volume(sizes: Sequence[float]) -> float:
    """mm3 of the ellipsoid with these diameters in mm, the largest first; what is missing is the last."""
    first, second, third = (sizes[min(axis, len(sizes) - 1)] for axis in range(3))
    return math.pi / 6 * first * second * third


def _text(report: str, thresholds_mm3: tuple[float, float]) -> str:
    try:
        return read_case_report(report, thresholds_mm3).text
    except PromptError:
        return ""


def _reports(path: Path, table: "pd.DataFrame") -> Mapping[str, str]:
    """Patient -> report, of the rows that tell of the whole case."""
    name = next((one for one in _NAMES if one in table.columns), None)
    if name is None:
        raise InputError(f"{path}: has no column 'patient' or 'patient_id'; add one")
    found: dict[str, str] = {}
    for number, row in zip(table.index, records(table), strict=True):
        if row.get("slice"):
            continue
        patient = str(row[name])
        if patient in found:
            raise InputError(
                f"{path}: row {number}: patient {short(patient)} has two reports; keep one, or name "
                "their slices"
            )
        found[patient] = str(row["report"])
    return found
