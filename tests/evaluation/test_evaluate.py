"""Scoring with predictions made by hand; the trained path runs in tests/dag."""

import numpy as np
import pandas as pd
import pytest

from textbcs.evaluation.evaluate import Prediction, score
from textbcs.slices.store import COLUMNS, Shard

SIZE = 16


def shard() -> Shard:
    """A tumour slice on the right (small columns) and a tumour-free one, native grid twice as fine."""
    rows = []
    for slice_id, kind, side in (("a-z001", "tumour", "right"), ("a-z009", "negative", "")):
        row = dict.fromkeys(COLUMNS, 0) | {"slice_id": slice_id, "patient": "a", "kind": kind}
        row |= {
            "side": side,
            "mask_source": "expert",
            "midline_col": 7.5,
            "native_rows": 32,
            "native_cols": 32,
        }
        row |= {"native_spacing_row_mm": 1.0, "native_spacing_col_mm": 1.0}
        rows.append(row)
    masks = np.zeros((2, SIZE, SIZE), np.uint8)
    masks[0, 4:8, 2:6] = 1
    native = np.zeros((2, 32, 32), bool)
    native[0, 8:16, 4:12] = True
    return Shard(
        pd.DataFrame(rows),
        np.zeros((2, SIZE, SIZE), np.float16),
        masks,
        {"a-z001": native[0], "a-z009": native[1]},
    )


def prediction(*places: tuple[int, int, int]) -> Prediction:
    """Probability 0.9 in a 4 x 4 block at (slice, row, column)."""
    probability = np.full((2, SIZE, SIZE), 0.1, np.float32)
    for index, row, column in places:
        probability[index, row : row + 4, column : column + 4] = 0.9
    return Prediction(probability, None)


def test_a_perfect_prediction() -> None:
    table = score(shard(), prediction((0, 4, 2)), None, 0.5)
    tumour, free = table.to_dict("records")
    assert (tumour["dice"], tumour["iou"], tumour["dice_two_class"]) == (1, 1, 1)
    assert tumour["dice_native"] == pytest.approx(1, abs=0.05)
    assert tumour["predicted_side"] == "right"
    assert np.isnan(free["dice"])
    assert free["predicted_side"] == ""
    assert free["true_negative"] == SIZE * SIZE


def test_half_overlap_and_a_false_alarm() -> None:
    table = score(shard(), prediction((0, 4, 4), (1, 0, 10)), None, 0.5)
    tumour, free = table.to_dict("records")
    assert tumour["dice"] == 0.5
    assert (tumour["true_positive"], tumour["false_positive"], tumour["false_negative"]) == (
        8,
        8,
        8,
    )
    assert tumour["iou_two_class"] == pytest.approx((8 / 24 + 232 / 248) / 2)
    assert (free["dice"], free["false_positive"], free["predicted_side"]) == (0, 16, "left")


def test_the_exchanged_prompt_has_columns_of_its_own() -> None:
    table = score(shard(), prediction((0, 4, 2)), prediction((0, 4, 10)), 0.5)
    assert table["dice_swapped"].iloc[0] == 0
    assert table["predicted_side_swapped"].tolist() == ["left", ""]
    without = score(shard(), prediction((0, 4, 2)), None, 0.5)
    assert without["dice_swapped"].isna().all()


def test_the_threshold_is_exclusive() -> None:
    table = score(shard(), prediction((0, 4, 2)), None, float(np.float32(0.9)))
    assert table["dice"].iloc[0] == 0
