"""Tumour masks as NIfTI or NRRD files of a local directory: MAMA-MIA's, or a user's own.

A patient's file is found by the name of the patient, or, as MAMA-MIA needs it, by a DICOM series UID
that its table joins with one of its own identifiers. A mask is placed by its affine, never by its index.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Volume
from textbcs.imaging.mask_values import Labels
from textbcs.imaging.volume_files import read_mask
from textbcs.intake.own_tables import read_own_table
from textbcs.intake.spelling import plain

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

_SHEET = "dataset_info"


def read_join(path: Path) -> dict[str, str]:
    """MAMA-MIA's `clinical_and_imaging_info.xlsx`: DICOM series UID -> its patient_id.

    Raises:
        InputError: no such table or column, or a series with two patients.
    """
    table = read_own_table(path, ["tcia_series_uid", "patient_id"], sheet=_SHEET)
    pairs = table[(table["tcia_series_uid"] != "") & (table["patient_id"] != "")]
    twice = pairs["tcia_series_uid"].duplicated()
    if twice.any():
        row = pairs.index[twice][0]
        raise InputError(
            f"{path}: row {row}: series {plain(pairs['tcia_series_uid'][row])} has two patients"
        )
    return dict(zip(pairs["tcia_series_uid"], pairs["patient_id"], strict=True))


def read_nifti_mask(
    stage: "Stage",
    path: Path,
    labels: Labels = None,
    segment: str | Sequence[str] | None = None,
) -> Volume:
    """A mask with its LPS affine; 1 inside, whatever the file's labels are.

    Args:
        stage: is told that the file is read.
        path: a NIfTI or NRRD file.
        labels, segment: what of it is tumour, as `volume_files.read_mask` takes them.

    Raises:
        InputError: a damaged file, no volume, no affine in the file, or values that are no mask.
    """
    return read_mask(stage.input(path), labels, segment)
