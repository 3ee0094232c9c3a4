"""Where the maps of a run lie, and what is read of them.

A run is a method or a variant with a seed, or a row that no network made.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.io import InputError, read_tensors
from textbcs.prediction.maps import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from textbcs.stage.receipt import Stage

PREDICTIONS = Path("results/predictions")


def folder_of(name: str, seed: int | str) -> Path:
    """The folder of a run's maps."""
    return PREDICTIONS / f"{name}-s{seed}"


def read_maps(stage: "Stage", run: str) -> "dict[str, NDArray[Any]]":
    """The maps of the test slices as they are stored, by name.

    Args:
        stage: the stage that reads.
        run: name of the run, such as `unet-s1`.
    """
    return read_tensors(stage.input(PREDICTIONS / run / "maps.safetensors"))


def read_exact(path: Path, slices: int) -> tuple[Prediction, Prediction | None]:
    """The test slices' probabilities in full precision: with their prompts, with the side exchanged.

    Args:
        path: `probability.safetensors` of a run.
        slices: how many there must be.

    Returns:
        The second is None for a network that reads no text.

    Raises:
        InputError: the file is of other slices.
    """
    maps = read_tensors(path)
    for name, values in maps.items():
        if len(values) != slices:
            raise InputError(
                f"{path}: {name} holds {len(values)} maps for {slices} test slices; run predict again"
            )
    swapped = maps.get("probability_swapped")
    return Prediction(maps["probability"]), None if swapped is None else Prediction(swapped)


def read_validation(stage: "Stage", run: str) -> "NDArray[np.float32] | None":
    """The probabilities (n, H, W) of the validation slices; None for an evidential head."""
    return read_tensors(stage.input(PREDICTIONS / run / "validation.safetensors")).get(
        "probability"
    )
