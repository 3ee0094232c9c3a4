"""A fetched series as one LPS volume, whatever its files are: DICOM slices, or one NIfTI file.

A NIfTI volume may have a single slice, as its affine says what DICOM's slices say together: how thick
they are. It has no DICOM instances: its slices have no SOPInstanceUID, and their instance numbers count
the file's own slices from 1, as viewers of NIfTI show them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, sha256_file
from textbcs.imaging import dicom
from textbcs.imaging.dicom import Grid, Stack
from textbcs.imaging.geometry import Volume, lps_orientation, spacing, to_lps
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.volume_files import SUFFIXES, read_volume

_SHEAR_TOLERANCE = 1e-2


def read_grid(paths: Sequence[Path], tolerance: float, phase: int = 0) -> Grid:
    """The LPS grid of a series; `dicom.read_grid` says more.

    Raises:
        InputError: a file is unreadable or lacks its geometry.
        SeriesError: the slices make no regular axial stack.
    """
    file = _volume_file(paths)
    return _read(file, phase).grid if file else dicom.read_grid(paths, tolerance, phase)


def read_series(
    paths: Sequence[Path], tolerance: float, sha256: Sequence[str] | None = None, phase: int = 0
) -> Stack:
    """A series as a float32 LPS volume; `dicom.read_series` says more.

    Raises:
        InputError: a file is unreadable, lacks its geometry, or is not what was recorded.
        SeriesError: the slices make no regular axial stack.
    """
    file = _volume_file(paths)
    if file is None:
        return dicom.read_series(paths, tolerance, sha256, phase)
    if sha256 is not None and [sha256_file(file)] != list(sha256):
        raise InputError(f"{file}: is not the file that was recorded; delete it and run again")
    return _read(file, phase)


def _volume_file(paths: Sequence[Path]) -> Path | None:
    """The one file of a NIfTI or NRRD volume, None for DICOM."""
    alone = paths[0] if len(paths) == 1 else None
    return alone if alone is not None and alone.name.lower().endswith(SUFFIXES) else None


def _read(path: Path, phase: int) -> Stack:
    """A file as a stack; InputError or SeriesError where it is no volume of grey values."""
    values, affine = read_volume(path, phase or None)
    if values.ndim != 3 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise InputError(
            f"{path}: values of type {values.dtype} in {values.ndim} axes are no volume of grey values"
        )
    cosines = affine[:3, :3] / spacing(affine)
    if np.abs(cosines.T @ cosines - np.eye(3)).max() > _SHEAR_TOLERANCE:
        raise SeriesError("the axes of the volume are not at right angles")
    array: NDArray[np.float32] = values.transpose(2, 1, 0).astype(np.float32)
    volume = to_lps(Volume(array, affine))
    depth, rows, columns = volume.array.shape
    numbers = tuple(range(1, depth + 1))
    downward = lps_orientation(affine).reverse[0]
    grid = Grid(
        affine=volume.affine,
        shape=(depth, rows, columns),
        sop_uids=("",) * depth,
        instance_numbers=numbers[::-1] if downward else numbers,
        paths=(str(path),) * depth,
        frame_of_reference="",
    )
    return Stack(volume, grid)
