"""Reading a DICOM SEG object: one segment as a mask with its own geometry.

Frames are placed by their plane position, never by their order (PS3.3 A.51, C.7.6.16).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import SegmentationStorage

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Volume, dicom_affine

_NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}


@dataclass(frozen=True)
class Segmentation:
    """A segment.

    Attributes:
        volume: uint8 mask on the SEG's own grid; None where the segment has no frame.
        referenced_series: SeriesInstanceUIDs that the object refers to.
        frame_of_reference: UID of its coordinate system.
    """

    volume: Volume | None
    referenced_series: tuple[str, ...]
    frame_of_reference: str


def read_segmentation(path: Path, segment: str) -> Segmentation:
    """Read the segment with the label `segment`.

    Raises:
        InputError: no SEG object, no such segment, a frame without geometry, or frames that lie on
            no regular grid.
    """
    try:
        dataset = dcmread(path)
    except (InvalidDicomError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable DICOM file ({error}); fetch it again") from error
    if dataset.get("SOPClassUID") != SegmentationStorage:
        raise InputError(f"{path}: is no DICOM segmentation; correct masks.sources")
    number = _segment_number(dataset, segment, path)
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    own = [n for n, frame in enumerate(frames) if number in _segments_of(frame, dataset)]
    series = tuple(
        str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence") or []
    )
    volume = _volume(dataset, frames, own, path) if own else None
    return Segmentation(volume, series, str(dataset.get("FrameOfReferenceUID", "") or ""))


def _segment_number(dataset: FileDataset, label: str, path: Path) -> int:
    """The SegmentNumber of a label; InputError names the labels there are."""
    found = {
        str(item.get("SegmentLabel", "")): int(item.SegmentNumber)
        for item in dataset.get("SegmentSequence") or []
    }
    if label not in found:
        known = ", ".join(repr(name) for name in sorted(found)) or "none"
        raise InputError(f"{path}: has no segment {label!r} (it has {known}); set masks.sources")
    return found[label]


def _group(frame: Dataset, dataset: FileDataset, name: str) -> Dataset | None:
    """A functional group of a frame: its own, or the one that all frames share."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    for holder in (frame, shared[0]):
        if sequence := holder.get(name):
            item: Dataset = sequence[0]
            return item
    return None


def _segments_of(frame: Dataset, dataset: FileDataset) -> list[int]:
    """The segment of a frame, as a list of one or none."""
    group = _group(frame, dataset, "SegmentIdentificationSequence")
    return [] if group is None else [int(group.ReferencedSegmentNumber)]


def _volume(dataset: FileDataset, frames: list[Dataset], own: list[int], path: Path) -> Volume:
    """Frames of one segment as a dense volume that spans from the first to the last of them."""

    def numbers(frame: Dataset, group: str, tag: str) -> NDArray[np.float64]:
        """The numbers of a tag in a functional group of a frame."""
        holder = _group(frame, dataset, group)
        if holder is None or holder.get(tag) is None:
            raise InputError(f"{path}: frame without {tag}; the mask cannot be placed in space")
        return np.asarray([float(value) for value in holder[tag].value])

    orientation = numbers(frames[own[0]], "PlaneOrientationSequence", "ImageOrientationPatient")
    for n in own:
        other = numbers(frames[n], "PlaneOrientationSequence", "ImageOrientationPatient")
        if not np.allclose(other, orientation, atol=1e-3):
            raise InputError(f"{path}: frames of mixed orientation; the mask cannot be placed")
    spacing = numbers(frames[own[0]], "PixelMeasuresSequence", "PixelSpacing")
    positions = np.stack(
        [numbers(frames[n], "PlanePositionSequence", "ImagePositionPatient") for n in own]
    )
    normal = np.cross(orientation[:3], orientation[3:])
    along = positions @ normal
    distance = _distance(along, _group(frames[own[0]], dataset, "PixelMeasuresSequence"))
    places = (along - along.min()) / distance
    if np.abs(places - np.round(places)).max() > 0.05:
        raise InputError(f"{path}: frames lie on no regular grid; the mask cannot be placed")
    pixels = _pixels(dataset, path)
    place = np.round(places).astype(np.int64)
    mask = np.zeros((int(place.max()) + 1, *pixels.shape[1:]), dtype=np.uint8)
    for n, slot in zip(own, place, strict=True):
        mask[slot] |= pixels[n]
    first = positions[int(np.argmin(along))]
    return Volume(mask, dicom_affine(orientation, first, spacing, normal * distance))


def _distance(along: NDArray[np.float64], measures: Dataset | None) -> float:
    """Distance of the planes: as stated, or the smallest one that occurs."""
    stated: Any = None if measures is None else measures.get("SpacingBetweenSlices")
    steps = np.diff(np.unique(np.round(along, 3)))
    smallest = float(steps.min()) if len(steps) else 0.0
    if stated and float(stated) > 0 and (not smallest or smallest > 0.9 * float(stated)):
        return float(stated)
    thickness = 0.0 if measures is None else float(measures.get("SliceThickness") or 0)
    return smallest or thickness or 1.0


def _pixels(dataset: FileDataset, path: Path) -> NDArray[np.uint8]:
    """All frames as 0 and 1, (frame, row, column)."""
    count, rows, columns = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    native = str(dataset.file_meta.TransferSyntaxUID) in _NATIVE
    try:
        if native and dataset.BitsAllocated == 1:
            packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
            bits = np.unpackbits(packed, bitorder="little", count=count * rows * columns)
            return bits.reshape(count, rows, columns)
        stored = np.asarray(dataset.pixel_array).reshape(count, rows, columns)
    except (ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise InputError(f"{path}: mask pixels cannot be decoded ({error})") from error
    half = 0.5
    if dataset.get("SegmentationType") == "FRACTIONAL":
        half = float(dataset.get("MaximumFractionalValue") or 255) / 2
    return (stored >= half).astype(np.uint8)
