"""Reading DICOM series: headers, geometry checks, and a series as one LPS volume.

Geometry comes from ImagePositionPatient and ImageOrientationPatient, never from a file's name or
InstanceNumber.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from textbcs.base.io import InputError, sha256_bytes
from textbcs.imaging.geometry import Affine, Orientation, Volume, lps_orientation, oriented_affine
from textbcs.imaging.planes import Plane, check_planes, stack_affine

_NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


@dataclass(frozen=True)
class Header:
    """What is read of a DICOM file before its pixels. Holds no name, birth date or address.

    `plane` is None where the file has no usable geometry (a SEG, for instance).
    """

    path: str
    size: int
    patient: str
    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str
    description: str
    series_number: int
    instance_number: int
    manufacturer: str
    patient_position: str
    tesla: str
    plane: Plane | None


@dataclass(frozen=True)
class Grid:
    """The LPS grid of a series.

    Attributes:
        affine: LPS affine of the oriented volume.
        shape: its (z, y, x).
        sop_uids, instance_numbers: of every axial slice, by z rising.
        paths: of every slice's file, by z rising.
        frame_of_reference: UID of its coordinate system.
        planes: of every slice as its file states it, by z rising.
    """

    affine: Affine
    shape: tuple[int, int, int]
    sop_uids: tuple[str, ...]
    instance_numbers: tuple[int, ...]
    paths: tuple[str, ...]
    frame_of_reference: str
    planes: tuple[Plane, ...] = ()


@dataclass(frozen=True)
class Stack:
    """A series as a volume: float32 values on its LPS grid."""

    volume: Volume
    grid: Grid


_GEOMETRY = ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns")
_HEADER_TAGS = [
    *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
    *("PatientID", "Modality", "SeriesDescription", "SeriesNumber", "InstanceNumber"),
    *("Manufacturer", "PatientPosition", "MagneticFieldStrength", *_GEOMETRY),
]
# What an image needs beside its geometry: to read all of a header costs more than the pixels.
_IMAGE_TAGS = [
    *("SOPInstanceUID", "InstanceNumber", "FrameOfReferenceUID", *_GEOMETRY),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept"),
    *("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]


def read_header(path: Path) -> Header | None:
    """The header of a DICOM file, or None for a file that is no DICOM (a licence, a table).

    Raises:
        InputError: the file is DICOM and lacks an identifier that no archive may lack.
    """
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
        file.seek(0)
        dataset = _parse(file, path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
    if "SOPInstanceUID" not in dataset:
        return None  # a DICOMDIR
    return Header(
        path=str(path),
        size=path.stat().st_size,
        patient=str(_need(dataset, "PatientID", path)).strip(),
        study_uid=str(_need(dataset, "StudyInstanceUID", path)),
        series_uid=str(_need(dataset, "SeriesInstanceUID", path)),
        sop_uid=str(_need(dataset, "SOPInstanceUID", path)),
        modality=str(_need(dataset, "Modality", path)),
        description=str(dataset.get("SeriesDescription", "") or "").strip(),
        series_number=int(dataset.get("SeriesNumber") or 0),
        instance_number=int(dataset.get("InstanceNumber") or 0),
        manufacturer=str(dataset.get("Manufacturer", "") or "").strip(),
        patient_position=str(dataset.get("PatientPosition", "") or "").strip(),
        tesla=tesla_text(dataset.get("MagneticFieldStrength")),
        plane=_plane_or_none(dataset, path),
    )


def read_grid(paths: Sequence[Path], tolerance: float) -> Grid:
    """The LPS grid of a series from its headers alone.

    Args:
        paths: the series' files, in any order.
        tolerance: share of the median slice distance by which distances may differ.

    Raises:
        InputError: a file lacks a tag of its geometry, or is no DICOM.
        SeriesError: the slices make no regular axial stack.
    """
    datasets = [
        _parse(path, path, stop_before_pixels=True, specific_tags=_HEADER_TAGS) for path in paths
    ]
    return _oriented(datasets, paths, tolerance)[0]


def read_series(
    paths: Sequence[Path], tolerance: float, sha256: Sequence[str] | None = None
) -> Stack:
    """A series as a float32 LPS volume with stored values rescaled (slope and intercept).

    Args:
        paths: the series' files, in any order.
        tolerance: as in `read_grid`.
        sha256: expected hash of every file, if known.

    Raises:
        InputError: a file is no DICOM, lacks a tag, or is not what was recorded.
        SeriesError: the slices make no regular axial stack.
    """
    datasets = []
    for number, path in enumerate(paths):
        content = path.read_bytes()
        if sha256 is not None and sha256_bytes(content) != sha256[number]:
            raise InputError(f"{path}: is not the file that was recorded; delete it and run again")
        datasets.append(_parse(_buffer(content), path, specific_tags=_IMAGE_TAGS))
    grid, order, orientation = _oriented(datasets, paths, tolerance)
    array = np.empty(grid.shape, np.float32)
    # Each plane goes straight to its place: a copy of the volume costs as much as reading it.
    planes = orientation.undo(array)
    for place, number in enumerate(order):
        planes[place] = _pixels(datasets[number], paths[number])
    return Stack(Volume(array, grid.affine), grid)


def _oriented(
    datasets: Sequence[Dataset], paths: Sequence[Path], tolerance: float
) -> tuple[Grid, list[int], Orientation]:
    """The LPS grid, the files by rising distance along the normal of the raw planes, and how the
    stack of planes in that order becomes LPS."""
    planes = [_plane(dataset, path) for dataset, path in zip(datasets, paths, strict=True)]
    order = [int(number) for number in check_planes(planes, tolerance)]
    affine = stack_affine([planes[number] for number in order])
    shape = (len(order), planes[0].rows, planes[0].columns)
    orientation = lps_orientation(affine)
    upward = order[::-1] if orientation.reverse[0] else order
    grid = Grid(
        affine=oriented_affine(affine, shape, orientation),
        shape=tuple(shape[axis] for axis in orientation.axes),  # type: ignore[arg-type]
        sop_uids=tuple(str(_need(datasets[n], "SOPInstanceUID", paths[n])) for n in upward),
        instance_numbers=tuple(int(datasets[n].get("InstanceNumber") or 0) for n in upward),
        paths=tuple(str(paths[n]) for n in upward),
        frame_of_reference=str(datasets[0].get("FrameOfReferenceUID", "") or ""),
        planes=tuple(planes[n] for n in upward),
    )
    return grid, order, orientation


def _plane(dataset: Dataset, path: Path) -> Plane:
    """The geometry of an image.

    Raises:
        InputError: a tag is missing or malformed; names the file and the tag.
    """
    orientation = _numbers(dataset, "ImageOrientationPatient", 6, path)
    position = _numbers(dataset, "ImagePositionPatient", 3, path)
    spacing = _numbers(dataset, "PixelSpacing", 2, path)
    if min(spacing) <= 0:
        raise InputError(
            f"{path}: PixelSpacing is not positive; the file cannot be placed in space"
        )
    return Plane(
        orientation,
        (position[0], position[1], position[2]),
        (spacing[0], spacing[1]),
        int(_need(dataset, "Rows", path)),
        int(_need(dataset, "Columns", path)),
    )


def _plane_or_none(dataset: Dataset, path: Path) -> Plane | None:
    try:
        return _plane(dataset, path)
    except InputError:
        return None


def tesla_text(value: Any) -> str:
    """Field strength as text with one decimal (1.494 and 1.5 are the same scanner), "" if unknown."""
    return f"{float(value):.1f}" if value else ""


def _numbers(dataset: Dataset, tag: str, count: int, path: Path) -> tuple[float, ...]:
    """A tag's `count` finite numbers; InputError where it has anything else."""
    value = _need(dataset, tag, path)
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputError(
            f"{path}: {tag} is not {count} numbers; the file cannot be placed in space"
        )
    return numbers


