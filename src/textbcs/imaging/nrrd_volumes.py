"""NRRD files and 3D Slicer's `.seg.nrrd`, through pynrrd: volumes with their LPS affine.

Packed voxels are read to the checksum at their end. Neither the header nor raw voxels have one: their
length and sense are checked, a damaged voxel of a raw file cannot be noticed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Affine
from textbcs.imaging.nifti import chosen_phase
from textbcs.imaging.nrrd_header import NrrdHeader, Segment, read_nrrd_header
from textbcs.imaging.volume_geometry import grey_values
from textbcs.intake.guard import reading
from textbcs.intake.packed_streams import RAW, Content, unpacking

SUFFIXES = (".seg.nrrd", ".nrrd")
_KIND = "NRRD file"


def nrrd_phases(path: Path) -> int:
    """Volumes that an NRRD holds along time or a list; reads the header alone.

    Raises:
        InputError: the header is damaged or not read: `nrrd_header` says what; or a segmentation.
    """
    with _header(path) as (_, header):
        _check_image(path, header)
        return header.volumes


def read_nrrd(path: Path, phase: int | None = None) -> tuple[NDArray[Any], Affine]:
    """The grey values of an NRRD, indexed (i, j, k) as stored, and the LPS affine of that index.

    Args:
        path: the user's file.
        phase: which of several volumes, counted from 1; None: the only one.

    Raises:
        InputError: what `nrrd_header` refuses, a damaged or cut file, no such phase, several of which
            none is chosen, a segmentation, or NaN or infinite values.
    """
    with _header(path) as (content, header):
        _check_image(path, header)
        number = chosen_phase(path, phase, header.volumes) - 1
        values = _values(content, header)
    return grey_values(path, _volume(values, header, number)), header.affine


def read_nrrd_labels(path: Path) -> tuple[list[NDArray[Any]], Affine, tuple[Segment, ...]]:
    """The layers of a mask, each (i, j, k), their LPS affine, and the segments that the file names.

    Raises:
        InputError: what `nrrd_header` refuses, or a damaged or cut file.
    """
    with _header(path) as (content, header):
        values = _values(content, header)
    layers = [_volume(values, header, number) for number in range(header.volumes)]
    return layers, header.affine, header.segments


@contextmanager
def _header(path: Path) -> Iterator[tuple[Content, NrrdHeader]]:
    """The content of a file from its first packed voxel on, and its header."""
    with reading(path, _KIND):
        file = path.open("rb")
    with file:
        if not file.read(1):
            raise InputError(f"{path}: empty file (0 bytes); copy it again")
        file.seek(0)
        content = Content(path, file)
        header = read_nrrd_header(content)
        yield Content(path, unpacking(file, header.encoding)), header


def _check_image(path: Path, header: NrrdHeader) -> None:
    if header.segments:
        raise InputError(
            f"{path}: is a segmentation of 3D Slicer, no image; it belongs to the masks"
        )


def _values(content: Content, header: NrrdHeader) -> NDArray[Any]:
    """All voxels, indexed as the header's sizes, the fastest axis first."""
    import io

    import nrrd

    count = 1
    for size in header.sizes:
        count *= size
    block = content.take(count * header.kind.itemsize)
    content.end()
    with reading(content.path, _KIND):
        found: NDArray[Any] = nrrd.read_data({**header.fields, "encoding": RAW}, io.BytesIO(block))
    return found


def _volume(values: NDArray[Any], header: NrrdHeader, number: int) -> NDArray[Any]:
    """One of the volumes of a file, (i, j, k)."""
    if header.volumes_axis is None:
        return values
    volume: NDArray[Any] = np.take(values, number, axis=header.volumes_axis)
    return volume
