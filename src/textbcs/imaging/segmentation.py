"""Reading a DICOM SEG object: the segments of one label as marked frames, and where each of them lies.

A frame is placed by its own position, or by the one image that it refers to; never by its order, nor by
a thickness that is guessed from other frames (PS3.3 A.51, C.7.6.16; `segmentation_planes` does it).

- BINARY: 1 is inside. LABELMAP: the values are segment numbers. FRACTIONAL: inside where the value is at
  least half of MaximumFractionalValue; values that are bit flags, as in I-SPY2's analysis masks, are
  refused. Several segments of one label are one tumour: they are united.
- A DICOM file has no checksum: lengths and counts are compared, a damaged pixel cannot be noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import SegmentationStorage

from textbcs.base.io import InputError
from textbcs.imaging.planes import Plane
from textbcs.imaging.segmentation_pixels import read_pixels
from textbcs.intake.guard import reading
from textbcs.intake.spelling import plain

_KIND = "DICOM segmentation"
_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_EXPORT = "export a SEG or NIfTI"
_NOT_READ = {
    "1.2.840.10008.5.1.4.1.1.481.3": f"RTSTRUCT: contours are not read; {_EXPORT}",
    "1.2.840.10008.5.1.4.1.1.66.5": f"surface segmentation: meshes are not read; {_EXPORT}",
    "1.2.840.10008.5.1.4.1.1.66.8": f"height map segmentation: not read; {_EXPORT}",
    "1.2.840.10008.5.1.4.1.1.481.23": f"RT segment annotation: contours are not read; {_EXPORT}",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map: no mask; set a threshold and export a SEG or NIfTI",
}


@dataclass(frozen=True)
class Frame:
    """A plane of a mask.

    Attributes:
        pixels: (rows, columns) uint8, 0 or 1, with at least one 1.
        plane: where it lies, as it says itself; None where it does not.
        images: SOPInstanceUIDs of the images that it refers to.
    """

    pixels: NDArray[np.uint8]
    plane: Plane | None
    images: tuple[str, ...]


@dataclass(frozen=True)
class Segmentation:
    """The segments of one label.

    Attributes:
        path: the user's file.
        frames: those that hold anything, in no order; empty where the mask is.
        distance_mm: SpacingBetweenSlices, 0 where none is stated.
        thickness_mm: SliceThickness, 0 where none is stated.
        referenced_series: SeriesInstanceUIDs that the object refers to.
        frame_of_reference: UID of its coordinate system.
    """

    path: Path
    frames: tuple[Frame, ...]
    distance_mm: float
    thickness_mm: float
    referenced_series: tuple[str, ...]
    frame_of_reference: str


def mask_not_read(sop_class: str) -> str:
    """Why DICOM objects of a kind that marks regions are never read; "" for every other SOP class."""
    return _NOT_READ.get(sop_class, "")


def read_segmentation(path: Path, segment: str | Sequence[str]) -> Segmentation:
    """Read the segments with the label `segment`, or with one of several.

    Raises:
        InputError: no SEG object, no such segment, a kind that is not read, a damaged or cut file,
            or counts that contradict each other.
    """
    labels = [segment] if isinstance(segment, str) else list(segment)
    with reading(path, _KIND):
        dataset = _dataset(path)
        numbers = _segment_numbers(dataset, labels, path)
        groups = _frame_groups(dataset, path)
        label_map = dataset.get("SegmentationType") == "LABELMAP"
        own = [
            n
            for n, frame in enumerate(groups)
            if label_map or _segment_of(frame, dataset, n, path) in numbers
        ]
        pixels = read_pixels(dataset, len(groups), own, sorted(numbers), path)
        frames = tuple(
            Frame(mask, _plane(groups[n], dataset, mask.shape, path), _images(groups[n]))
            for n, mask in zip(own, pixels, strict=True)
            if mask.any()
        )
        return Segmentation(
            path,
            frames,
            _measure(dataset, groups, own, "SpacingBetweenSlices"),
            _measure(dataset, groups, own, "SliceThickness"),
            tuple(
                str(item.SeriesInstanceUID)
                for item in dataset.get("ReferencedSeriesSequence") or []
            ),
            str(dataset.get("FrameOfReferenceUID", "") or ""),
        )


def _dataset(path: Path) -> FileDataset:
    """The object; InputError, with its own reason, for everything that is no SEG."""
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file (0 bytes); copy it again")
    # From memory: pydicom asks a file for as many bytes as a damaged length states, up to 4 GB.
    dataset = dcmread(BytesIO(path.read_bytes()), force=True)
    kind = str(dataset.get("SOPClassUID", "") or "")
    if not kind:
        raise InputError(f"{path}: no DICOM file, or damaged at its beginning")
    if reason := mask_not_read(kind):
        raise InputError(f"{path}: {reason}")
    if kind not in (SegmentationStorage, _LABEL_MAP):
        what = str(dataset.get("Modality", "") or "unknown")
        raise InputError(
            f"{path}: is no DICOM segmentation (modality {plain(what)}); correct masks.sources"
        )
    return dataset


def _segment_numbers(dataset: FileDataset, labels: Sequence[str], path: Path) -> set[int]:
    """The numbers of all segments with these labels; InputError names the labels there are."""
    segments = list(dataset.get("SegmentSequence") or [])
    if not segments:
        raise InputError(f"{path}: describes no segments (SegmentSequence); export it again")
    found = [(str(one.get("SegmentLabel", "") or "").strip(), one) for one in segments]
    for label in labels:
        if label.strip() not in [name for name, _ in found]:
            known = ", ".join(sorted({repr(name) for name, _ in found}))
            raise InputError(
                f"{path}: has no segment {label!r} (it has {known}); set masks.sources"
            )
    wanted = {label.strip() for label in labels}
    return {int(one.SegmentNumber) for name, one in found if name in wanted}


def _frame_groups(dataset: FileDataset, path: Path) -> list[Dataset]:
    """The functional groups of every frame, as many as the object states frames."""
    count = dataset.get("NumberOfFrames")
    if count is None:
        raise InputError(f"{path}: states no NumberOfFrames; damaged, or to be exported again")
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not groups:
        raise InputError(
            f"{path}: has no PerFrameFunctionalGroupsSequence, so that no frame can be placed"
        )
    if len(groups) != int(count):
        raise InputError(
            f"{path}: states {int(count)} frames and describes {len(groups)}; damaged, or cut short"
        )
    return groups


def _group(frame: Dataset, dataset: FileDataset, name: str) -> Dataset | None:
    """A functional group of a frame: its own, or the one that all frames share."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    for holder in (frame, shared[0]):
        if sequence := holder.get(name):
            item: Dataset = sequence[0]
            return item
    return None


