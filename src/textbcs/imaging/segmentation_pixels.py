"""The pixels of a DICOM SEG object as 0 and 1, with lengths checked and what is no mask refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from textbcs.base.io import InputError
from textbcs.intake.spelling import plain

_TYPES = ("BINARY", "FRACTIONAL", "LABELMAP")
# I-SPY2's private element that explains the bits of its analysis masks.
_LEGEND_GROUP, _LEGEND_ELEMENT = 0x0117, 0xD3
_MOST_BYTES = 8 << 30
_FEW_VALUES = 64


def read_pixels(
    dataset: FileDataset, frames: int, own: Sequence[int], segments: Sequence[int], path: Path
) -> NDArray[np.uint8]:
    """The masks of some frames.

    Args:
        dataset: the object.
        frames: how many frames it has.
        own: indices of the frames that are wanted.
        segments: numbers of the segments that are wanted; only a LABELMAP needs them.
        path: the user's file, for messages.

    Returns:
        (len(own), rows, columns), 0 or 1.

    Raises:
        InputError: pixels that are missing, cut short or of another kind, or bit flags.
    """
    kind = str(dataset.get("SegmentationType", "") or "")
    if kind not in _TYPES:
        raise InputError(f"{path}: SegmentationType {kind!r} is not read; export it as BINARY")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise InputError(f"{path}: its pixels are colours, no mask; export it again")
    stored = _stored(dataset, frames, path)
    if kind == "FRACTIONAL":
        return _halves(dataset, stored, list(own), path)
    chosen = stored[list(own)]
    inside = np.isin(chosen, np.asarray(segments)) if kind == "LABELMAP" else chosen != 0
    return np.asarray(inside, np.uint8)


def _stored(dataset: FileDataset, frames: int, path: Path) -> NDArray[Any]:
    """The stored values, (frame, row, column)."""
    for tag in ("Rows", "Columns", "BitsAllocated", "PixelData"):
        if dataset.get(tag) is None:
            raise InputError(f"{path}: has no {tag}; cut short, or damaged: copy it again")
    shape = (frames, int(dataset.Rows), int(dataset.Columns))
    count = shape[0] * shape[1] * shape[2]
    bits = int(dataset.BitsAllocated)
    if count * bits < 8 or count > _MOST_BYTES:
        raise InputError(f"{path}: {shape[1]} x {shape[2]} pixels in {frames} frames cannot be")
    meta = getattr(dataset, "file_meta", None)
    syntax = UID(str((meta.get("TransferSyntaxUID") if meta else "") or ""))
    if syntax and not syntax.is_transfer_syntax:
        raise InputError(f"{path}: transfer syntax {plain(syntax)} is not read; export it again")
    if not syntax or not syntax.is_compressed or _deflated(syntax):
        _check_length(len(dataset.PixelData), -(-count * bits // 8), path)
        if bits == 1:
            packed = np.frombuffer(dataset.PixelData, np.uint8)
            return np.unpackbits(packed, bitorder="little", count=count).reshape(shape)
    stored = np.asarray(dataset.pixel_array)
    if stored.size != count:
        raise InputError(f"{path}: holds fewer frames than it describes; cut short: copy it again")
    return stored.reshape(shape)


def _deflated(syntax: UID) -> bool:
    """Whether the whole file is packed, so that its pixels are not once it is read."""
    return syntax == "1.2.840.10008.1.2.1.99"


def _check_length(found: int, wanted: int, path: Path) -> None:
    """InputError where uncompressed pixels are fewer or more than the header states."""
    if not wanted <= found <= wanted + wanted % 2:
        what = "cut short" if found < wanted else "damaged"
        raise InputError(
            f"{path}: {what}: {found} bytes of pixels, and its header states {wanted}; copy it again"
        )


def _halves(
    dataset: FileDataset, stored: NDArray[Any], own: list[int], path: Path
) -> NDArray[np.uint8]:
    """1 where a fraction is at least half of the largest possible one."""
    most = dataset.get("MaximumFractionalValue")
    if not most:
        raise InputError(f"{path}: FRACTIONAL without MaximumFractionalValue; export it as BINARY")
    values = np.unique(stored)
    if int(values[-1]) > int(most):
        raise InputError(
            f"{path}: holds {values[-1]}, above its MaximumFractionalValue {most}; no fractions"
        )
    if _legend(dataset) or _bit_flags(values[values != 0], int(most)):
        raise InputError(
            f"{path}: FRACTIONAL, but its values are bit flags (as in I-SPY2's analysis masks), no "
            "fractions; convert it to a BINARY SEG or NIfTI of the tumour"
        )
    inside = np.asarray(2 * stored[own].astype(np.int64) >= int(most), np.uint8)
    if stored[own].any() and not inside.any():
        raise InputError(
            f"{path}: no value of the segment reaches half of MaximumFractionalValue {most} (highest: "
            f"{stored[own].max()}); no mask, or the values are no fractions"
        )
    return inside


def _legend(dataset: FileDataset) -> bool:
    """Whether the private element is there that explains a value's bits."""
    return any(
        element.tag.group == _LEGEND_GROUP
        and element.tag.element & 0xFF == _LEGEND_ELEMENT
        and element.tag.element > 0xFF
        for element in dataset
    )


def _bit_flags(values: NDArray[Any], most: int) -> bool:
    """Whether values other than 0 look like sums of flags: few, none of them the largest possible
    fraction, three single bits or more, and no others, or bits that no value has."""
    if not 0 < len(values) <= _FEW_VALUES or int(values[-1]) == most:
        return False
    numbers = [int(value) for value in values]
    single = [number for number in numbers if number.bit_count() == 1]
    union = 0
    for number in numbers:
        union |= number
    holes = union.bit_count() < union.bit_length()
    return len(single) >= 3 and (len(single) == len(numbers) or holes)
