"""A folder of studies with masks for tests: small phantom patients as DICOM with SEG, or as NIfTI."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from studies import phantom, write_nifti, write_study

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def true_mask(index: int) -> np.ndarray:
    """The phantom's mask (z, y, x)."""
    return np.asarray(phantom(index).mask)


def write_cohort(folder: Path, indices: Sequence[int], dicom: Sequence[int] = ()) -> Path:
    """Studies `P1`, `P2`, ... with masks: those in `dicom` as DICOM with a SEG, the others as NIfTI."""
    masks = folder / "masks"
    masks.mkdir(parents=True)
    for index in indices:
        name = f"P{index}"
        if index in dicom:
            write_study(folder / name, index)
            for path in (folder / name).rglob("*.dcm"):
                if pydicom.dcmread(path, stop_before_pixels=True).Modality == "SEG":
                    path.rename(masks / f"{name}.seg.dcm")
            continue
        image = phantom(index).phases[1].transpose(2, 1, 0)
        write_nifti(folder / f"{name}.nii.gz", image, AFFINE)
        mask = true_mask(index).astype(np.uint8).transpose(2, 1, 0)
        write_nifti(masks / f"{name}.nii.gz", mask, AFFINE)
    return folder
