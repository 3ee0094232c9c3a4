"""Masks grown in a box: exact on a plain lesion, and as good on the phantom as the docs say."""

import numpy as np
import pandas as pd
import pytest
from cohort_stage import make_stage

from textbcs.masks.fitting import MisfitError
from textbcs.masks.region_growing import grow
from textbcs.phantom.patient import make_patient
from textbcs.phantom.settings import Settings
from textbcs.settings.presets import read_preset
from textbcs.stages.data.masks import run as make_masks

RULES = {"level": 0.5, "peak_percentile": 99.0, "margin_mm": 8.0, "smallest_mm3": 60.0}
SPACING = (3.0, 1.0, 1.0)
BOX = (slice(4, 9), slice(10, 22), slice(12, 25))


def scene(peak: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """A block with a hole and a speck in a box; brighter tissue outside of it."""
    mask = np.zeros((12, 40, 40), bool)
    mask[5:8, 12:20, 14:23] = True
    enhancement = np.where(mask, peak, 20.0).astype(np.float32)
    enhancement[6, 15, 17] = 0  # a hole within a slice
    enhancement[4, 10, 12] = peak  # a speck of 3 mm³
    enhancement[:, 30:, :] = 500.0
    return enhancement, mask


def test_a_plain_lesion_is_found_exactly() -> None:
    enhancement, mask = scene()
    found = grow(enhancement, BOX, SPACING, **RULES)
    np.testing.assert_array_equal(found > 0, mask)
    assert found.dtype == np.uint8


def test_the_threshold_is_half_way_between_surroundings_and_peak() -> None:
    """An edge that is a ramp from 20 to 100 is cut at 60."""
    enhancement, _ = scene()
    enhancement[5:8, 12:20, 20] = 59
    enhancement[5:8, 12:20, 21] = 61
    found = grow(enhancement, BOX, SPACING, **RULES)[6, 13]
    assert (found[20], found[21]) == (0, 1)
    wider = grow(enhancement, BOX, SPACING, **(RULES | {"level": 0.45}))[6, 13]
    assert (wider[20], wider[21]) == (1, 1)


def test_offset_and_scale_change_nothing() -> None:
    enhancement, _ = scene()
    np.testing.assert_array_equal(
        grow(enhancement, BOX, SPACING, **RULES), grow(3 * enhancement - 700, BOX, SPACING, **RULES)
    )


def test_a_small_lesion_survives_where_it_is_all_there_is() -> None:
    enhancement = np.zeros((12, 40, 40), np.float32)
    enhancement[5, 12, 14] = 9
    assert grow(enhancement, BOX, SPACING, **(RULES | {"peak_percentile": 100})).sum() == 1


def test_a_box_without_enhancement_is_a_misfit() -> None:
    with pytest.raises(MisfitError, match="nothing in the box"):
        grow(np.zeros((12, 40, 40), np.float32), BOX, SPACING, **RULES)


def test_a_box_that_fills_the_image_works() -> None:
    enhancement, _ = scene()
    whole = (slice(0, 12), slice(0, 40), slice(0, 40))
    assert grow(enhancement, whole, SPACING, **RULES)[:, 30:].all()


def dice(seed: int, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """Dice against truth, and the number of tumours, of the phantom's first patients."""
    section = read_preset("phantom")["phantom"] | {"seed": seed}
    settings = Settings.of(section)
    scores, tumours = [], []
    for index in range(1, patients + 1):
        patient = make_patient(settings, index)
        grid, truth = patient.anatomy.grid, patient.mask
        found = [np.flatnonzero(truth.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        box = tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in found)
        enhancement = patient.phases[1].astype(np.float32) - patient.phases[0].astype(np.float32)
        grown = grow(enhancement, box, (grid.distance, grid.pixel, grid.pixel), **RULES) > 0
        scores.append(2 * (grown & truth).sum() / (grown.sum() + truth.sum()))
        tumours.append(patient.facts.tumours)
    return np.asarray(scores), np.asarray(tumours)


def test_what_the_docs_say_of_the_phantom() -> None:
    """docs/how-to/masks.md has 160 patients of this seed; its first 40 must tell the same story."""
    scores, tumours = dice(seed=77, patients=40)
    assert np.median(scores) > 0.9
    assert scores[tumours == 1].mean() > 0.9 > 0.85 > scores[tumours > 1].mean() > 0.6


def test_the_stage_takes_it_last_and_says_so(workplace, params) -> None:
    before = pd.read_csv("data/masks/masks.csv").set_index("patient")
    params["masks"]["sources"] = [{"source": "box", "kind": "box", **RULES}]
    make_masks(make_stage(params))
    after = pd.read_csv("data/masks/masks.csv", keep_default_na=False).set_index("patient")
    assert set(after["source"]) == set(after["origin"]) == {"box"}
    ratio = after["voxels"] / before["voxels"]
    assert ratio.median() == pytest.approx(1, abs=0.3)
