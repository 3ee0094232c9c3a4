"""An image of a DICOM file: how its pixels are stored, where its frames lie, and its grey values.

A file of a single slice and an enhanced one of many frames come out the same: an `Image` with one or
more frames, each with its place, its rescaling and its moment in time.

What headers state, and what becomes of it:

| element | |
|---|---|
| RescaleSlope, RescaleIntercept | applied, slice by slice, frame by frame |
| RescaleType | the slices of a series must share it |
| PhotometricInterpretation | MONOCHROME1 is inverted within the range of the stored values, which all \
slices share; colour and palettes are refused |
| PixelPaddingValue, PixelPaddingRangeLimit | such pixels get the darkest value of the others in the \
volume; a value of 0 is MR's background as it is |
| PixelRepresentation, BitsAllocated, BitsStored, HighBit | read; bits that are stored elsewhere are \
refused |
| ModalityLUTSequence | refused |
| PatientPosition | recorded; positions and orientations are the patient's, so nothing turns |
| WindowCenter, VOI LUT, PresentationLUTShape, RealWorldValueMapping | not used: for display, or another \
scale of the whole series |
| ImageType | mosaics are refused, localizers called that |
| ConcatenationUID | refused |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset

from textbcs.imaging.planes import Plane
from textbcs.imaging.volume_geometry import LARGEST_MM, SMALLEST_MM
from textbcs.intake.dicom_parsing import (
    DamagedError,
    Parsed,
    UnfitError,
    items,
    real,
    reals,
    states,
    text,
    uid_name,
    whole,
)
from textbcs.intake.dicom_pixels import PixelFormat, check_pixels, read_format

_ENHANCED = ("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
_FARTHEST_MM = 1e5

_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
IMAGE_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "FrameOfReferenceUID", "ImageType"),
    *("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
    *("PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("ModalityLUTSequence", "ConcatenationUID", "TemporalPositionIdentifier", _PER_FRAME, _SHARED),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A plane of pixels: its number in the file (from 0), place, rescaling and moment in time."""

    number: int
    plane: Plane
    slope: float
    intercept: float
    units: str
    temporal_position: int


@dataclass(frozen=True, slots=True)
class Image:
    """A file's image. `instance_number` is None where it is missing or no number."""

    sop_uid: str
    instance_number: int | None
    frame_of_reference: str
    localizer: bool
    format: PixelFormat
    frames: tuple[Frame, ...]

    @property
    def temporal_positions(self) -> tuple[int, ...]:
        """The moments of its frames, rising; more than one: the file holds several phases."""
        return tuple(sorted({frame.temporal_position for frame in self.frames}))


def read_image(parsed: Parsed, file: BinaryIO) -> Image:
    """The image of a file, everything checked but the values of its pixels.

    Args:
        parsed: of a file, with `IMAGE_KEYWORDS`.
        file: the same file's content.

    Raises:
        UnfitError: it is no image that can be a slice, or several.
        DamagedError: an element or a part of its pixels is missing.
    """
    dataset = parsed.dataset
    kinds = text(dataset, "ImageType").upper().split("\\")
    _check_kind(dataset, kinds)
    if parsed.pixels is None:
        known = "Image" in uid_name(text(dataset, "SOPClassUID")) or states(dataset, "Rows")
        if known:
            raise DamagedError("cut short: it ends before its pixels")
        stated = uid_name(text(dataset, "SOPClassUID")) or "it states no SOPClassUID"
        raise UnfitError(f"no image: {stated}")
    layout = read_format(dataset)
    check_pixels(parsed, layout, file)
    number = whole(dataset, "InstanceNumber")
    return Image(
        text(dataset, "SOPInstanceUID"),
        number,
        text(dataset, "FrameOfReferenceUID"),
        "LOCALIZER" in kinds,
        layout,
        _frames(dataset, layout),
    )


