"""The median case, by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.evaluation.metrics import overlap
from textbcs.prediction.cases import by_dice, mask_dice, middle


def test_lowest_first_and_ties_by_name_whatever_the_index() -> None:
    table = pd.DataFrame(
        {"slice_id": ["b", "a", "c", "d"], "dice": [0.5, 0.5, 0.9, 0.1]}, index=[4, 7, 2, 9]
    )
    assert by_dice(table) == [9, 7, 4, 2]


def test_of_an_even_number_the_lower_of_the_two() -> None:
    assert [middle(list(range(n))) for n in (1, 2, 3, 4, 5)] == [0, 0, 1, 1, 2]
    with pytest.raises(IndexError):
        middle([])


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.6]))
def test_the_dice_that_chooses_is_the_dice_that_is_reported(
    seed: int, found: float, there: float
) -> None:
    rng = np.random.default_rng(seed)
    predicted, reference = rng.random((6, 7)) < found, rng.random((6, 7)) < there
    wanted = overlap.dice(overlap.count(predicted, reference))
    assert mask_dice(predicted, reference.astype(np.uint8)) == pytest.approx(
        wanted, abs=0, nan_ok=True
    )
