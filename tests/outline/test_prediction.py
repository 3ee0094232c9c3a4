"""A package's answers are the pipeline's own, to the byte, in one process as in two."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packages import NETWORKS, SIZE, tiny_files, tiny_package
from studies import write_study

from textbcs.base.io import InputError, read_tensors, write_bytes, write_csv
from textbcs.dataset.prompt_table import COLUMNS
from textbcs.dataset.volume_store import PROMPT_COLUMNS, write_packed, write_patients
from textbcs.outline import prediction
from textbcs.outline.chosen_prompt import PromptWish, read_prompt
from textbcs.outline.drawing import draw, steps_of
from textbcs.outline.prediction import ask_package, batches_of, calibrated, to_native_grid
from textbcs.package.reading import read_package
from textbcs.prediction.maps import log_odds
from textbcs.slices.patient_volumes import recorded_patients
from textbcs.slices.resize import SquareGrid
from textbcs.slices.volume_cutting import cut_volume
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish
from textbcs.volumes.coded_maps import encode, file_of
from textbcs.volumes.predicted_patients import predict_patients

OPTIONS = {"size": SIZE, "channels": 3, "clip_percentiles": [0.1, 99.9]}
PROMPT = "location left; shape round; size large; number one"


def pipeline(params: dict[str, Any], method: str, phase: str, patient: str) -> Stage:
    """The volume of one patient as the stages cut it, with the package's network and embeddings."""
    own = params | {
        "slices": OPTIONS | {"phase": phase},
        "methods": {method: {"network": NETWORKS[method]}},
        "variants": {},
        "training": {"device": "cpu"},
    }
    everything = ("data", "results")
    stage = Stage(Definition("probe", (), everything, everything), own, ["probe"])
    (source,) = recorded_patients(stage, [patient])
    facts, tensors = cut_volume(source)
    write_packed(stage, "test", facts, tensors)
    write_patients(stage, "test", [facts])
    write_patients(stage, "val", [])
    rows = [("test", patient, "patient", ""), ("test", patient, "automatic", PROMPT)]
    write_csv("data/volumes/prompts.csv", pd.DataFrame(rows, columns=[*PROMPT_COLUMNS]))
    write_csv("data/prompts/test.csv", pd.DataFrame(columns=[*COLUMNS]))
    files = tiny_files(method)[1]
    write_bytes(f"results/runs/{method}-s1/model.safetensors", files["model.safetensors"])
    for name in ("prompts.csv", "embeddings.safetensors"):
        write_bytes(f"data/text/grammar/{name}", files[name])
    return stage


@pytest.mark.parametrize(
    ("method", "phase"), [("textbcs", "post1"), ("textbcs_plus", "sub"), ("unet", "post1")]
)
def test_the_bytes_of_the_pipelines_whole_volumes(
    workplace: Path, params: dict[str, Any], method: str, phase: str
) -> None:
    """The same patient through download, masks and volumes, and as a folder that somebody brings."""
    predict_patients(pipeline(params, method, phase, "Breast_MRI_002"), method, "1")
    expected = read_tensors(file_of(f"{method}-s1", "test", "Breast_MRI_002"))
    study = read_study(find_study(write_study(workplace / "new", 2), Wish(phase)))
    package = read_package(tiny_package(workplace / "package", method))
    package.settings["slices"]["phase"] = phase
    wish = PromptWish(text=PROMPT, fallback=False)
    calls: list[int] = []
    stated = read_prompt(wish, package, "new")
    outline = draw(study, package, stated, wish, done=lambda: calls.append(1))
    source = "automatic" if package.reads_text else "none"
    assert np.array_equal(
        encode(outline.codes / np.float32(256)), expected[f"probability/{source}"]
    )
    assert (outline.vacuity is None) == (f"vacuity/{source}" not in expected)
    assert len(calls) == steps_of(10, stated, package)
    if outline.vacuity is not None:
        maps = ask_package(package, _image(workplace), PROMPT)
        assert maps.vacuity is not None
        assert np.array_equal(encode(maps.vacuity), expected[f"vacuity/{source}"])


def _image(folder: Path) -> Any:
    return read_tensors(folder / "data/volumes/test/Breast_MRI_002.safetensors")["image"]


def test_two_processes_give_the_bytes_of_one(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "package", "textbcs"))
    image = np.random.default_rng(1).uniform(size=(40, SIZE, SIZE)).astype(np.float16)
    calls: list[int] = []
    one = ask_package(package, image, PROMPT, done=lambda: calls.append(1))
    assert len(calls) == batches_of(40) == 10
    two = ask_package(package, image, PROMPT, jobs=2)
    assert one.probability.tobytes() == two.probability.tobytes()
    assert one.vacuity is not None
    assert two.vacuity is not None
    assert one.vacuity.tobytes() == two.vacuity.tobytes()


def test_a_package_that_was_replaced_or_answers_nonsense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_package(tmp_path / "package", "unet")
    package = read_package(path)
    tiny_package(path, "textbcs")
    image = np.zeros((2, SIZE, SIZE), np.float16)
    with pytest.raises(InputError, match="was replaced while it was in use"):
        ask_package(package, image, "")
    broken = prediction.Maps(np.full(image.shape, np.nan, np.float32), None)
    monkeypatch.setattr(prediction, "ask_batch", lambda _: broken)
    with pytest.raises(InputError, match="no probabilities"):
        ask_package(package, image, "")


def test_a_temperature_divides_the_log_odds() -> None:
    values = np.random.default_rng(2).uniform(0.01, 0.99, (3, 4, 5)).astype(np.float32)
    assert calibrated(values, 1.0) is values
    cooled = calibrated(values, 2.0)
    assert np.allclose(log_odds(cooled), log_odds(values) / 2, atol=1e-5)


def test_a_map_on_the_native_grid_is_the_squares_own() -> None:
    grid = SquareGrid((30, 44), (1.2, 0.8), 16)
    values = np.random.default_rng(3).uniform(size=(3, 16, 16)).astype(np.float32)
    native = to_native_grid(values, grid)
    assert native.shape == (3, 30, 44)
    expected = np.stack([grid.to_native(plane) for plane in values])
    assert np.allclose(native, expected, rtol=0, atol=1e-6)
