"""Tumour masks as NIfTI files of a local directory: MAMA-MIA's, or a user's own.

A patient's file is found by the name of the patient, or, as MAMA-MIA needs it, by a DICOM series UID
that its table joins with one of its own identifiers. File names are compared without case: MAMA-MIA's
own code and its copies disagree on it. A mask is placed by its affine, never by its index.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import OWN_FILE, InputError, existing
from textbcs.imaging.geometry import Volume
from textbcs.imaging.nifti import read_nifti, stem

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

_SHEET = "dataset_info"


def list_masks(folder: Path) -> dict[str, Path]:
    """NIfTI files directly in a folder: lower-case name without suffix -> path.

    Raises:
        InputError: no such folder, or two names that differ only in case or suffix.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; correct masks.nifti_directory or the source")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = (stem(path) or "").lower()
        if not name or not path.is_file():
            continue
        if name in found:
            raise InputError(f"{path}: as well as {found[name].name} for one patient; remove one")
        found[name] = path
    return found


def read_join(path: Path) -> dict[str, str]:
    """MAMA-MIA's `clinical_and_imaging_info.xlsx`: DICOM series UID -> its lower-case patient_id.

    Raises:
        InputError: no such table or column, or a series with two patients.
    """
    import pandas as pd

    try:
        table = pd.read_excel(existing(path, OWN_FILE), sheet_name=_SHEET, dtype=str)
        pairs = table[["tcia_series_uid", "patient_id"]].dropna()
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            f"{path}: not MAMA-MIA's table with sheet {_SHEET!r} and columns patient_id, "
            f"tcia_series_uid ({error})"
        ) from error
    uids = pairs["tcia_series_uid"].str.strip()
    if uids.duplicated().any():
        raise InputError(f"{path}: series {uids[uids.duplicated()].iloc[0]} has two patients")
    return dict(zip(uids, pairs["patient_id"].str.strip().str.lower(), strict=True))


def read_nifti_mask(stage: "Stage", path: Path) -> Volume:
    """A mask with its LPS affine; 1 inside, whatever the file's one label is.

    Raises:
        InputError: no NIfTI, no volume, no affine in the file, or values that are no mask.
    """
    values, affine = read_nifti(stage.input(path))
    labels = np.unique(values)
    if values.ndim != 3 or not np.isfinite(labels).all() or len(labels[labels != 0]) > 1:
        shown = ", ".join(f"{value:g}" for value in labels[:5])
        raise InputError(f"{path}: values {shown} in {values.ndim} axes are no mask of one label")
    return Volume((values.transpose(2, 1, 0) != 0).astype(np.uint8), affine)