def _segment_of(frame: Dataset, dataset: FileDataset, number: int, path: Path) -> int:
    """The number of a frame's segment."""
    group = _group(frame, dataset, "SegmentIdentificationSequence")
    if group is None or group.get("ReferencedSegmentNumber") is None:
        raise InputError(f"{path}: frame {number + 1} does not say to which segment it belongs")
    return int(group.ReferencedSegmentNumber)


def _plane(frame: Dataset, dataset: FileDataset, shape: Sequence[int], path: Path) -> Plane | None:
    """Where a frame lies; None where it does not say."""

    def numbers(group: str, tag: str, count: int) -> tuple[float, ...] | None:
        """A tag's numbers in a functional group; InputError where they are none."""
        holder = _group(frame, dataset, group)
        if holder is None or holder.get(tag) is None:
            return None
        found = tuple(float(value) for value in holder[tag].value)
        if len(found) != count or not np.isfinite(found).all():
            raise InputError(
                f"{path}: {tag} of a frame is not {count} numbers; it cannot be placed"
            )
        return found

    orientation = numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    position = numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    spacing = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    if orientation is None or position is None or spacing is None:
        return None
    if min(spacing) <= 0:
        raise InputError(f"{path}: PixelSpacing of a frame is not positive; it cannot be placed")
    cosines = np.asarray(orientation).reshape(2, 3)
    if np.abs(cosines @ cosines.T - np.eye(2)).max() > 0.01:
        raise InputError(f"{path}: ImageOrientationPatient of a frame is not two unit vectors")
    place = (position[0], position[1], position[2])
    return Plane(orientation, place, (spacing[0], spacing[1]), shape[0], shape[1])


def _images(frame: Dataset) -> tuple[str, ...]:
    """The images that a frame was drawn on."""
    return tuple(
        str(source.ReferencedSOPInstanceUID)
        for derivation in frame.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
        if source.get("ReferencedSOPInstanceUID")
    )


def _measure(dataset: FileDataset, groups: list[Dataset], own: list[int], tag: str) -> float:
    """SpacingBetweenSlices or SliceThickness of a segment's frames; 0 where none is stated."""
    for n in own[:1]:
        group: Any = _group(groups[n], dataset, "PixelMeasuresSequence")
        stated = None if group is None else group.get(tag)
        number = 0.0 if stated in (None, "") else abs(float(stated))
        return number if np.isfinite(number) else 0.0
    return 0.0
