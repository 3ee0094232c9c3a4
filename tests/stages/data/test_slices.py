"""Cutting one patient: which slices come out, with which facts. Grid and image are made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from textbcs.base.io import read_csv
from textbcs.dataset.slice_store import COLUMNS, Shard, read_shard, write_shard
from textbcs.imaging.dicom import Grid
from textbcs.slices.cutting import UNSELECTED, Cut, cut_patient
from textbcs.slices.patient_volumes import Patient, SquarePatient

DEPTH, SIDE = 12, 64
OPTIONS = {
    "phase": "post1",
    "size": 32,
    "channels": 3,
    "clip_percentiles": [0.0, 100.0],
    "minimum_lesion_mm2": 40.0,
    "minimum_component_mm2": 20.0,
    "selection": "all",
    "stride": 2,
    "max_per_patient": 2,
    "negatives_per_patient": 2,
    "seed": 1,
}


def box(z: slice, x: int, half: int = 4) -> np.ndarray:
    mask = np.zeros((DEPTH, SIDE, SIDE), np.uint8)
    mask[z, 20 - half : 20 + half, x - half : x + half] = 1
    return mask


def patient(mask: np.ndarray) -> Patient:
    image = np.full((DEPTH, SIDE, SIDE), 10.0, np.float32)
    image[:, 10:50, 8:56] = 100.0
    image[mask > 0] = 300.0
    grid = Grid(
        affine=np.diag([1.0, 1.0, 3.0, 1.0]),
        shape=mask.shape,
        sop_uids=tuple(f"1.2.{z}" for z in range(DEPTH)),
        instance_numbers=tuple(range(DEPTH, 0, -1)),
        paths=tuple(f"{z}.dcm" for z in range(DEPTH)),
        frame_of_reference="1.2",
    )
    return Patient("p", "1.2.3", grid, image, mask, "expert")


def cut(mask: np.ndarray, is_test: bool = False, sides: str = "patient", **changes) -> Cut:
    return cut_one(patient(mask), is_test, sides, **changes)


def cut_one(one: Patient, is_test: bool = False, sides: str = "patient", **changes) -> Cut:
    options, result = {**OPTIONS, **changes}, Cut()
    negatives = options["negatives_per_patient"] if is_test else 0
    square = SquarePatient.of(one, options, sides)
    cut_patient(square, options, negatives, is_test, result, sides)
    return result


def test_slices_with_a_lesion_come_out_with_their_dicom_instance() -> None:
    found = cut(box(slice(3, 6), 45))
    assert [row["z_index"] for row in found.rows] == [3, 4, 5]
    assert [row["sop_uid"] for row in found.rows] == ["1.2.3", "1.2.4", "1.2.5"]
    assert [row["instance_number"] for row in found.rows] == [9, 8, 7]
    assert {row["slice_id"] for row in found.rows} == {"p-z003", "p-z004", "p-z005"}
    assert all(row["kind"] == "tumour" and row["spacing_row_mm"] == 2.0 for row in found.rows)
    assert all(mask.sum() == 16 for mask in found.masks)
    image = found.images[0].astype(float)
    assert image[found.masks[0] > 0].min() > 0.6 > 0.5 > image[found.masks[0] == 0].mean()


@pytest.mark.parametrize(("x", "side"), [(45, "left"), (18, "right")])
def test_larger_columns_are_the_patients_left(x: int, side: str) -> None:
    assert {row["side"] for row in cut(box(slice(3, 6), x)).rows} == {side}


def test_lesions_in_both_breasts_are_left_out_with_the_reason() -> None:
    found = cut(box(slice(3, 6), 45) | box(slice(5, 8), 18))
    assert [row["z_index"] for row in found.rows] == [3, 4, 6, 7]
    assert found.excluded == [
        {"patient": "p", "sop_uid": "1.2.5", "z_index": 5, "reason": "lesions in both breasts"}
    ]


def test_without_sides_lesions_anywhere_are_one_slice() -> None:
    found = cut(box(slice(3, 6), 45) | box(slice(5, 8), 18), sides="none")
    assert [row["z_index"] for row in found.rows] == [3, 4, 5, 6, 7]
    assert {row["side"] for row in found.rows} == {""}
    assert all(np.isnan(row["midline_col"]) for row in found.rows)
    assert not found.excluded


def test_the_side_of_the_image_is_as_it_is_seen() -> None:
    # The body's middle is at column 31.5 too, but the image's is what counts: no body moves it.
    found = cut(box(slice(3, 6), 45), sides="image")
    assert {(row["side"], row["midline_col"]) for row in found.rows} == {("right", 15.5)}


def test_an_image_that_is_the_same_everywhere_and_a_mask_of_everything_are_left_out() -> None:
    mask = box(slice(3, 6), 45)
    mask[4] = 1
    one = patient(mask)
    one.intensity[4, 0, 0] = 10
    one.intensity[5] = 30000
    one.intensity[7:] = 7  # of the tumour-free slices none is left that shows anything
    one.intensity[:2] = 7
    found = cut_one(one, is_test=True)
    assert [(row["z_index"], row["kind"]) for row in found.rows] == [(3, "tumour")]
    assert {row["z_index"]: row["reason"] for row in found.excluded} == {
        4: "the mask covers the whole slice",
        5: "the image is the same everywhere",
    }


def test_a_small_lesion_is_left_out_with_the_reason() -> None:
    found = cut(box(slice(3, 6), 45, half=2))
    assert not found.rows
    assert {row["reason"] for row in found.excluded} == {
        "lesion smaller than slices.minimum_lesion_mm2"
    }


@pytest.mark.parametrize(
    ("selection", "chosen"), [("all", [2, 3, 4, 5, 6]), ("stride", [2, 4, 6]), ("max", [2, 6])]
)
def test_selection(selection: str, chosen: list[int]) -> None:
    found = cut(box(slice(2, 7), 45), selection=selection)
    assert [row["z_index"] for row in found.rows] == chosen
    left = {row["z_index"]: row["reason"] for row in found.excluded}
    assert left == dict.fromkeys(set(range(2, 7)) - set(chosen), UNSELECTED)


def test_tumour_free_slices_are_cut_for_test_alone_and_touch_no_lesion() -> None:
    mask = box(slice(3, 6), 45)
    assert {row["kind"] for row in cut(mask).rows} == {"tumour"}
    found = cut(mask, is_test=True)
    free = [row["z_index"] for row in found.rows if row["kind"] == "negative"]
    assert len(free) == 2
    assert not set(free) & {2, 3, 4, 5, 6}
    assert [row["z_index"] for row in found.rows] == sorted(row["z_index"] for row in found.rows)
    again = [row["z_index"] for row in cut(mask, is_test=True).rows if row["kind"] == "negative"]
    assert free == again
    assert set(found.native_masks) == {row["slice_id"] for row in found.rows}
    assert found.native_masks["p-z003"].sum() == mask[3].sum()


def test_the_intensity_scale_is_the_patients_own() -> None:
    one = patient(box(slice(3, 6), 45))
    brighter = replace(one, intensity=one.intensity * 7 + 3)
    first, second = cut_one(one), cut_one(brighter)
    np.testing.assert_allclose(first.images[0], second.images[0], atol=2e-3)


def test_a_shard_round_trips_with_its_native_masks(stage_in) -> None:
    import pandas as pd

    found = cut(box(slice(3, 6), 45), is_test=True)
    table = pd.DataFrame(found.rows).assign(row=range(len(found.rows)))[list(COLUMNS)]
    stage = stage_in({})
    write_shard(
        stage,
        "test",
        Shard(table, np.stack(found.images), np.stack(found.masks), found.native_masks),
    )
    folder = "data/slices/test"
    back = read_shard(f"{folder}/slices.csv", f"{folder}/slices.safetensors")
    assert back.table["slice_id"].tolist() == table["slice_id"].tolist()
    np.testing.assert_array_equal(back.images, np.stack(found.images))
    for name, mask in found.native_masks.items():
        np.testing.assert_array_equal(back.native_masks[name], mask)
    assert read_csv(f"{folder}/slices.csv")["sop_uid"].tolist() == table["sop_uid"].tolist()
