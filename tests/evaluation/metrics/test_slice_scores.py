"""Scoring with predictions made by hand; the trained path runs in tests/dag."""

import numpy as np
import pandas as pd
import pytest

from textbcs.dataset.slice_store import COLUMNS, Shard
from textbcs.evaluation.metrics.slice_scores import score
from textbcs.prediction.maps import Prediction

SIZE = 16
RULES = {
    "threshold": 0.5,
    "nsd_tolerances_mm": [1.0, 2.5],
    "lesions": {"minimum_covered": 0.1},
    "calibration": {"bins": 15, "band_mm": 2.0},
}


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
        row |= {"spacing_row_mm": 2.0, "spacing_col_mm": 2.0}
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
    return Prediction(probability)


def test_a_perfect_prediction() -> None:
    table = score(shard(), prediction((0, 4, 2)), None, RULES, 4.0)
    tumour, free = table.to_dict("records")
    assert (tumour["dice"], tumour["iou"], tumour["dice_two_class"]) == (1, 1, 1)
    assert tumour["dice_native"] == pytest.approx(1, abs=0.05)
    assert tumour["predicted_side"] == "right"
    assert np.isnan(free["dice"])
    assert free["predicted_side"] == ""
    assert free["true_negative"] == SIZE * SIZE


def test_half_overlap_and_a_false_alarm() -> None:
    table = score(shard(), prediction((0, 4, 4), (1, 0, 10)), None, RULES, 4.0)
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
    table = score(shard(), prediction((0, 4, 2)), prediction((0, 4, 10)), RULES, 4.0)
    assert table["dice_swapped"].iloc[0] == 0
    assert table["predicted_side_swapped"].tolist() == ["left", ""]
    without = score(shard(), prediction((0, 4, 2)), None, RULES, 4.0)
    assert without["dice_swapped"].isna().all()


def test_the_threshold_is_exclusive() -> None:
    table = score(
        shard(), prediction((0, 4, 2)), None, RULES | {"threshold": float(np.float32(0.9))}, 4.0
    )
    assert table["dice"].iloc[0] == 0


def test_surfaces_and_lesions_are_measured_on_the_dicom_grid() -> None:
    found, free = score(shard(), prediction((0, 4, 2)), None, RULES, 4.0).to_dict("records")
    assert (found["nsd_1mm"], found["nsd_2.5mm"]) == (1, 1)
    assert found["assd_mm"] < 0.5
    assert (found["reference_mm2"], found["lesions"], found["lesions_found"]) == (64, 1, 1)
    assert (found["false_components"], found["distance_replaced"]) == (0, False)
    assert np.isnan([free["nsd_1mm"], free["hd95_mm"]]).all()
    # Four square pixels to the right: eight native ones of 1 mm.
    moved = score(shard(), prediction((0, 4, 6)), None, RULES, 4.0).iloc[0]
    assert moved["hd95_mm"] == pytest.approx(8, abs=1)
    assert (moved["lesions_found"], moved["false_components"]) == (0, 1)


def test_what_is_missed_and_what_is_found_for_nothing() -> None:
    missed, alarm = score(shard(), prediction((1, 0, 10)), None, RULES, 4.0).to_dict("records")
    assert missed["hd95_mm"] == pytest.approx(np.hypot(32, 32))
    assert (missed["distance_replaced"], missed["nsd_1mm"]) == (True, 0)
    assert (alarm["nsd_1mm"], alarm["false_components"], alarm["lesions"]) == (0, 1, 0)
    assert alarm["false_positive_mm2"] == pytest.approx(64, abs=16)
    assert np.isnan(alarm["hd95_mm"])


def test_a_component_below_the_smallest_is_no_lesion() -> None:
    for smallest, lesions, false in ((63.0, 1, 1), (100.0, 0, 0)):
        found, free = score(
            shard(), prediction((0, 4, 2), (1, 0, 10)), None, RULES, smallest
        ).to_dict("records")
        assert (found["lesions"], free["false_components"]) == (lesions, false)


def test_calibration_of_a_slice_over_the_image_and_over_its_region() -> None:
    found, free = score(shard(), prediction((0, 4, 2)), None, RULES, 4.0).to_dict("records")
    assert (found["brier"], found["brier_region"]) == pytest.approx((0.01, 0.01))
    assert found["nll"] == pytest.approx(-np.log(0.9))
    assert np.isnan([free["brier_region"], free["nll_region"]]).all()
    missed = score(shard(), prediction(), None, RULES, 4.0).iloc[0]
    # The lesion's 16 pixels are wrong by 0.9; the band of one pixel around it has 16 more, right by 0.1.
    assert missed["brier_region"] == pytest.approx((16 * 0.81 + 16 * 0.01) / 32)
    assert missed["brier"] == pytest.approx((16 * 0.81 + 240 * 0.01) / 256)


def test_the_predicted_side_is_the_cohorts() -> None:
    def side(sides: str) -> str:
        table = score(shard(), prediction((0, 4, 2)), None, RULES, 4.0, sides)
        return str(table["predicted_side"].iloc[0])

    assert (side("patient"), side("image"), side("none")) == ("right", "left", "")
