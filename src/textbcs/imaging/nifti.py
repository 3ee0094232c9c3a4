"""NIfTI files: any one with its LPS affine; masks on a series' grid, as deterministic bytes.

A `.nii.gz` is read to the checksum at its end, so that damage is noticed wherever it is. An uncompressed
`.nii` has no checksum: its length and its header are checked, a damaged voxel cannot be noticed.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, existing
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import Affine, Volume, to_lps, to_ras
from textbcs.imaging.nifti_header import NiftiHeader, read_nifti_header
from textbcs.imaging.volume_geometry import grey_values
from textbcs.intake.guard import reading
from textbcs.intake.packed_streams import Content, opened

SUFFIXES = (".nii.gz", ".nii")
_AFFINE_TOLERANCE_MM = 0.05
_KIND = "NIfTI file"


def stem(path: Path) -> str | None:
    """A NIfTI file's name without its suffix, None for a hidden file or one of another kind."""
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is None or path.name.startswith("."):
        return None
    return path.name[: -len(suffix)]


def nifti_phases(path: Path) -> int:
    """Volumes along a NIfTI's fourth axis (time), 1 where there is none; reads the header alone.

    Raises:
        InputError: the header is damaged, or of something that is no image: `nifti_header` says what.
    """
    with _header(path, mask=False) as (_, header):
        return header.phases


def read_nifti(
    path: Path, phase: int | None = None, mask: bool = False
) -> tuple[NDArray[Any], Affine]:
    """The values (x, y, z) of a NIfTI file, scaled as it says, and their LPS affine.

    Args:
        path: the user's file.
        phase: which volume along the fourth axis, counted from 1; None: the only one.
        mask: it is to be a mask: then a label map is right, and the values are not looked at.

    Raises:
        InputError: what `nifti_header` refuses, a damaged or cut file, no such phase, several phases
            of which none is chosen, or an image with NaN or infinite values.
    """
    with _header(path, mask) as (content, header):
        number = chosen_phase(path, phase, header.phases) - 1
        with reading(path, _KIND):
            kind = header.fields.get_data_dtype()
        voxels = header.shape[0] * header.shape[1] * header.shape[2]
        size = voxels * kind.itemsize
        content.skip(number * size)
        block = content.take(size)
        content.skip((header.phases - 1 - number) * size)
        content.end()
    with reading(path, _KIND):
        values = _scaled(block, header, kind)
    return (values if mask else grey_values(path, values)), header.affine


def chosen_phase(path: Path, phase: int | None, phases: int) -> int:
    """The number of the phase that is meant, from 1.

    Raises:
        InputError: several of which none is chosen, or one that is not there.
    """
    if phase is None and phases > 1:
        raise InputError(f"{path}: holds {phases} volumes, one was expected; choose one of them")
    number = 1 if phase is None else phase
    if not 1 <= number <= phases:
        raise InputError(f"{path}: has no volume {number}; it holds {phases}")
    return number


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
    """Read a patient's mask, as the stage masks wrote it, and check that it lies on its series' grid.

    Args:
        path: a NIfTI file, axes in any orientation.
        grid: the series' LPS grid.

    Returns:
        (z, y, x) uint8, 0 or 1.

    Raises:
        InputError: no NIfTI, another grid, or values other than 0 and 1.
    """
    again = "run the stage masks again"
    try:
        values, affine = read_nifti(existing(path), mask=True)
    except InputError as error:
        raise InputError(f"{error}; {again}") from error
    if not np.isin(values, (0, 1)).all():
        raise InputError(f"{path}: not a volume of zeros and ones; {again}")
    # NIfTI axes are (x, y, z) in RAS; ours are (z, y, x) in LPS.
    volume = to_lps(Volume(values.transpose(2, 1, 0), affine))
    fits = volume.array.shape == grid.shape
    if not fits or not np.allclose(volume.affine, grid.affine, atol=_AFFINE_TOLERANCE_MM):
        raise InputError(
            f"{path}: mask of {volume.array.shape} does not lie on its series' grid of {grid.shape}; "
            f"{again}"
        )
    return volume.array.astype(np.uint8)


@contextmanager
def _header(path: Path, mask: bool) -> Iterator[tuple[Content, NiftiHeader]]:
    """The content of a file from its first voxel on, and its header."""
    with opened(path, _KIND) as content:
        yield content, read_nifti_header(content, mask)


def _scaled(block: bytearray, header: NiftiHeader, kind: np.dtype[Any]) -> NDArray[Any]:
    """Stored voxels (x, y, z), scaled as the header says: nibabel's arithmetic."""
    from nibabel.volumeutils import apply_read_scaling

    stored = np.frombuffer(block, kind).reshape(header.shape, order="F")
    slope, inter = header.fields.get_slope_inter()
    if slope is None:
        return stored
    # As nibabel's own reader calls it: arrays of no axis, so that it chooses the same type.
    scale: tuple[Any, Any] = np.asarray(slope), np.asarray(inter)
    return np.asarray(apply_read_scaling(stored, *scale))
