"""What is read of a run's maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from textbcs.base.io import InputError, write_tensors
from textbcs.prediction.files import read_exact, read_validation
from textbcs.stage.receipt import Stage


def test_both_answers_in_full_precision(tmp_path: Path) -> None:
    path = tmp_path / "probability.safetensors"
    maps = np.random.default_rng(0).random((2, 3, 4, 4)).astype(np.float32)
    write_tensors(path, {"probability": maps[0], "probability_swapped": maps[1]})
    true, swapped = read_exact(path, 3)
    assert swapped is not None
    assert np.array_equal(true.probability, maps[0])
    assert np.array_equal(swapped.probability, maps[1])
    write_tensors(path, {"probability": maps[0]})
    assert read_exact(path, 3)[1] is None


@pytest.mark.parametrize("name", ["probability", "probability_swapped"])
def test_a_wrong_number_of_maps_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "probability.safetensors"
    maps = {"probability": np.zeros((3, 4, 4), np.float32)}
    maps |= {name: np.zeros((2, 4, 4), np.float32)}
    write_tensors(path, maps)
    with pytest.raises(
        InputError, match=rf"{name} holds 2 maps for 3 test slices; run predict again"
    ):
        read_exact(path, 3)


def test_an_evidential_run_keeps_no_map_of_validation(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in({})
    path = Path("results/predictions/unet-s1/validation.safetensors")
    maps = np.zeros((2, 4, 4), np.float32)
    write_tensors(path, {"probability": maps})
    assert np.array_equal(read_validation(stage, "unet-s1"), maps)
    write_tensors(path, {})
    assert read_validation(stage, "unet-s1") is None
