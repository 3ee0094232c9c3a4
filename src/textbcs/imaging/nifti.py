"""NIfTI files: any one with its LPS affine; masks on a series' grid, as deterministic bytes."""

import gzip
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, existing
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import Affine, Volume, to_lps, to_ras

SUFFIXES = (".nii.gz", ".nii")
_AFFINE_TOLERANCE_MM = 0.05


def stem(path: Path) -> str | None:
    """A NIfTI file's name without its suffix, None for a hidden file or one of another kind."""
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is None or path.name.startswith("."):
        return None
    return path.name[: -len(suffix)]


def read_nifti(path: Path) -> tuple[NDArray[Any], Affine]:
    """The values (x, y, z) of a NIfTI file, scaled as it says, and their LPS affine.

    A fourth axis of length one is dropped.

    Raises:
        InputError: no NIfTI, or no orientation in the file.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image: Any = nibabel.load(path)  # type: ignore[attr-defined]
        values = np.asarray(image.dataobj)
        codes = (int(image.header["sform_code"]), int(image.header["qform_code"]))
    except (ImageFileError, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable NIfTI ({error}); fetch it again") from error
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if not any(codes):
        raise InputError(f"{path}: states no orientation (sform and qform are 0); save it with one")
    return values, to_ras(np.asarray(image.affine, np.float64))  # the map is its own inverse


def nifti_bytes(mask: NDArray[np.uint8], affine: Affine) -> bytes:
    """A mask (z, y, x) with its LPS affine as the bytes of a .nii.gz: equal masks, equal bytes."""
    import nibabel

    array = np.ascontiguousarray(mask.transpose(2, 1, 0))
    image: Any = nibabel.Nifti1Image(array, to_ras(affine))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    buffer = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as file:
        file.write(image.to_bytes())
    return buffer.getvalue()


def read_mask(path: Path, grid: Grid) -> NDArray[np.uint8]:
    """Read a patient's mask and check that it lies on the grid of its series.

    Args:
        path: a NIfTI file, axes in any orientation.
        grid: the series' LPS grid.

    Returns:
        (z, y, x) uint8, 0 or 1.

    Raises:
        InputError: no NIfTI, another grid, or values other than 0 and 1.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image: Any = nibabel.load(existing(path))  # type: ignore[attr-defined]
        values = np.asarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable NIfTI ({error}); run the stage masks again"
        ) from error
    if values.ndim != 3 or not np.isin(values, (0, 1)).all():
        raise InputError(f"{path}: not a volume of zeros and ones; run the stage masks again")
    # NIfTI axes are (x, y, z) in RAS; ours are (z, y, x) in LPS.
    volume = to_lps(Volume(values.transpose(2, 1, 0), to_ras(np.asarray(image.affine, np.float64))))
    fits = volume.array.shape == grid.shape
    if not fits or not np.allclose(volume.affine, grid.affine, atol=_AFFINE_TOLERANCE_MM):
        raise InputError(
            f"{path}: mask of {volume.array.shape} does not lie on its series' grid of {grid.shape}; "
            "run the stage masks again"
        )
    return volume.array.astype(np.uint8)
