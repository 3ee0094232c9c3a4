"""The prompt of a whole case: what a reader would say of a patient, not of a slice."""

from collections.abc import Mapping
from typing import Any

from textbcs.dataset.prompt_grammar import Prompt, number_word
from textbcs.prompts.derive import shape_word, size_word
from textbcs.slices.case_lesions import Case

PATIENTS = "data/prompts/patients.csv"
TRAIN_PATIENTS = "data/prompts/train_patients.csv"


def case_prompt(
    case: Case, thresholds_mm3: tuple[float, float], rules: Mapping[str, Any]
) -> Prompt:
    """Side, shape and size of the largest lesion, and the number of lesions.

    Args:
        case: measured facts.
        thresholds_mm3: tertiles of the largest lesion's volume, fitted on train patients.
        rules: `irregular_below_solidity` and `ellipse_above_eccentricity`, as for a slice.
    """
    shape = shape_word(case, rules["irregular_below_solidity"], rules["ellipse_above_eccentricity"])
    return Prompt(
        case.side, shape, size_word(case.volume_mm3, thresholds_mm3), number_word(case.number)
    )
