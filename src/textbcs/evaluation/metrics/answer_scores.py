"""What the answers to other prompts are worth: a row of metrics per slice and probe."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics import overlap
from textbcs.prediction.answers import Answers

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["slice_id", "patient", "kind", "probe", "prompt"]
SCORES = ["dice", "iou", "predicted_pixels", "vacuity"]


def score_answers(answers: Answers, masks: NDArray[np.generic]) -> "pd.DataFrame":
    """A row per probe and slice.

    Args:
        answers: the masks that a method gave.
        masks: (n, H, W), the true masks of the test slices.

    Returns:
        `slice_id`, `patient`, `kind`, `probe`, `prompt` (the text), `dice` and `iou` of the foreground,
        `predicted_pixels`, and `vacuity`, its mean over the slice (empty without evidence).
    """
    import pandas as pd

    counted = [
        overlap.count(answers.mask(number), masks[place])
        for number, place in enumerate(answers.places)
    ]
    scores = pd.DataFrame(
        {
            "dice": [overlap.dice(one) for one in counted],
            "iou": [overlap.iou(one) for one in counted],
            "predicted_pixels": [one.true_positive + one.false_positive for one in counted],
            "vacuity": answers.vacuity,
        }
    )
    rows = answers.rows.reset_index(drop=True)
    own = scores.iloc[rows["answer"].to_numpy()].reset_index(drop=True)
    return pd.concat([rows[COLUMNS], own[SCORES]], axis=1)
