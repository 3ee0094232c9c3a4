"""What a NIfTI header states, believed only where it can be true: NIfTI-1 and -2 in one file.

Honoured: dim, datatype, scl_slope and scl_inter (0 or NaN: none), vox_offset, sform or qform (both: they
have to agree), xyzt_units (metres and micrometres become mm; none stated is taken as mm), the fourth axis
as time. Refused by name: two-file NIfTI, CIFTI, complex and colour voxels, several values a voxel, a
spectrum as fourth axis, a vector, and, for an image, a statistic or a label map (intent_code).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Affine, spacing, to_ras
from textbcs.imaging.volume_geometry import checked_affine, corners
from textbcs.intake.guard import reading
from textbcs.intake.packed_streams import Content

_KIND = "NIfTI file"
_SIZES = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
_PAIRS = (b"ni1\0", b"ni2\0\r\n\x1a\n")
_GREY = {2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280}
_NOT_GREY = {1: "single bits", 32: "complex", 128: "colour (RGB)", 1536: "128-bit floats"} | {
    **{1792: "complex", 2048: "complex", 2304: "colour (RGBA)"}
}
# Millimetres in the unit of length of xyzt_units.
_UNITS = {0: ("none", 1.0), 1: ("m", 1000.0), 2: ("mm", 1.0), 3: ("µm", 1e-3)}
_SPECTRA = {32: "Hz", 40: "ppm", 48: "rad/s"}
_CIFTI, _CIFTI_EXTENSION = range(3000, 3100), 32
_VECTORS = {*range(1004, 1012), 2002, 2003, 2004} - {1011}
_STATISTICS, _LABELS = range(2, 25), (1002, 1003)
_TOLERANCE_MM = 1e-3
# What a quaternion of three 32-bit numbers leaves open of the fourth one's square.
_QUATERNION = 4e-7


@dataclass(frozen=True)
class NiftiHeader:
    """A header that can be true.

    Attributes:
        fields: nibabel's header.
        shape: voxels along x, y, z.
        phases: volumes along the fourth axis.
        affine: voxel index (x, y, z) to LPS millimetres.
    """

    fields: Any
    shape: tuple[int, int, int]
    phases: int
    affine: Affine


def read_nifti_header(content: Content, mask: bool = False) -> NiftiHeader:
    """Read the header and go to the first voxel.

    Args:
        content: the file, at its beginning.
        mask: it is to be a mask, so that a label map is right and a statistic may be one.

    Raises:
        InputError: anything that the module's description refuses, or a damaged header.
    """
    path = content.path
    with reading(path, _KIND):
        fields = _fields(content)
        _check_meaning(path, fields, mask)
        shape, phases = _shape(path, fields)
        _check_type(path, fields)
        affine = _affine(path, fields, shape)
        _go_to_voxels(content, fields)
    return NiftiHeader(fields, shape, phases, affine)


def _fields(content: Content) -> Any:
    """nibabel's header, in the byte order that the first field has."""
    import nibabel

    start = bytes(content.take(4))
    size = next(
        (n for n in _SIZES if n in (int.from_bytes(start, k) for k in ("little", "big"))), 0
    )
    if not size:
        raise InputError(f"{content.path}: no NIfTI file: it does not begin as one does")
    block = start + bytes(content.take(size - 4))
    magic = block[344:348] if size == 348 else block[4:12]
    if magic in _PAIRS:
        raise InputError(
            f"{content.path}: header of a two-file NIfTI without its voxels; save it as one file"
        )
    if magic != _SIZES[size]:
        raise InputError(f"{content.path}: no NIfTI file (magic {magic!r}); damaged, or Analyze")
    order = "<" if int.from_bytes(start, "little") == size else ">"
    maker: Any = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    return maker(block, endianness=order, check=False)


def _check_meaning(path: Path, fields: Any, mask: bool) -> None:
    """Refuse what is no volume of grey values or labels by its intent_code and units."""
    intent = int(fields["intent_code"])
    if intent in _CIFTI:
        raise InputError(f"{path}: a CIFTI file (surfaces, matrices) is no volume")
    if intent in _VECTORS:
        raise InputError(f"{path}: holds vectors or a mesh (intent_code {intent}), no grey values")
    if not mask and (intent in _STATISTICS or intent in _LABELS):
        what = "a label map" if intent in _LABELS else "a statistic"
        raise InputError(f"{path}: is {what} (intent_code {intent}), no image")
    units = int(fields["xyzt_units"])
    if units & 7 not in _UNITS or units >> 6:
        raise InputError(
            f"{path}: xyzt_units {units} is no unit of length; damaged, or to be corrected"
        )
    if units & 56 in _SPECTRA and int(fields["dim"][0]) > 3 and int(fields["dim"][4]) > 1:
        raise InputError(f"{path}: its fourth axis is a spectrum ({_SPECTRA[units & 56]}), no time")


def _shape(path: Path, fields: Any) -> tuple[tuple[int, int, int], int]:
    """Voxels along x, y, z, and volumes along the fourth axis."""
    dim = [int(number) for number in fields["dim"]]
    axes = dim[1 : dim[0] + 1]
    if not 1 <= dim[0] <= 7 or min(axes) < 1:
        raise InputError(f"{path}: dim {dim} states no volume; damaged")
    axes += [1] * (7 - len(axes))
    if max(axes[4:]) > 1:
        raise InputError(
            f"{path}: holds {np.prod(axes[4:])} values a voxel (dim {dim}), no grey values"
        )
    return (axes[0], axes[1], axes[2]), axes[3]


