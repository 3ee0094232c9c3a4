"""The pixels of a DICOM file: how they are stored, whether they are all there, and their values.

Lengths are checked before anything is believed. Uncompressed DICOM has no checksum: a damaged pixel
cannot be noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from textbcs.base.io import InputError
from textbcs.intake import dicom_gdcm
from textbcs.intake.dicom_parsing import (
    KIND,
    DamagedError,
    Parsed,
    PixelElement,
    UnfitError,
    as_file,
    states,
    text,
    uid_name,
    whole,
)
from textbcs.intake.guard import reading

INSTALL = ".venv/bin/pip install 'python-gdcm>=3,<4'"
_LITTLE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_NATIVE = (*_LITTLE, ExplicitVRBigEndian)
_JPEG = "1.2.840.10008.1.2.4."
_EXTENDED = f"{_JPEG}51"
_BY_GDCM = tuple(_JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91"))
# The first of them that there is. GDCM comes last: it needs a process of its own.
_PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "pydicom", "gdcm")
_LARGEST_IMAGE = 1 << 26
_LONGEST_PADDING = 1 << 20


@dataclass(frozen=True)
class PixelFormat:
    """How the pixels of a file are stored.

    Attributes:
        shape: frames, rows, columns.
        allocated, stored: bits of a pixel.
        signed: two's complement.
        inverted: MONOCHROME1, white is low.
        padding: lowest and highest stored value outside the image, None if there are none.
    """

    shape: tuple[int, int, int]
    allocated: int
    stored: int
    signed: bool
    inverted: bool
    padding: tuple[int, int] | None

    @property
    def mirror(self) -> int:
        """The sum of the lowest and the highest value that can be stored."""
        return -1 if self.signed else 2**self.stored - 1


def read_format(dataset: Dataset) -> PixelFormat:
    """How a file says that its pixels are stored.

    Raises:
        UnfitError: in a way that is not read.
        DamagedError: an element is missing, or cannot be.
    """
    rows, columns = (_needed(dataset, name, 1, 65535) for name in ("Rows", "Columns"))
    frames = (
        _needed(dataset, "NumberOfFrames", 1, 65535) if states(dataset, "NumberOfFrames") else 1
    )
    allocated = _needed(dataset, "BitsAllocated", 1, 64)
    stored = _needed(dataset, "BitsStored", 1, allocated)
    signed = _needed(dataset, "PixelRepresentation", 0, 1)
    if allocated not in (8, 16, 32):
        raise UnfitError(f"pixels of {allocated} bits: only 8, 16 and 32 are read")
    if states(dataset, "HighBit") and whole(dataset, "HighBit") != stored - 1:
        raise UnfitError(f"HighBit is not BitsStored - 1 = {stored - 1}: such pixels are not read")
    if not text(dataset, "PhotometricInterpretation"):
        raise DamagedError("PhotometricInterpretation is missing")
    return PixelFormat(
        (frames, rows, columns),
        allocated,
        stored,
        bool(signed),
        text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        _padding(dataset, allocated, bool(signed)),
    )


def check_pixels(parsed: Parsed, layout: PixelFormat, file: BinaryIO) -> None:
    """Check that the pixels can be unpacked and are all there.

    Args:
        file: the content of the file that was parsed.

    Raises:
        UnfitError: nothing that is installed unpacks them.
        DamagedError: they are fewer or more than the header says.
    """
    element = parsed.pixels
    if element is None:
        raise DamagedError("cut short: it ends before its pixels")
    _check_decoder(parsed.syntax, layout)
    source = file if element.content is None else as_file(element.content)
    _check_length(element, layout, parsed.syntax, source)


def stored_values(
    parsed: Parsed, layout: PixelFormat, content: bytes, path: Path
) -> NDArray[np.integer[Any]]:
    """Stored values (frame, row, column) as they lie in the file; MONOCHROME1 is not yet inverted.

    Raises:
        InputError: compressed pixels cannot be unpacked.
    """
    element = parsed.pixels
    if element is None:
        raise InputError(f"{path}: ends before its pixels")
    buffer = content if element.content is None else element.content
    if parsed.syntax in _LITTLE and layout.allocated == layout.stored == 16:
        kind = "<i2" if layout.signed else "<u2"
        count = int(np.prod(layout.shape))
        return np.frombuffer(buffer, kind, count, element.start).reshape(layout.shape)
    return _decoded(element, parsed.syntax, layout, buffer, path)


def rescaled(
    stored: NDArray[np.integer[Any]], slope: float, intercept: float, layout: PixelFormat
) -> NDArray[np.generic]:
    """Values (row, column): inverted where MONOCHROME1, then rescaled, in float32; as
    stored where neither is to be done."""
    if not layout.inverted and (slope, intercept) == (1, 0):
        return stored
    values = stored.astype(np.float32)
    if layout.inverted:
        values = (layout.mirror - stored.astype(np.float64)).astype(np.float32)
    return values * np.float32(slope) + np.float32(intercept)


def padded(stored: NDArray[np.integer[Any]], layout: PixelFormat) -> NDArray[np.bool_] | None:
    """Which stored values (row, column) lie outside the image; None if all are image."""
    if layout.padding is None:
        return None
    low, high = layout.padding
    outside = (stored >= low) & (stored <= high)
    return outside if outside.any() else None


def _padding(dataset: Dataset, allocated: int, signed: bool) -> tuple[int, int] | None:
    """The stored values that stand for what is outside the image."""
    value = whole(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = whole(dataset, "PixelPaddingRangeLimit")
    ends = []
    for one in (value, value if limit is None else limit):
        # Both are written signed or unsigned, whatever the pixels are.
        wrapped = one % 2**allocated
        ends.append(wrapped - 2**allocated if signed and wrapped >> (allocated - 1) else wrapped)
    return None if ends == [0, 0] else (min(ends), max(ends))


def _needed(dataset: Dataset, keyword: str, least: int, most: int) -> int:
    """A whole number in a range; DamagedError where it is missing or another."""
    value = whole(dataset, keyword)
    if value is None or not least <= value <= most:
        what = "no number that can be" if states(dataset, keyword) else "missing"
        raise DamagedError(f"{keyword} is {what}")
    return value


def _check_decoder(syntax: str, layout: PixelFormat) -> None:
    """UnfitError where nothing that is installed can unpack the pixels."""
    if syntax in _NATIVE:
        return
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        raise UnfitError(f"transfer syntax {uid_name(syntax)} is not read") from None
    if syntax == _EXTENDED and layout.stored > 8:
        raise UnfitError("JPEG of 12 bits is not read; decompress it")
    if not decoder.is_available:
        advice = f"install one: {INSTALL}" if syntax in _BY_GDCM else "decompress the files"
        raise UnfitError(f"{uid_name(syntax)} ({syntax}): no decoder is installed; {advice}")


def _check_length(element: PixelElement, layout: PixelFormat, syntax: str, file: BinaryIO) -> None:
    """DamagedError where the pixels are fewer or more than the header says."""
    if element.encapsulated == (syntax in _NATIVE):
        raise DamagedError(f"its pixels are not stored as {uid_name(syntax)}, as it says")
    frames, rows, columns = layout.shape
    if element.ended and element.length <= element.available and not element.followed:
        raise DamagedError("what follows its pixels is no DICOM")
    if element.encapsulated:
        _check_fragments(element, frames, syntax, file)
        if rows * columns > _LARGEST_IMAGE:
            raise UnfitError(f"an image of {rows} x {columns} pixels is too large")
        return
    expected = frames * rows * columns * layout.allocated // 8
    if element.length > element.available:
        there = f"{element.available} of {element.length}"
        raise DamagedError(f"cut short: {there} bytes of its pixels are there")
    if element.length < expected:
        raise DamagedError(f"cut short: {element.length} bytes of pixels, {expected} are needed")
    if not _is_padding(file, element.start + expected, element.length - expected):
        raise DamagedError(f"{element.length} bytes of pixels, where its size makes {expected}")


def _check_fragments(element: PixelElement, frames: int, syntax: str, file: BinaryIO) -> None:
    """DamagedError where compressed frames are missing or do not end."""
    found = element.fragments
    if not element.ended:
        raise DamagedError("cut short: its compressed pixels do not end")
    if len(found) < frames:
        raise DamagedError(f"cut short: {len(found)} compressed frames of {frames}")
    if syntax.startswith(_JPEG) and syntax in _BY_GDCM:
        ends = found if len(found) == frames else found[-1:]
        if any(_last_bytes(file, one) != b"\xff\xd9" for one in ends):
            raise DamagedError("cut short: a compressed frame does not end")


def _is_padding(file: BinaryIO, start: int, length: int) -> bool:
    """Whether bytes after the pixels are zeros, as some writers leave them."""
    if length > _LONGEST_PADDING:
        return False
    file.seek(start)
    return not file.read(length).strip(b"\0")


def _last_bytes(file: BinaryIO, fragment: tuple[int, int]) -> bytes:
    """The last two bytes of a fragment before its padding."""
    start, length = fragment
    tail = min(length, 64)
    file.seek(start + length - tail)
    return file.read(tail).rstrip(b"\0")[-2:]


def _decoded(
    element: PixelElement, syntax: str, layout: PixelFormat, buffer: bytes, path: Path
) -> NDArray[np.integer[Any]]:
    """Pixels (frame, row, column) through pydicom's decoders."""
    from pydicom.pixels.decoders.base import get_decoder

    frames, rows, columns = layout.shape
    length = element.length
    if not element.encapsulated:
        length = frames * rows * columns * layout.allocated // 8
    options: Mapping[str, Any] = {
        "rows": rows,
        "columns": columns,
        "number_of_frames": frames,
        "samples_per_pixel": 1,
        "bits_allocated": layout.allocated,
        "bits_stored": layout.stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB" if element.encapsulated else "OW",
    }
    with reading(path, KIND):
        decoder = get_decoder(UID(syntax))
        plugin = next((one for one in _PLUGINS if one in decoder.available_plugins), "")
        source = buffer[element.start : element.start + length]
        if plugin == dicom_gdcm.PLUGIN:
            values = dicom_gdcm.decode(source, syntax, options)
        else:
            values, _ = decoder.as_array(source, decoding_plugin=plugin, **options)
        return np.asarray(values).reshape(layout.shape)
