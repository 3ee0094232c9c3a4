"""The shards of a split: `data/slices/<split>/slices.csv` and `slices.safetensors`.

One table row and one tensor row per slice. Images are float16 in [0, 1], masks uint8 0 or 1, both on
the resized grid. The test shard also keeps each slice's mask on its native grid, bit-packed, so that
predictions can be scored there too.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError, read_csv, read_tensors, records, write_csv, write_tensors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from textbcs.stage.receipt import Stage

COLUMNS = (
    "slice_id",
    "row",
    "patient",
    "series_uid",
    "sop_uid",
    "instance_number",
    "z_index",
    "kind",
    "side",
    "midline_col",
    "mask_source",
    "spacing_row_mm",
    "spacing_col_mm",
    "native_rows",
    "native_cols",
    "native_spacing_row_mm",
    "native_spacing_col_mm",
)
CASES = "data/slices/cases.csv"  # a row per patient: the lesions of her whole volume
FREE = "train_free"  # the shard of tumour-free slices of training patients
_NATIVE = "native_mask/"


@dataclass
class Shard:
    """One split's slices.

    Attributes:
        table: a row per slice, columns `COLUMNS`, in the order of the tensors.
        images: (n, H, W) float16 in [0, 1].
        masks: (n, H, W) uint8, 1 inside lesions.
        native_masks: slice_id -> (native_rows, native_cols) bool; empty but for test.
    """

    table: "pd.DataFrame"
    images: "np.ndarray"
    masks: "np.ndarray"
    native_masks: dict[str, "np.ndarray"] = field(default_factory=dict)


def slice_name(patient: str, z: int) -> str:
    """The `slice_id` of a patient's slice `z`, counted from 0 at the feet."""
    return f"{patient}-z{z:03d}"


def write_shard(stage: "Stage", split: str, shard: Shard) -> None:
    """Write a split's two files."""
    import numpy as np

    tensors = {"image": shard.images, "mask": shard.masks}
    for slice_id, mask in shard.native_masks.items():
        tensors[_NATIVE + slice_id] = np.packbits(mask)
    folder = f"data/slices/{split}"
    write_csv(stage.output(f"{folder}/slices.csv"), shard.table)
    write_tensors(stage.output(f"{folder}/slices.safetensors"), tensors)


def read_slices(stage: "Stage", split: str) -> Shard:
    """Read a split's slices as inputs of a stage."""
    folder = f"data/slices/{split}"
    return read_shard(
        stage.input(f"{folder}/slices.csv"), stage.input(f"{folder}/slices.safetensors")
    )


def read_shard(table_path: Path, tensor_path: Path) -> Shard:
    """Read a shard from its two files.

    Raises:
        InputError: a file is missing or damaged, or table and tensors disagree.
    """
    import numpy as np

    table = read_csv(table_path, COLUMNS)
    tensors = read_tensors(tensor_path)
    images, masks = tensors["image"], tensors["mask"]
    if not len(table) == len(images) == len(masks):
        raise InputError(
            f"{table_path}: {len(table)} rows for {len(images)} images and {len(masks)} masks in "
            f"{tensor_path}; run the stage slices again"
        )
    shapes = {row["slice_id"]: (row["native_rows"], row["native_cols"]) for row in records(table)}
    native = {}
    for name, bits in tensors.items():
        if name.startswith(_NATIVE):
            rows, cols = shapes[name.removeprefix(_NATIVE)]
            native[name.removeprefix(_NATIVE)] = (
                np.unpackbits(bits, count=rows * cols).reshape(rows, cols).astype(bool)
            )
    return Shard(table, images, masks, native)
