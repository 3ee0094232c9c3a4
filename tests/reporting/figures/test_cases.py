"""The figures' cases follow their rules, on rows made by hand."""

import numpy as np
import pandas as pd

from textbcs.reporting.figures.cases import choose_cases, failure_cases, qualitative_cases


def rows(*facts: tuple) -> pd.DataFrame:
    """slice_id, kind, Dice, true and false positive pixels, lesions, found, mm2 of each kind."""
    names = ["slice_id", "kind", "dice", "true_positive", "false_positive", "lesions"]
    names += ["lesions_found", "reference_mm2", "false_positive_mm2"]
    return pd.DataFrame(facts, columns=names)


FREE = ("z-free", "negative", np.nan, 0, 9, 0, 0, 0.0, 90.0)


def test_best_median_worst_and_then_most_lesions() -> None:
    table = rows(
        FREE,
        ("b", "tumour", 0.2, 5, 1, 4, 2, 50.0, 10.0),  # the worst, with most lesions
        ("a", "tumour", 0.9, 5, 1, 1, 1, 50.0, 10.0),
        ("d", "tumour", 0.7, 5, 1, 3, 1, 50.0, 10.0),
        ("c", "tumour", 0.8, 5, 1, 3, 3, 50.0, 10.0),
        ("e", "tumour", 0.3, 5, 1, 1, 1, 50.0, 10.0),
    )
    # Dice in order: b 0.2, e 0.3, d 0.7 (median), c 0.8, a 0.9; of the rest only c has several.
    assert qualitative_cases(table) == {"best": 2, "median": 3, "worst": 1, "several lesions": 4}


def test_no_case_with_several_lesions_is_left_out() -> None:
    table = rows(*((name, "tumour", 0.5, 5, 1, 1, 1, 50.0, 10.0) for name in "abc"))
    # Equal Dice: ties go by name.
    assert qualitative_cases(table) == {"best": 2, "median": 1, "worst": 0}


def test_each_failure_is_a_slice_of_its_own() -> None:
    table = rows(
        ("a", "tumour", 0.0, 0, 0, 1, 0, 40.0, 0.0),  # nothing predicted: not the lowest Dice
        ("b", "tumour", 0.1, 1, 30, 2, 0, 60.0, 300.0),  # lowest with a prediction, most missed too
        ("c", "tumour", 0.5, 9, 5, 2, 1, 90.0, 50.0),  # one missed, as `a`, but the larger lesion
        ("d", "tumour", 0.8, 9, 5, 1, 1, 99.0, 50.0),
        FREE,
    )
    # `b` has most false positive area as well; the next one is the tumour-free slice.
    assert failure_cases(table) == {
        "lowest Dice": 1,
        "most missed lesions": 2,
        "most false positive area": 4,
    }


def test_rules_without_a_slice_are_left_out() -> None:
    table = rows(("a", "tumour", 0.0, 0, 0, 1, 0, 40.0, 0.0))
    assert failure_cases(table) == {"most missed lesions": 0}
    table = rows(("a", "tumour", 1.0, 5, 0, 1, 1, 40.0, 0.0))
    assert failure_cases(table) == {"lowest Dice": 0}


def test_ties_go_by_name_and_the_median_is_the_lower_one() -> None:
    table = pd.DataFrame(
        {
            "slice_id": list("abcdef"),
            "kind": ["tumour"] * 5 + ["negative"],
            "dice": [0.5, 0.9, 0.1, 0.9, 0.7, np.nan],
        }
    )
    assert choose_cases(table) == {"best": 3, "median": 4, "worst": 2}
    # Of four (0.1, 0.5, 0.9, 0.9) the second: the same rule as the heat maps' and the prompt styles'.
    assert choose_cases(table.drop(index=4)) == {"best": 3, "median": 0, "worst": 2}
