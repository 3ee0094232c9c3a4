"""The viewer of whole volumes: what its data hold, and how large they are."""

import base64
import io
import json

import numpy as np
import pytest
from pagecase import SIDE, volume_cases
from PIL import Image

from textbcs.base.io import InputError, write_json
from textbcs.reporting.common.volume_cases import FOLDER, Case, Reading, read_cases, write_cases
from textbcs.reporting.page import volume_viewer
from textbcs.reporting.page.volume_viewer import grey_levels, volume_count, volume_data


def pixels(address: str) -> np.ndarray:
    """A sheet as another reader decodes it."""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("L"))


def test_every_slice_of_every_patient_is_there() -> None:
    cases = volume_cases()
    data = volume_data(cases)
    assert data is not None
    assert [one["patient"] for one in data["patients"]] == ["V0", "V1"]
    first = data["patients"][0]
    assert first["slices"] == [0, 1, 2, 3, 4]
    assert first["reference"] == [0, 0, 25, 4, 0]
    assert first["found"][1]["marked"] == [0, 4, 25, 0, 0]
    sheet = pixels(first["found"][1]["mask"])
    for z in range(5):
        own = sheet[:SIDE, z * SIDE : (z + 1) * SIDE] > 0
        assert (own == cases[0].readings[1].mask[z]).all()
    image = pixels(first["image"])[:SIDE, 2 * SIDE : 3 * SIDE]
    assert np.abs(image.astype(int) - cases[0].image[2]).max() <= volume_viewer.STEP // 2
    assert volume_count(data).endswith("every slice.")


def test_shown_grey_values_are_few() -> None:
    every = np.arange(256, dtype=np.uint8)
    levels = grey_levels(every)
    assert len(set(levels.tolist())) == 33
    assert (levels[0], levels[255]) == (0, 255)
    assert (np.diff(levels.astype(int)) >= 0).all()


def test_large_volumes_are_thinned_out_and_the_page_says_so(monkeypatch) -> None:
    monkeypatch.setattr(volume_viewer, "MOST_PIXELS", 6)
    monkeypatch.setattr(volume_viewer, "MOST_SLICES", 2)
    monkeypatch.setattr(volume_viewer, "MOST_PATIENTS", 1)
    data = volume_data(volume_cases())
    assert data is not None
    (one,) = data["patients"]
    assert (one["slices"], one["size"], one["total"]) == ([0, 4], [6, 6], 5)
    assert volume_count(data).endswith("V0: 2 of 5 slices, evenly chosen, every 3rd pixel.")


def test_nothing_asked_is_nothing_shown() -> None:
    case = volume_cases()[0]
    assert volume_data([]) is None
    assert volume_data([Case("a", "worst", case.image, case.mask, [])]) is None


def test_a_volume_of_dukes_size_takes_little() -> None:
    """The bound: below 1.5 MB a patient, whatever the noise; masks are next to nothing."""
    draw = np.random.default_rng(2)
    z, side = 40, 224  # a quarter of the slices, for time
    image = np.clip(draw.normal(60, 12, (z, side, side)), 0, 255).astype(np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[10:30, 80:130, 60:110] = True
    readings = [Reading("TextBCS", "left", mask, 0.5, 0, 0.0)] * 15
    data = volume_data([Case("a", "worst", image, mask, readings)])
    assert data is not None
    assert len(json.dumps(data)) < 1_500_000 / 4
    assert len(data["patients"][0]["found"][0]["mask"]) < 2_000


def test_cases_come_back_as_they_were_written(stage_in) -> None:
    stage, cases = stage_in({}), volume_cases()
    write_cases(stage, iter(cases))
    for one, again in zip(cases, read_cases(stage), strict=True):
        assert (one.patient, one.rule) == (again.patient, again.rule)
        assert (one.image == again.image).all()
        assert (one.mask == again.mask).all()
        for reading, other in zip(one.readings, again.readings, strict=True):
            assert (reading.mask == other.mask).all()
            assert (reading.label, reading.prompt) == (other.label, other.prompt)
            assert (reading.dice, reading.false_ml) == (other.dice, other.false_ml)
    told = [{"patient": "V0", "rule": "worst", "readings": [{"label": "x"}]}]
    write_json(FOLDER / "cases.json", told)
    with pytest.raises(InputError, match="does not fit .*run the stage volume_figures again"):
        read_cases(stage)
