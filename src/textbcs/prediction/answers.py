"""A method's masks under other prompts, a bit a pixel, and how sure it was of each.

A slice is asked once for each distinct text, so many rows share an answer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_csv, read_tensors, write_csv, write_tensors
from textbcs.dataset.slice_store import Shard

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

ROBUSTNESS = Path("results/robustness")
_TEXT = dict.fromkeys(("slice_id", "patient", "kind", "probe", "prompt"), str)


@dataclass(frozen=True)
class Answers:
    """What a method answered.

    Attributes:
        rows: a row per probe and slice: `slice_id`, `patient`, `kind`, `probe`, `prompt` (the text) and
            `answer`, the number of the mask below.
        packed: (m, ceil(H * W / 8)) uint8, the masks, a bit a pixel, row by row.
        places: (m,) int64, the place of each mask's slice in the test split.
        vacuity: (m,) float64, the mean over the slice; NaN without evidence.
        shape: H and W.
    """

    rows: "pd.DataFrame"
    packed: NDArray[np.uint8]
    places: NDArray[np.int64]
    vacuity: NDArray[np.float64]
    shape: tuple[int, int]

    def mask(self, number: int) -> NDArray[np.bool_]:
        """A mask (H, W)."""
        height, width = self.shape
        bits = np.unpackbits(self.packed[number], count=height * width)
        return bits.reshape(height, width).astype(bool)


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A mask (H, W) as a row of bits."""
    return np.packbits(mask.reshape(-1))


def write_answers(stage: "Stage", run: str, answers: Answers) -> None:
    """Write `answers.csv` and `answers.safetensors` of a run."""
    table, masks = files_of(run)
    write_csv(stage.output(table), answers.rows)
    tensors: dict[str, NDArray[Any]] = {
        "masks": answers.packed,
        "places": answers.places,
        "vacuity": answers.vacuity,
    }
    write_tensors(stage.output(masks), tensors)


def files_of(run: str) -> tuple[Path, Path]:
    """The table and the masks of a run."""
    return ROBUSTNESS / run / "answers.csv", ROBUSTNESS / run / "answers.safetensors"


def read_answers(table: Path, masks: Path, shard: Shard) -> Answers:
    """A run's answers about the slices of a shard.

    Raises:
        InputError: a file is missing or damaged, or the answers are about other slices.
    """
    rows, tensors = read_csv(table, [*_TEXT, "answer"], _TEXT), read_tensors(masks)
    first = rows["slice_id"].iloc[: len(shard.table)].tolist()
    if first != [str(name) for name in shard.table["slice_id"]]:
        raise InputError(f"{table}: other slices than data/slices/test; run robustness again")
    height, width = shard.masks.shape[1:]
    # An empty cell is the empty prompt.
    rows = rows.assign(prompt=rows["prompt"].fillna(""))
    return Answers(
        rows, tensors["masks"], tensors["places"], tensors["vacuity"], (int(height), int(width))
    )