def _check_type(path: Path, fields: Any) -> None:
    """Refuse voxels that are no grey values, and a scale that is no number."""
    code = int(fields["datatype"])
    if code in _NOT_GREY:
        raise InputError(f"{path}: its voxels are {_NOT_GREY[code]}, no grey values; convert it")
    if code not in _GREY:
        raise InputError(
            f"{path}: datatype {code} is unknown to NIfTI; damaged, or to be converted"
        )
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if np.isinf(slope) or (slope and np.isfinite(slope) and not np.isfinite(inter)):
        raise InputError(f"{path}: scl_slope {slope}, scl_inter {inter} are no scale; damaged")


def _affine(path: Path, fields: Any, shape: tuple[int, int, int]) -> Affine:
    """The LPS affine in millimetres; sform and qform have to agree where both are set."""
    codes = int(fields["sform_code"]), int(fields["qform_code"])
    if min(codes) < 0 or max(codes) > 5:
        raise InputError(f"{path}: sform_code {codes[0]}, qform_code {codes[1]} are none; damaged")
    if not any(codes):
        raise InputError(f"{path}: states no orientation (sform and qform are 0); save it with one")
    unit, millimetres = _UNITS[int(fields["xyzt_units"]) & 7]
    sform = np.asarray(fields.get_sform(), np.float64)
    qform = _qform(path, fields) if codes[1] else sform
    chosen = sform if codes[0] else qform
    if millimetres != 1.0:
        scale = np.diag([millimetres] * 3 + [1.0])
        sform, qform, chosen = scale @ sform, scale @ qform, scale @ chosen
    affine = checked_affine(path, to_ras(chosen), shape, unit)
    if all(codes) and not _agree(sform, qform, shape, fields):
        apart = np.linalg.norm(corners(sform, shape) - corners(qform, shape), axis=1).max()
        raise InputError(
            f"{path}: sform and qform place it {apart:.3g} mm apart; remove the wrong one "
            "(set its code to 0), or make them equal"
        )
    return affine


def _qform(path: Path, fields: Any) -> NDArray[np.float64]:
    """The affine that quaternion, pixdim and offsets state, in the file's unit."""
    sides = np.asarray(fields["pixdim"][1:4], np.float64)
    if not np.isfinite(sides).all() or sides.min() <= 0:
        raise InputError(f"{path}: pixdim {sides.tolist()} are no sizes of a voxel; save it again")
    turned = [float(fields[f"quatern_{axis}"]) for axis in "bcd"]
    if not np.isfinite(turned).all() or float(np.dot(turned, turned)) > 1 + 3 * _QUATERNION:
        raise InputError(f"{path}: the quaternion of its qform is no rotation; damaged")
    if float(fields["pixdim"][0]) == 0:
        fields["pixdim"][0] = 1  # as the standard reads it
    return np.asarray(fields.get_qform(), np.float64)


def _agree(
    sform: NDArray[np.float64], qform: NDArray[np.float64], shape: tuple[int, int, int], fields: Any
) -> bool:
    """Whether both place the volume alike, as far as 32-bit numbers can tell.

    Origin and lengths of the edges agree to 0.001 mm. Directions may differ by what the quaternion
    loses: its fourth number is a root of what the other three leave.
    """
    ends = np.asarray(shape, np.float64) - 1
    lengths = spacing(sform) * ends, spacing(qform) * ends
    fourth = abs(float(fields.get_qform_quaternion()[0]))
    lost = min(np.sqrt(_QUATERNION), _QUATERNION / max(2 * fourth, 1e-12))
    diagonal = float(np.linalg.norm(lengths[0]))
    slack = _TOLERANCE_MM + 1e-6 * float(np.abs(sform[:3, 3]).max())
    apart = np.linalg.norm(corners(sform, shape) - corners(qform, shape), axis=1)
    return bool(
        apart[0] <= slack
        and np.abs(lengths[0] - lengths[1]).max() <= slack + 1e-6 * diagonal
        and apart.max() <= slack + 2 * lost * diagonal + 1e-6 * diagonal
    )


def _go_to_voxels(content: Content, fields: Any) -> None:
    """Pass over header extensions to vox_offset; InputError for CIFTI's, or an offset that is none."""
    path, offset = content.path, float(fields["vox_offset"])
    if not np.isfinite(offset) or offset != int(offset) or int(offset) < content.position + 4:
        raise InputError(f"{path}: vox_offset {offset:g} lies within the header; damaged")
    room = int(offset) - content.position - 4
    if not content.take(4)[0]:
        content.skip(room)
        return
    order: Literal["little", "big"] = "little" if fields.endianness == "<" else "big"
    while room >= 8:
        block = bytes(content.take(8))
        size, code = (int.from_bytes(block[k : k + 4], order, signed=True) for k in (0, 4))
        if code == _CIFTI_EXTENSION:
            raise InputError(f"{path}: a CIFTI file (surfaces, matrices) is no volume")
        if not 8 <= size <= room:
            raise InputError(f"{path}: header extension of {size} bytes in {room}; damaged")
        content.skip(size - 8)
        room -= size
    content.skip(room)
