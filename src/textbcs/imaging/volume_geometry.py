"""Where the volume of a stranger's file lies: units, and whether its affine can be true."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Affine, spacing, transform

# Wider than any scanner's: what is outside comes from a wrong unit or a damaged header.
SMALLEST_MM, LARGEST_MM = 0.005, 100.0
_FARTHEST_MM = 1e5
_FLATTEST = 0.1


def checked_affine(path: Path, affine: Affine, shape: Sequence[int], unit: str = "mm") -> Affine:
    """An affine that can be true.

    Args:
        path: the user's file.
        affine: 4x4, voxel index to millimetres.
        shape: voxels along each index, in the affine's order.
        unit: the unit of length that the file states, for the message.

    Raises:
        InputError: a number that is none, voxels under 0.005 or over 100 mm, axes that lie (almost)
            in one plane, or a volume 100 m away.
    """
    if not np.isfinite(affine).all():
        raise InputError(f"{path}: its orientation holds NaN or infinite numbers; save it again")
    sizes = spacing(affine)
    if sizes.min() < SMALLEST_MM or sizes.max() > LARGEST_MM:
        shown = " x ".join(f"{size:.4g}" for size in sizes)
        raise InputError(
            f"{path}: voxels of {shown} mm (the file's unit: {unit}) cannot be; voxels from "
            f"{SMALLEST_MM:g} to {LARGEST_MM:g} mm are read: correct spacing or unit"
        )
    if abs(np.linalg.det(affine[:3, :3] / sizes)) < _FLATTEST:
        raise InputError(f"{path}: the axes of its orientation lie in one plane; save it again")
    if np.abs(corners(affine, shape)).max() > _FARTHEST_MM:
        raise InputError(f"{path}: lies more than 100 m from the scanner; correct its orientation")
    return affine


def corners(affine: Affine, shape: Sequence[int]) -> NDArray[np.float64]:
    """Centres of the eight voxels at the corners of a volume, (8, 3) in mm."""
    ends = np.asarray(shape, np.float64) - 1
    return transform(affine, np.stack(np.meshgrid(*([0, 1],) * 3), -1).reshape(8, 3) * ends)


def grey_values(path: Path, values: NDArray[np.generic]) -> NDArray[np.generic]:
    """The values of an image that networks can be given.

    Raises:
        InputError: NaN, infinite numbers, or numbers that 32-bit floats cannot hold.
    """
    if values.dtype.kind == "f":
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise InputError(
                f"{path}: {bad} of {values.size} voxels are NaN or infinite; replace them"
            )
        if np.abs(values).max(initial=0) > np.finfo(np.float32).max:
            raise InputError(f"{path}: values too large for 32-bit floats; rescale it")
    return values