def _need(dataset: Dataset, tag: str, path: Path) -> Any:
    """A tag's value; InputError where it is missing or empty."""
    value = dataset.get(tag)
    if value is None or value == "":
        raise InputError(f"{path}: DICOM tag {tag} is missing; exclude the file or its series")
    return value


def _parse(source: Any, path: Path, **options: Any) -> FileDataset:
    """`dcmread`, with one line of InputError for whatever it raises."""
    try:
        return dcmread(source, **options)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable DICOM file ({error}); fetch it again") from error


def _buffer(content: bytes) -> Any:
    from io import BytesIO

    return BytesIO(content)


def _pixels(dataset: FileDataset, path: Path) -> NDArray[np.generic]:
    """Pixel values (rows, columns), rescaled in float32; MONOCHROME1 is inverted. As stored where
    neither is to be done.

    Raises:
        InputError: no pixels, several frames, colour, or too few bytes.
    """
    if int(dataset.get("NumberOfFrames") or 1) > 1 or int(dataset.get("SamplesPerPixel") or 1) > 1:
        raise InputError(
            f"{path}: several frames or colour; only single-frame grey images are read"
        )
    _need(dataset, "PixelData", path)
    stored = _stored(dataset, path)
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    if not inverted and (slope, intercept) == (1, 0):
        return stored
    values = stored.astype(np.float32)
    if inverted:
        values = values.max() - values
    return values * np.float32(slope) + np.float32(intercept)


def _stored(dataset: FileDataset, path: Path) -> NDArray[np.generic]:
    """Stored values; native 16-bit pixels are viewed in place, anything else goes to pydicom."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    whole = dataset.BitsAllocated == 16 and dataset.BitsStored == 16
    if whole and dataset.file_meta.TransferSyntaxUID in _NATIVE:
        kind = "<i2" if dataset.PixelRepresentation else "<u2"
        if len(dataset.PixelData) < 2 * rows * columns:
            raise InputError(f"{path}: pixel data is cut short; fetch the file again")
        return np.frombuffer(dataset.PixelData, kind, rows * columns).reshape(rows, columns)
    try:
        return np.asarray(dataset.pixel_array)
    except (ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise InputError(f"{path}: pixels cannot be decoded ({error}); decompress it") from error
