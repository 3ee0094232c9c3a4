"""The area under the ROC curve by counting pairs, and its limits by a bootstrap written out."""

import numpy as np
import pytest

from textbcs.evaluation.prompt_check.detection import detection
from textbcs.evaluation.statistics.cluster_bootstrap import draw


def pairs(wrong: np.ndarray, right: np.ndarray) -> float:
    """Every wrong one against every right one; ties count half."""
    above = wrong.ravel()[:, None] > right.ravel()
    ties = wrong.ravel()[:, None] == right.ravel()
    return float((above + ties / 2).mean())


@pytest.mark.parametrize("shapes", [((20, 1), (20, 1)), ((20, 4), (20, 1))])
def test_the_area_is_the_share_of_pairs_in_order(shapes) -> None:
    rng = np.random.default_rng(8)
    wrong, right = (np.round(rng.normal(size=shape), 1) for shape in shapes)  # with ties
    found = detection(wrong + 0.5, right, draw(20, 99, 1))
    assert found.mean == pytest.approx(pairs(wrong + 0.5, right))
    assert found.low < found.mean < found.high
    assert found.patients == 20


def test_patients_are_drawn_with_all_that_is_theirs() -> None:
    rng = np.random.default_rng(9)
    wrong, right = rng.normal(size=(12, 3)) + 1, rng.normal(size=(12, 1))
    draws = draw(12, 400, 2)
    places = np.random.default_rng(2).integers(0, 12, (400, 12))
    drawn = [pairs(wrong[own], right[own]) for own in places]
    found = detection(wrong, right, draws)
    # Percentiles; the bias correction moves them a little.
    assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.05)


def test_a_perfect_detector_has_no_limits() -> None:
    found = detection(np.full((5, 1), 0.9), np.full((5, 1), 0.2), draw(5, 99, 1))
    assert found.mean == 1
    assert np.isnan(found.low)
