"""A case's automatic prompt from a mask made by hand, and agreement counted by hand."""

from typing import Any

import numpy as np
import pytest
from network_inputs import LEFT, RIGHT

from textbcs.dataset.prompt_grammar import parse
from textbcs.volumes.case_prompts import agreement, automatic_case_prompt

RULES = {"irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75}
FACTS: dict[str, Any] = {"midline_col": 15.5, "spacing_slice_mm": 3.0, "spacing_mm": 2.0}


def found(sides: str = "patient", minimum: float = 100.0, **changes: Any) -> str:
    mask = np.zeros((8, 32, 32), bool)
    mask[1:4, 8:13, 20:25] = True  # 75 voxels of 12 mm³, at larger columns
    mask[6, 8:12, 4:8] = True  # 16
    mask[6, 20, 20] = True  # 1
    return automatic_case_prompt(mask, FACTS | changes, (500.0, 950.0), minimum, RULES, sides)


def test_the_largest_finding_and_their_number() -> None:
    assert found() == "location left; shape round; size medium; number two"
    assert found(minimum=12.0) == "location left; shape round; size medium; number three"
    assert found(minimum=900.0) == "location left; shape round; size medium; number one"
    assert found(spacing_slice_mm=6.0) == "location left; shape round; size large; number two"
    assert found(midline_col=28.0).startswith("location right")
    assert found(sides="image").startswith("location right")
    assert parse(found(sides="none", midline_col=float("nan"))).location == ""


def test_nothing_found_says_nothing() -> None:
    assert found(minimum=901.0) == ""


def row(patient: str, source: str, text: str, split: str = "val") -> dict[str, str]:
    return {"split": split, "patient": patient, "source": source, "text": text}


def test_agreement_by_attribute() -> None:
    near = "location left; shape ellipse; size small; number one"
    rows = [
        row("a", "patient", LEFT),
        row("a", "automatic", LEFT),
        row("a", "wrong_side", LEFT),
        row("b", "patient", LEFT),
        row("b", "automatic", near),
        row("c", "patient", RIGHT),
        row("c", "automatic", ""),
        row("d", "patient", ""),  # no lesion of its own: nothing to agree with
        row("d", "automatic", RIGHT),
        row("a", "patient", RIGHT, "test"),
        row("a", "report", RIGHT, "test"),
    ]
    counts = {
        (one["split"], one["source"], one["attribute"]): (one["patients"], one["agreeing"])
        for one in agreement(rows)
    }
    slots = ("location", "shape", "size", "number", "all")
    assert {key: n for key, n in counts.items() if key[0] == "val"} == {
        ("val", "automatic", slot): (3, agreeing)
        for slot, agreeing in zip(slots, (2, 1, 2, 2, 1), strict=True)
    }
    assert {key: n for key, n in counts.items() if key[0] == "test"} == {
        ("test", "report", slot): (1, 1) for slot in slots
    }


@pytest.mark.parametrize("side", ["", "location left; "])
def test_what_no_prompt_states_has_no_row(side: str) -> None:
    text = f"{side}shape round; size small; number one"
    rows = [row("a", "patient", text), row("a", "automatic", text)]
    assert ("location" in {one["attribute"] for one in agreement(rows)}) == bool(side)
