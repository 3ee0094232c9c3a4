"""The prompt of a whole case."""

import pytest

from textbcs.prompts.cases import case_prompt
from textbcs.slices.case_lesions import Case
from textbcs.stages.data.prompts import case_table

RULES = {"irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75}


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (Case(1, 100.0, "left", 0.95, 0.2), "location left; shape round; size small; number one"),
        (
            Case(2, 300.0, "right", 0.95, 0.8),
            "location right; shape ellipse; size medium; number two",
        ),
        (Case(12, 301.0, "", 0.5, 0.8), "shape irregular; size large; number many"),
    ],
)
def test_a_case_is_described_by_its_largest_lesion(case: Case, text: str) -> None:
    assert case_prompt(case, (100.0, 300.0), RULES).text == text


def test_without_sides_the_table_has_an_empty_location() -> None:
    rows = [{"split": "val", "patient": "p", **vars(Case(1, 5.0, float("nan"), 0.95, 0.2))}]  # type: ignore[arg-type]
    table = case_table(rows, (100.0, 300.0), RULES)
    assert table["location"].tolist() == [""]
    assert table["text"].tolist() == ["shape round; size small; number one"]
