"""What is kept of a prediction's maps."""

import numpy as np
from numpy.typing import NDArray

from textbcs.prediction.dirichlet import GREATEST, uncertainty
from textbcs.prediction.maps import Prediction, log_odds


def maps_of(true: Prediction, swapped: Prediction | None) -> dict[str, NDArray[np.float16]]:
    """What is kept of the maps, float16: enough to recompute every uncertainty."""
    maps = {"probability": true.probability.astype(np.float16)}
    if true.evidence is not None:
        maps["evidence"] = np.minimum(true.evidence, GREATEST).astype(np.float16)
        maps["vacuity"] = uncertainty(true.evidence).vacuity.astype(np.float16)
    else:
        # Near 1 a float16 probability has three digits; its log-odds keep all that calibration needs.
        maps["log_odds"] = log_odds(true.probability).astype(np.float16)
    if swapped is not None:
        maps["probability_swapped"] = swapped.probability.astype(np.float16)
    return maps


def exact_maps(true: Prediction, swapped: Prediction | None) -> dict[str, NDArray[np.float32]]:
    """The probabilities in full precision, which scores are taken from."""
    maps = {"probability": true.probability}
    if swapped is not None:
        maps["probability_swapped"] = swapped.probability
    return maps