def _check_kind(dataset: Dataset, kinds: list[str]) -> None:
    """Refuse what is no plane of grey values, by its own name."""
    if "MOSAIC" in kinds:
        raise UnfitError("mosaic: its slices lie side by side in one image")
    if states(dataset, "ConcatenationUID"):
        raise UnfitError("part of a concatenation: only whole files are read")
    photometric = text(dataset, "PhotometricInterpretation")
    grey = not photometric or photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey or (whole(dataset, "SamplesPerPixel") or 1) > 1:
        raise UnfitError(
            f"colour image ({photometric or 'several samples'}): only grey ones are read"
        )
    if states(dataset, "ModalityLUTSequence"):
        raise UnfitError("its grey values go through a Modality LUT, which is not read")


def _frames(dataset: Dataset, layout: PixelFormat) -> tuple[Frame, ...]:
    """The frames of a file, in its order.

    Raises:
        UnfitError: frames without places of their own.
        DamagedError: an element of their geometry or rescaling is missing or unusable.
    """
    count = layout.shape[0]
    groups = items(dataset, _PER_FRAME)
    if not groups and text(dataset, "SOPClassUID") not in _ENHANCED:
        if count > 1:
            raise UnfitError(f"{count} frames without places of their own")
        moment = whole(dataset, "TemporalPositionIdentifier") or 0
        return (_frame(0, {}, dataset, layout, moment),)
    if len(groups) != count:
        raise DamagedError(f"places for {len(groups)} frames of {count}")
    shared = (items(dataset, _SHARED) or [Dataset()])[0]
    found = []
    for number, own in enumerate(groups):
        parts = {name: _group(name, own, shared) for name in _GROUPS}
        found.append(_frame(number, parts, Dataset(), layout, _moment(parts)))
    return tuple(found)


_GROUPS = (
    *("PlaneOrientationSequence", "PlanePositionSequence", "PixelMeasuresSequence"),
    *("PixelValueTransformationSequence", "FrameContentSequence"),
    "UnassignedPerFrameConvertedAttributesSequence",
)


def _group(name: str, own: Dataset, shared: Dataset) -> Dataset:
    """A functional group of a frame: its own, or the one that all frames share."""
    found = items(own, name) or items(shared, name)
    return found[0] if found else Dataset()


def _moment(parts: Mapping[str, Dataset]) -> int:
    """Where a frame stands in time, 0 if the file does not say."""
    index = whole(parts["FrameContentSequence"], "TemporalPositionIndex")
    if index is None:
        legacy = parts["UnassignedPerFrameConvertedAttributesSequence"]
        index = whole(legacy, "TemporalPositionIdentifier")
    return index or 0


def _frame(
    number: int,
    parts: Mapping[str, Dataset],
    dataset: Dataset,
    layout: PixelFormat,
    moment: int,
) -> Frame:
    """A frame whose elements lie in functional groups, or else in the dataset."""
    where = [parts.get(name, dataset) for name in _GROUPS[:4]]
    orientation = _numbers(where[0], "ImageOrientationPatient", 6, 1.01)
    position = _numbers(where[1], "ImagePositionPatient", 3, _FARTHEST_MM)
    spacing = _numbers(where[2], "PixelSpacing", 2, LARGEST_MM)
    if min(spacing) < SMALLEST_MM:
        raise DamagedError(f"PixelSpacing of {min(spacing):g} mm cannot be")
    slope, intercept = (
        _rescale(where[3], name, usual)
        for name, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if slope == 0:
        raise DamagedError("RescaleSlope is 0")
    plane = Plane(
        orientation,
        (position[0], position[1], position[2]),
        (spacing[0], spacing[1]),
        *layout.shape[1:],
    )
    return Frame(number, plane, slope, intercept, text(where[3], "RescaleType"), moment)


def _numbers(dataset: Dataset, keyword: str, count: int, most: float) -> tuple[float, ...]:
    """The `count` numbers of an element of the geometry, none larger than `most`."""
    found = reals(dataset, keyword, count)
    if not found or max(abs(one) for one in found) > most:
        what = f"not {count} numbers that can be" if states(dataset, keyword) else "missing"
        raise DamagedError(f"{keyword} is {what}")
    return found


def _rescale(dataset: Dataset, keyword: str, usual: float) -> float:
    """A number of the rescaling, `usual` where it is missing."""
    if not states(dataset, keyword):
        return usual
    value = real(dataset, keyword)
    if value is None or abs(value) > 1e30:
        raise DamagedError(f"{keyword} is no number")
    return value
