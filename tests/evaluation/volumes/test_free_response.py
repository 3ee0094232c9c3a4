import numpy as np
import pandas as pd

from textbcs.evaluation.volumes.free_response import curve, response
from textbcs.evaluation.volumes.patient_scores import Reference, Rules

RULES = Rules([1.0], minimum_mm3=4.0, minimum_covered=0.0)


def rows(patient: int) -> list[dict[str, object]]:
    """A lesion at 0.8 and a false part at 0.4 (that of the second patient is too small to count)."""
    probability, reference = np.zeros((3, 9, 9)), np.zeros((3, 9, 9), bool)
    reference[1, 1:3, 1:3] = True
    probability[reference] = 0.8
    probability[1, 6:8, 6 : 8 - patient] = 0.4
    masks = ((threshold, probability >= threshold) for threshold in (0.25, 0.5, 0.9))
    key = {"method": "unet", "seed": 1, "source": "none"}
    return [{**key, **row} for row in response(masks, Reference.of(reference, (1, 1, 1)), RULES)]


def test_points_are_sums_over_patients() -> None:
    found = curve(pd.DataFrame([*rows(0), *rows(1)]))
    assert found["threshold"].tolist() == [0.25, 0.5, 0.9]
    assert found["patients"].tolist() == found["lesions"].tolist() == [2, 2, 2]
    assert found["lesions_found"].tolist() == [2, 2, 0]
    assert found["false_components"].tolist() == [1, 0, 0]
