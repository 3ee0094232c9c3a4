"""What an NRRD header states, believed only where it can be true; 3D Slicer's segments among it.

Honoured: type, endian, encoding (raw, gzip, bzip2), sizes, space, space directions, space origin, space
units (none stated is taken as mm), kinds, one axis of several volumes (time or list), `SegmentN_...`.
Refused by name: voxels in another file, text and hex encoding, blocks, a space without the patient's
directions, voxels of several numbers (colour, vectors), skipped bytes or lines, rescaled values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Affine
from textbcs.imaging.volume_geometry import checked_affine
from textbcs.intake.guard import reading
from textbcs.intake.packed_streams import BZIP2, GZIP, RAW, Content
from textbcs.intake.spelling import plain

_KIND = "NRRD file"
_ENCODINGS = {"raw": RAW, "gzip": GZIP, "gz": GZIP, "bzip2": BZIP2, "bz2": BZIP2}
# What turns a space's coordinates to LPS.
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
}
_SHORT = {"LPS": "left-posterior-superior", "RAS": "right-anterior-superior"} | {
    "LAS": "left-anterior-superior"
}
_UNITS = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "m": 1000.0} | {
    **{"um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "": 1.0}
}
_SEVERAL_VOLUMES = ("time", "list", "???", "none", "domain")
_UNREAD = ("line skip", "lineskip", "byte skip", "byteskip")
_RESCALED = ("old min", "oldmin", "old max", "oldmax")
_HEADER_LINES = 100_000


@dataclass(frozen=True)
class Segment:
    """A segment of a `.seg.nrrd`: its name, and the value that marks it in one of the layers."""

    name: str
    value: int
    layer: int


@dataclass(frozen=True)
class NrrdHeader:
    """A header that can be true.

    Attributes:
        fields: pynrrd's header.
        sizes: voxels along each axis, the fastest first.
        kind: type of a voxel.
        encoding: how the voxels are packed.
        volumes_axis: the axis of several volumes or layers, None where there is one volume.
        affine: index along the other three axes to LPS millimetres.
        segments: what 3D Slicer says is in it.
    """

    fields: Mapping[str, Any]
    sizes: tuple[int, ...]
    kind: np.dtype[Any]
    encoding: str
    volumes_axis: int | None
    affine: Affine
    segments: tuple[Segment, ...]

    @property
    def volumes(self) -> int:
        """How many volumes or layers the file holds."""
        return 1 if self.volumes_axis is None else self.sizes[self.volumes_axis]


def read_nrrd_header(content: Content) -> NrrdHeader:
    """Read the header and go to the first byte of the voxels.

    Raises:
        InputError: anything that the module's description refuses, or a damaged header.
    """
    import nrrd

    path = content.path
    lines = _lines(content)
    with reading(path, _KIND):
        fields = nrrd.read_header(lines)
        _check_layout(path, fields)
        sizes = tuple(int(size) for size in fields["sizes"])
        kind = _voxel_type(path, fields)
        axis = _volumes_axis(path, fields, sizes)
        affine = _affine(path, fields, sizes, axis)
        segments = _segments(path, fields, 1 if axis is None else sizes[axis])
    return NrrdHeader(
        fields, sizes, kind, _ENCODINGS[str(fields["encoding"]).lower()], axis, affine, segments
    )


def _lines(content: Content) -> list[str]:
    """The lines of the header, to the blank one that ends it."""
    first = content.line()
    if not first.startswith(b"NRRD"):
        raise InputError(f"{content.path}: no NRRD file: it does not begin with NRRD")
    lines = [first.decode("ascii", "replace").rstrip()]
    while line := content.line():
        if not line.strip():
            return lines
        if len(lines) > _HEADER_LINES:
            break
        lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    raise InputError(
        f"{content.path}: its header has no end: cut short, or its voxels lie in another file; "
        "save it as one .nrrd file"
    )


def _check_layout(path: Path, fields: Mapping[str, Any]) -> None:
    """Refuse what is not read, by name."""
    if "data file" in fields or "datafile" in fields:
        raise InputError(
            f"{path}: its voxels lie in another file (detached header); save it as one .nrrd file"
        )
    for name in ("dimension", "type", "encoding", "sizes"):
        if name not in fields:
            raise InputError(f"{path}: its header states no {name}; damaged, or to be saved again")
    if str(fields["encoding"]).lower() not in _ENCODINGS:
        raise InputError(
            f"{path}: encoding {plain(fields['encoding'])} is not read; save it as gzip or raw"
        )
    for name in (*_UNREAD, *_RESCALED):
        if name in fields and (name in _RESCALED or int(fields[name]) != 0):
            raise InputError(f"{path}: field {name!r} is not read; save it without")
    sizes = [int(size) for size in fields["sizes"]]
    if int(fields["dimension"]) != len(sizes) or min(sizes) < 1:
        raise InputError(
            f"{path}: sizes {sizes} do not fit dimension {fields['dimension']}; damaged"
        )


def _voxel_type(path: Path, fields: Mapping[str, Any]) -> np.dtype[Any]:
    """The type of a voxel with its byte order, as pynrrd reads it: from a volume of no voxel."""
    import io

    import nrrd

    if str(fields["type"]).lower() == "block":
        raise InputError(f"{path}: its voxels are blocks of bytes, no grey values; convert it")
    empty = {**fields, "encoding": "raw", "dimension": 1, "sizes": np.asarray([0])}
    kind: np.dtype[Any] = nrrd.read_data(empty, io.BytesIO(b"")).dtype
    return kind


def _volumes_axis(path: Path, fields: Mapping[str, Any], sizes: tuple[int, ...]) -> int | None:
    """The one axis that does not lie in space; None where all three do."""
    directions = _directions(path, fields, len(sizes))
    beside = [n for n, row in enumerate(directions) if not np.isfinite(row).all()]
    if len(sizes) - len(beside) != 3 or len(beside) > 1:
        raise InputError(
            f"{path}: {len(sizes)} axes of which {len(sizes) - len(beside)} lie in space; three, "
            "and one of several volumes, are read"
        )
    if not beside:
        return None
    kinds = list(fields.get("kinds", [])) or ["???"] * len(sizes)
    kind = str(kinds[beside[0]]).lower() if beside[0] < len(kinds) else "???"
    if kind not in _SEVERAL_VOLUMES:
        raise InputError(f"{path}: holds several numbers a voxel ({plain(kind)}), no grey values")
    return beside[0]


def _directions(path: Path, fields: Mapping[str, Any], axes: int) -> np.ndarray:
    """`space directions`, (axes, 3); NaN in the rows of axes that do not lie in space."""
    if "space directions" not in fields or "space origin" not in fields:
        missing = "directions" if "space directions" not in fields else "origin"
        raise InputError(f"{path}: states no space {missing}; save it with its orientation")
    rows = [
        np.full(3, np.nan) if row is None else np.asarray(row, np.float64).ravel()
        for row in fields["space directions"]
    ]
    if len(rows) != axes or any(len(row) != 3 for row in rows):
        raise InputError(f"{path}: space directions do not fit its {axes} axes; damaged")
    return np.stack(rows)


def _affine(
    path: Path, fields: Mapping[str, Any], sizes: tuple[int, ...], volumes_axis: int | None
) -> Affine:
    """Index along the axes of space, the fastest first, to LPS millimetres."""
    stated = str(fields.get("space", "")).strip()
    name = stated.lower().removesuffix("-time")
    name = _SHORT.get(stated.upper().removesuffix("T"), name)
    if name not in _SPACES:
        raise InputError(
            f"{path}: states {f'space {plain(stated)}' if stated else 'no space'}, which does not say where "
            "left and right are; save it as left-posterior-superior"
        )
    unit, millimetres = _unit(path, fields)
    spatial = [n for n in range(len(sizes)) if n != volumes_axis]
    origin = np.asarray(fields["space origin"], np.float64).ravel()
    if origin.shape != (3,):
        raise InputError(f"{path}: space origin is not three numbers; damaged")
    affine = np.eye(4)
    affine[:3, :3] = _directions(path, fields, len(sizes))[spatial].T
    affine[:3, 3] = origin
    affine[:3] *= np.asarray(_SPACES[name], np.float64)[:, None] * millimetres
    return checked_affine(path, affine + 0.0, [sizes[n] for n in spatial], unit)


def _unit(path: Path, fields: Mapping[str, Any]) -> tuple[str, float]:
    """The unit of the space, and how many mm it has."""
    units = {str(unit).strip() for unit in fields.get("space units", ["mm"])}
    unit = units.pop() if len(units) == 1 else ""
    if units or unit not in _UNITS:
        shown = ", ".join(sorted({unit, *units} - {""}))
        raise InputError(f"{path}: space units {plain(shown)} are not read; save it in mm")
    return unit or "none", _UNITS[unit]


def _segments(path: Path, fields: Mapping[str, Any], layers: int) -> tuple[Segment, ...]:
    """The segments that 3D Slicer describes; its old files have a layer for each, marked by 1."""
    found = []
    number = 0
    while f"Segment{number}_ID" in fields or f"Segment{number}_Name" in fields:
        key = f"Segment{number}_"
        layer = int(fields.get(key + "Layer", number if layers > 1 else 0))
        name = str(fields.get(key + "Name", fields.get(key + "ID", "")))
        found.append(Segment(name, int(fields.get(key + "LabelValue", 1)), layer))
        if not 0 <= layer < layers:
            raise InputError(f"{path}: segment {name!r} lies in layer {layer} of {layers}; damaged")
        number += 1
    return tuple(found)
