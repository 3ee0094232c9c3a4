"""Volumes and masks that people bring, whatever their format: NIfTI or NRRD, one entry for both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging import nifti, nrrd_volumes
from textbcs.imaging.geometry import Affine, Volume
from textbcs.imaging.mask_values import Labels, shown, tumour
from textbcs.imaging.nifti import nifti_phases, read_nifti
from textbcs.imaging.nrrd_header import Segment
from textbcs.imaging.nrrd_volumes import nrrd_phases, read_nrrd, read_nrrd_labels

SUFFIXES = (*nifti.SUFFIXES, *nrrd_volumes.SUFFIXES)
_JOIN = "header without its voxels (detached); save both as one file"
_NOT_READ = {
    ".nhdr": f"NRRD {_JOIN} .nrrd",
    ".hdr": f"Analyze or NIfTI {_JOIN} .nii.gz",
    ".img": "Analyze or NIfTI voxels without their header; save both as one file .nii.gz",
    ".mhd": f"MetaImage {_JOIN} .nii.gz",
    ".mha": "MetaImage: not read; save it as .nii.gz",
    ".mgz": "MGH volume: not read; save it as .nii.gz",
    ".mgh": "MGH volume: not read; save it as .nii.gz",
    ".mnc": "MINC volume: not read; save it as .nii.gz",
}


def stem(path: Path) -> str | None:
    """A volume's name without its suffix; None for a hidden file or one of another kind."""
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is None or path.name.startswith("."):
        return None
    return path.name[: -len(suffix)]


def not_read(path: Path) -> str:
    """Why a file that is a volume by its name is never read; "" where it is, or is no volume."""
    return _NOT_READ.get(path.suffix.lower(), "")


def phases(path: Path) -> int:
    """How many volumes (phases, time points) a file holds; reads and checks its header alone.

    Raises:
        InputError: the header is damaged, or says that this is no image that can be read.
    """
    return nrrd_phases(path) if _is_nrrd(path) else nifti_phases(path)


def read_volume(path: Path, phase: int | None = None) -> tuple[NDArray[Any], Affine]:
    """The grey values of a file, indexed (i, j, k) as stored, and the LPS affine of that index.

    Args:
        path: the user's file.
        phase: which of several volumes, counted from 1; None: the only one.

    Raises:
        InputError: a damaged file, something that is no image, no such phase, or several phases of
            which none is chosen.
    """
    return read_nrrd(path, phase) if _is_nrrd(path) else read_nifti(path, phase)


def read_mask(
    path: Path, labels: Labels = None, segment: str | Sequence[str] | None = None
) -> Volume:
    """A tumour mask, 1 inside, (z, y, x) in the file's own axes, with the LPS affine of its index.

    Args:
        path: the user's file.
        labels: which labels are tumour: a list, `all`, or None: the one label that there is; of a
            segmentation that names its segments (`.seg.nrrd`), the one segment that there is.
        segment: only the segments of a `.seg.nrrd` with these names.

    Raises:
        InputError: a damaged file, values that are no labels, several volumes, or no such label or
            segment.
    """
    if not _is_nrrd(path):
        if segment is not None:
            raise InputError(f"{path}: NIfTI has no names of segments; use labels, not segment")
        values, affine = read_nifti(path, mask=True)
        return Volume(tumour(path, values, labels).transpose(2, 1, 0), affine)
    layers, affine, segments = read_nrrd_labels(path)
    if segment is None and labels is None and len(segments) > 1:
        known = ", ".join(repr(one.name) for one in segments)
        raise InputError(
            f"{path}: holds several segments ({known}); name those that are tumour: "
            "masks.sources[].segment, or labels: all"
        )
    if segment is not None or (segments and labels is None):
        names = [segment] if isinstance(segment, str) else segment
        return Volume(_united(path, layers, segments, names).transpose(2, 1, 0), affine)
    if len(layers) > 1 and labels != "all":
        raise InputError(
            f"{path}: holds {len(layers)} layers; choose segments by name, or labels: all"
        )
    mask = np.maximum.reduce([tumour(path, layer, labels) for layer in layers])
    return Volume(mask.transpose(2, 1, 0), affine)


def _united(
    path: Path,
    layers: list[NDArray[Any]],
    segments: tuple[Segment, ...],
    names: Sequence[str] | None,
) -> NDArray[np.uint8]:
    """The segments with these names, or all of them, as one mask (i, j, k)."""
    known = ", ".join(repr(one.name) for one in segments) or "none"
    for name in names or []:
        if name not in [one.name for one in segments]:
            raise InputError(f"{path}: has no segment {name!r} (it has {known}); set masks.sources")
    for number, layer in enumerate(layers):
        tumour(path, layer, "all")  # refuses what are no labels
        known_values = [0, *(one.value for one in segments if one.layer == number)]
        other = np.setdiff1d(np.unique(layer), known_values)
        if names is None and other.size:
            raise InputError(
                f"{path}: holds labels {shown(other)} of no segment; choose segments by name, or labels"
            )
    mask = np.zeros(layers[0].shape, np.uint8)
    for one in segments:
        if names is None or one.name in names:
            mask |= (layers[one.layer] == one.value).astype(np.uint8)
    return mask


def _is_nrrd(path: Path) -> bool:
    return path.name.lower().endswith(nrrd_volumes.SUFFIXES)
