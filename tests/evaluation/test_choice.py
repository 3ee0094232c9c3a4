"""The median case, by hand."""

import pandas as pd
import pytest

from textbcs.evaluation.choice import by_dice, middle


def test_lowest_first_and_ties_by_name_whatever_the_index() -> None:
    table = pd.DataFrame(
        {"slice_id": ["b", "a", "c", "d"], "dice": [0.5, 0.5, 0.9, 0.1]}, index=[4, 7, 2, 9]
    )
    assert by_dice(table) == [9, 7, 4, 2]


def test_of_an_even_number_the_lower_of_the_two() -> None:
    assert [middle(list(range(n))) for n in (1, 2, 3, 4, 5)] == [0, 0, 1, 1, 2]
    with pytest.raises(IndexError):
        middle([])
