"""Counts as part of a sentence."""

from textbcs.intake.counting import most_frequent


def test_the_most_frequent_first_then_by_name() -> None:
    assert most_frequent({"b": 2, "a": 2, "c": 7}) == "7 x c, 2 x a, 2 x b"
    assert most_frequent({"b": 2, "a": 2, "c": 7}, most=1) == "7 x c, 4 others"
    assert most_frequent({}) == ""
