"""Every slice comes out, with the very bytes that the slices of a split have."""

import numpy as np

from textbcs.dataset.volume_store import COLUMNS
from textbcs.imaging.dicom import Grid
from textbcs.slices.cutting import Cut, cut_patient
from textbcs.slices.patient_volumes import Patient, SquarePatient
from textbcs.slices.volume_cutting import whole_volume

DEPTH, ROWS, COLS = 9, 40, 56
OPTIONS = {
    "size": 24,
    "clip_percentiles": [0.5, 99.5],
    "minimum_lesion_mm2": 40.0,
    "minimum_component_mm2": 20.0,
    "selection": "all",
    "seed": 1,
}


def patient() -> Patient:
    """Lesions in both breasts, one too small for a slice of its own, and an empty slice."""
    image = np.random.default_rng(0).normal(100, 20, (DEPTH, ROWS, COLS)).astype(np.float32)
    image[:, :, :6] = 0
    image[8] = 7
    mask = np.zeros(image.shape, np.uint8)
    mask[2:5, 8:18, 40:50] = 1
    mask[4:6, 8:18, 10:20] = 1
    mask[6, 20:23, 40:43] = 1
    mask[8] = 1
    grid = Grid(
        affine=np.diag([1.25, 0.75, 3.0, 1.0]),  # columns, rows, slices
        shape=mask.shape,
        sop_uids=tuple(f"1.2.{z}" for z in range(DEPTH)),
        instance_numbers=tuple(range(DEPTH)),
        paths=tuple(f"{z}.dcm" for z in range(DEPTH)),
        frame_of_reference="1.2",
    )
    return Patient("p", "1.2.3", grid, image, mask, "expert")


def test_every_slice_is_there_with_its_masks() -> None:
    own = patient()
    found = whole_volume(own, OPTIONS, "patient")
    assert found.image.shape == found.mask.shape == (DEPTH, 24, 24)
    assert np.array_equal(found.native_mask, own.mask > 0)
    assert found.mask.any(axis=(1, 2)).tolist() == [z in (2, 3, 4, 5, 6, 8) for z in range(DEPTH)]
    assert found.image.dtype == np.float16
    assert 0 <= found.image.min() <= found.image.max() <= 1


def test_a_slice_has_the_bytes_of_the_splits() -> None:
    own, cut = patient(), Cut()
    cut_patient(SquarePatient.of(own, OPTIONS, "patient"), OPTIONS, 2, True, cut)
    found = whole_volume(own, OPTIONS, "patient")
    places = [row["z_index"] for row in cut.rows]
    assert {row["kind"] for row in cut.rows} == {"tumour", "negative"}
    assert set(range(DEPTH)) - set(places)  # what is left out there is in here
    for place, z in enumerate(places):
        assert found.image[z].tobytes() == cut.images[place].tobytes()
        assert np.array_equal(found.mask[z], cut.masks[place] > 0)
    row = cut.rows[0]
    same = set(COLUMNS) & set(row)
    assert {name: found.facts[name] for name in same} == {name: row[name] for name in same}


def test_facts_are_of_the_grids() -> None:
    facts = whole_volume(patient(), OPTIONS, "patient").facts
    assert list(facts) == list(COLUMNS)
    assert (facts["slices"], facts["size"]) == (DEPTH, 24)
    assert (facts["native_rows"], facts["native_cols"]) == (ROWS, COLS)
    assert (facts["native_spacing_row_mm"], facts["native_spacing_col_mm"]) == (0.75, 1.25)
    assert facts["spacing_slice_mm"] == 3.0
    assert facts["spacing_mm"] == COLS * 1.25 / 24
    assert np.isnan(whole_volume(patient(), OPTIONS, "none").facts["midline_col"])
