"""The whole volumes that the page shows: written by the stage `volume_figures`, read by `report`.

`results/volume_viewer/cases.json` holds a mapping per patient, `<patient>.safetensors` the image as a byte a
voxel, and the reference and every network's mask as a bit a voxel. A volume of Duke's size, 160 slices of
224 x 224, takes 8 MB, and 1 MB more for each network and source.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_json, read_tensors, write_json, write_tensors

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

FOLDER = Path("results/volume_viewer")
_FACTS = ("label", "prompt", "dice", "false_components", "false_ml")


@dataclass(frozen=True)
class Reading:
    """What one network marks when it is asked with one source of prompts.

    Attributes:
        label: printed name of the network and of the source.
        prompt: what the patient's volume was asked with; "" for nothing.
        mask: (z, H, W) bool, at the network's operating point.
        dice: three-dimensional, on the native grid; None where it is not defined.
        false_components: that touch no reference voxel.
        false_ml: marked outside the reference.
    """

    label: str
    prompt: str
    mask: NDArray[np.bool_]
    dice: float | None
    false_components: int
    false_ml: float


@dataclass(frozen=True)
class Case:
    """A patient who is shown.

    Attributes:
        patient: its name.
        rule: why it was chosen, in words.
        image: (z, H, W) uint8, 255 for 1.
        mask: (z, H, W) bool, the reference.
        readings: the same networks and sources in the same order for every patient.
    """

    patient: str
    rule: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    readings: Sequence[Reading]


def write_cases(stage: "Stage", cases: Iterable[Case]) -> None:
    """Write patients one at a time, then what is said of all."""
    told: list[dict[str, Any]] = []
    for case in cases:
        tensors = {"image": case.image, "mask": np.packbits(case.mask)}
        for place, one in enumerate(case.readings):
            tensors[f"marked/{place}"] = np.packbits(one.mask)
        write_tensors(stage.output(FOLDER / f"{case.patient}.safetensors"), tensors)
        readings = [{name: getattr(one, name) for name in _FACTS} for one in case.readings]
        told.append({"patient": case.patient, "rule": case.rule, "readings": readings})
    write_json(stage.output(FOLDER / "cases.json"), told)


def read_cases(stage: "Stage") -> list[Case]:
    """The patients who are shown, in order; none where no network was asked on whole volumes.

    Raises:
        InputError: a file is missing, damaged, or not of the others.
    """
    return [_read(stage, told) for told in read_json(stage.input(FOLDER / "cases.json"))]


def _read(stage: "Stage", told: dict[str, Any]) -> Case:
    path = stage.input(FOLDER / f"{told['patient']}.safetensors")
    tensors = read_tensors(path)
    try:
        image = tensors["image"]

        def mask(name: str) -> NDArray[np.bool_]:
            bits = np.unpackbits(tensors[name], count=image.size)
            return bits.reshape(image.shape).astype(bool)

        readings = [
            Reading(mask=mask(f"marked/{place}"), **facts)
            for place, facts in enumerate(told["readings"])
        ]
        return Case(told["patient"], told["rule"], image, mask("mask"), readings)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: does not fit {FOLDER}/cases.json ({error}); run the stage volume_figures again"
        ) from error
