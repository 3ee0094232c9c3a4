"""Stage `volumes`: every slice of the validation and the test patients, as whole volumes.

Reads what the stage `slices` reads; writes `data/volumes/{val,test}`: `patients.csv`, and for each patient
`<patient>.safetensors` with her image and masks. Nothing is selected: slices without a tumour are in, and
so are those that `slices` leaves out. One patient is in memory at a time.
"""

from contextlib import closing
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.dataset.split_table import read_split
from textbcs.dataset.volume_store import SPLITS, write_packed, write_patients
from textbcs.slices.patient_volumes import recorded_patients
from textbcs.slices.volume_cutting import cut_volume
from textbcs.stage.pool import allowed_jobs, each

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Cut the volumes of all patients of validation and test; several at once if allowed.

    Raises:
        InputError: a file is missing, unreadable or not what was recorded; or a split has no patient.
    """
    split_of = read_split(str(stage.input("data/splits/split.csv")))
    for split in SPLITS:
        own = recorded_patients(stage, [name for name in split_of if split_of[name] == split])
        if not own:
            raise InputError(f"data/splits/split.csv: no patient in {split}; change split.ratio")
        rows, voxels = [], 0
        with closing(each(cut_volume, own, allowed_jobs())) as found:
            for facts, tensors in stage.progress(found, total=len(own), desc=split):
                write_packed(stage, split, facts, tensors)
                rows.append(facts)
                voxels += tensors["image"].size
        write_patients(stage, split, rows)
        stage.log(f"{split}: {len(rows)} patients, {voxels:,} voxels")
