"""What is stored of a prediction's maps, and its log-odds."""

import numpy as np
import pytest

from textbcs.prediction.encoding import maps_of
from textbcs.prediction.maps import Prediction, log_odds

SIZE = 16


def test_what_is_stored_of_the_maps() -> None:
    evidence = np.full((2, 2, SIZE, SIZE), 9.0, np.float32)
    evidence[0, 1, 0, 0] = 1e9  # more than float16 holds
    probability = np.full((2, SIZE, SIZE), 0.1, np.float32)
    maps = maps_of(Prediction(probability, evidence), None)
    assert {name: value.shape for name, value in maps.items()} == {
        "probability": (2, SIZE, SIZE),
        "evidence": (2, 2, SIZE, SIZE),
        "vacuity": (2, SIZE, SIZE),
    }
    assert np.isfinite(maps["evidence"]).all()
    assert maps["vacuity"][1, 0, 0] == pytest.approx(0.1, abs=1e-4)
    assert set(maps_of(Prediction(probability), Prediction(probability))) == {
        "probability",
        "log_odds",
        "probability_swapped",
    }


def test_log_odds_are_the_logit_and_stay_finite() -> None:
    logits = np.array([-9.0, -1.0, 0.0, 3.0, 12.0])
    probability = 1 / (1 + np.exp(-logits))
    assert log_odds(probability) == pytest.approx(logits, abs=1e-6)
    assert np.isfinite(log_odds(np.array([0.0, 1.0], np.float32))).all()
