import re

import numpy as np
import pandas as pd

from textbcs.reporting.figures import choose_cases, window_of
from textbcs.reporting.html import render

ROW = {
    "label": "TextBCS <x>",
    "dice_slice_mean": 71.5,
    "tumour_slices": 10.0,
    "tumour_free_slices": 4.0,
    "patients": 3.0,
    "paper_dice": 85.33,
}
GAP = {
    "subtrahend": "unet",
    "seed": 1,
    "patients": 3,
    "dice_difference": -2.0,
    "low": -4.0,
    "high": 0.5,
}
PARAMS = {"cohort": {"kind": "phantom"}, "seeds": [1]}


def test_page_is_self_contained_and_says_what_a_phantom_means() -> None:
    page = render(PARAMS, [ROW], [GAP], b"png", "minilm (<x>)")
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "https://" not in page
    assert "say nothing about patients" in page
    assert "Duke, not comparable" in page
    assert "TextBCS &lt;x&gt;" in page
    assert "text encoder minilm (&lt;x&gt;);" in page
    # A negative result stands there as it is.
    assert "<td>-2.00</td>" in page


def test_cases_follow_a_rule_and_are_tumour_slices() -> None:
    slices = pd.DataFrame(
        {
            "slice_id": list("abcdef"),
            "kind": ["tumour"] * 5 + ["negative"],
            "dice": [0.5, 0.9, 0.1, 0.9, 0.7, np.nan],
        }
    )
    assert choose_cases(slices) == {"best": 3, "median": 4, "worst": 2}


def test_the_enlarged_window_holds_the_mask_and_stays_inside() -> None:
    mask = np.zeros((96, 96))
    mask[2:6, 90:95] = 1
    row, col, side = window_of(mask)
    assert (row, col, side) == (0, 48, 48)
    assert mask[row : row + side, col : col + side].sum() == mask.sum()
