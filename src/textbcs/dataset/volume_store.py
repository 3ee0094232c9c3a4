"""The whole volumes of a split: `data/volumes/<split>/patients.csv` and `<patient>.safetensors`.

Every slice of every patient, with a tumour or not: nothing is selected. Images and masks are made as those
of the slices are. The masks also stand on the native grid, because there they are scored. One patient is in
memory at a time. How large it is, a voxel (`docs/explanation/volumes.md`): 2 bytes of image and 1/8 of mask
on the square grid, 1/8 of mask on the native one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv, read_tensors, write_csv, write_tensors
from textbcs.dataset.split_table import TEST, VAL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from textbcs.stage.receipt import Stage

VOLUMES = Path("data/volumes")
PROMPTS = VOLUMES / "prompts.csv"  # what each case may be asked with
PROMPT_COLUMNS = ("split", "patient", "source", "text")
AGREEMENT = VOLUMES / "agreement.csv"
SPLITS = (VAL, TEST)
COLUMNS = (
    "patient",
    "series_uid",
    "slices",
    "size",
    "midline_col",
    "spacing_slice_mm",
    "spacing_mm",
    "native_rows",
    "native_cols",
    "native_spacing_row_mm",
    "native_spacing_col_mm",
    "mask_source",
)


@dataclass(frozen=True)
class Volume:
    """One patient's whole volume; slices run from the feet to the head.

    Attributes:
        facts: her row of patients.csv, columns `COLUMNS`. `spacing_mm` is the side of a square pixel.
        image: (z, S, S) float16 in [0, 1].
        mask: (z, S, S) bool, on the square grid.
        native_mask: (z, R, C) bool, on the native grid.
    """

    facts: dict[str, Any]
    image: "NDArray[np.float16]"
    mask: "NDArray[np.bool_]"
    native_mask: "NDArray[np.bool_]"


def spacing_of(facts: Mapping[str, Any]) -> tuple[float, float, float]:
    """Millimetres between slices, rows and columns of the square grid."""
    return facts["spacing_slice_mm"], facts["spacing_mm"], facts["spacing_mm"]


def native_spacing_of(facts: Mapping[str, Any]) -> tuple[float, float, float]:
    """Millimetres between slices, rows and columns of the native grid."""
    slice_mm, row_mm = facts["spacing_slice_mm"], facts["native_spacing_row_mm"]
    return slice_mm, row_mm, facts["native_spacing_col_mm"]


def voxel_mm3(facts: Mapping[str, Any]) -> float:
    """Volume of a voxel of the square grid, mm³."""
    slice_mm, row_mm, col_mm = spacing_of(facts)
    return float(slice_mm * row_mm * col_mm)


def packed(volume: Volume) -> "dict[str, NDArray[Any]]":
    """A volume's tensors as they are kept: the masks a bit a voxel."""
    import numpy as np

    return {
        "image": volume.image,
        "mask": np.packbits(volume.mask),
        "native_mask": np.packbits(volume.native_mask),
    }


def write_volume(stage: "Stage", split: str, volume: Volume) -> None:
    """Write a patient's tensors."""
    write_packed(stage, split, volume.facts, packed(volume))


def write_packed(
    stage: "Stage", split: str, facts: Mapping[str, Any], tensors: "Mapping[str, NDArray[Any]]"
) -> None:
    """Write a patient's tensors that are `packed` already."""
    write_tensors(stage.output(volume_file(split, facts["patient"])), tensors)


def write_patients(stage: "Stage", split: str, rows: "list[dict[str, Any]]") -> None:
    """Write the table of a split's patients: the facts of each volume."""
    import pandas as pd

    write_csv(
        stage.output(VOLUMES / split / "patients.csv"), pd.DataFrame(rows, columns=[*COLUMNS])
    )


def read_patients(stage: "Stage", split: str) -> "pd.DataFrame":
    """The table of a split's patients, whose rows are the facts of the volumes."""
    return read_csv(stage.input(VOLUMES / split / "patients.csv"), COLUMNS)


def read_volume(stage: "Stage", split: str, facts: Mapping[str, Any]) -> Volume:
    """A patient's volume.

    Args:
        stage: the stage that reads.
        split: `val` or `test`.
        facts: her row of patients.csv.

    Raises:
        InputError: the file is missing or damaged, or is not of the shape that the row says.
    """
    return load_volume(stage.input(volume_file(split, facts["patient"])), facts)


def load_volume(path: Path, facts: Mapping[str, Any]) -> Volume:
    """The same from the file itself, for work that is done in other processes."""
    tensors = read_tensors(path)
    square = (facts["slices"], facts["size"], facts["size"])
    native = (facts["slices"], facts["native_rows"], facts["native_cols"])
    if set(tensors) != {"image", "mask", "native_mask"} or tensors["image"].shape != square:
        raise InputError(f"{path}: does not fit patients.csv; run the stage volumes again")
    masks = (
        _unpacked(tensors["mask"], square, path),
        _unpacked(tensors["native_mask"], native, path),
    )
    return Volume(dict(facts), tensors["image"], *masks)


def volume_file(split: str, patient: str) -> Path:
    """The file of a patient's tensors."""
    return VOLUMES / split / f"{patient}.safetensors"


def _unpacked(
    bits: "NDArray[np.uint8]", shape: tuple[int, int, int], path: Path
) -> "NDArray[np.bool_]":
    """The mask behind a row of bits."""
    import numpy as np

    voxels = shape[0] * shape[1] * shape[2]
    if len(bits) != -(-voxels // 8):
        raise InputError(f"{path}: a mask does not fit patients.csv; run the stage volumes again")
    return np.unpackbits(bits, count=voxels).reshape(shape).astype(bool)
