"""DICOM series: why one is no volume, and one as an LPS volume.

Geometry comes from ImagePositionPatient and ImageOrientationPatient, never from a file's name or
InstanceNumber. `dicom_images` says which elements are honoured and which make a file unusable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, sha256_bytes
from textbcs.imaging.dicom_headers import Header, read_header, read_header_or_reason, tesla_text
from textbcs.imaging.dicom_images import IMAGE_KEYWORDS, Frame, Image, read_image
from textbcs.imaging.geometry import Affine, Orientation, Volume, lps_orientation, oriented_affine
from textbcs.imaging.planes import Plane, SeriesError, check_planes, stack_affine
from textbcs.intake.dicom_parsing import DamagedError, Parsed, UnfitError, as_file, parse
from textbcs.intake.dicom_pixels import padded, rescaled, stored_values
from textbcs.intake.guard import reading

__all__ = [
    "Grid",
    "Header",
    "Stack",
    "read_grid",
    "read_header",
    "read_header_or_reason",
    "read_series",
    "series_fault",
    "tesla_text",
]

_REMEDY = "replace the file, or exclude its patient or series"


@dataclass(frozen=True)
class Grid:
    """The LPS grid of a series.

    Attributes:
        affine: LPS affine of the oriented volume.
        shape: its (z, y, x).
        sop_uids, instance_numbers: of every axial slice, by z rising. Slices of an enhanced file are
            numbered as its frames, from 1; where an InstanceNumber is missing or no number, all slices
            are numbered by z rising, from 1.
        paths: of every slice's file, by z rising.
        frame_of_reference: UID of its coordinate system.
        planes: of every slice as its file states it, by z rising.
        numbered: whether `instance_numbers` are the files' own.
    """

    affine: Affine
    shape: tuple[int, int, int]
    sop_uids: tuple[str, ...]
    instance_numbers: tuple[int, ...]
    paths: tuple[str, ...]
    frame_of_reference: str
    planes: tuple[Plane, ...] = ()
    numbered: bool = True


@dataclass(frozen=True)
class Stack:
    """A series as a volume: float32 values on its LPS grid."""

    volume: Volume
    grid: Grid


def series_fault(headers: Sequence[Header], tolerance: float) -> str:
    """Why a series can be no volume, "" if it can; in words for a table, without a file's name.

    Args:
        headers: of all its files, as `read_header_or_reason` gave them. Empty and damaged files, which
            have none, are `intake.damaged_slices`'.
        tolerance: share of the median slice distance by which distances may differ.
    """
    faulty = [header for header in headers if header.fault]
    if faulty:
        return _counted(faulty, len(headers))
    images = [header.image for header in headers if header.image is not None]
    try:
        _ordered(images, tolerance, max((header.phase for header in headers), default=0))
    except SeriesError as error:
        return str(error)
    return ""


def read_grid(paths: Sequence[Path], tolerance: float, phase: int = 0) -> Grid:
    """The LPS grid of a series from its headers alone.

    Args:
        paths: the series' files, in any order.
        tolerance: share of the median slice distance by which distances may differ.
        phase: which phase of files that hold several, from 1; 0: the only one.

    Raises:
        InputError: a file is no DICOM, is cut short, or lacks an element that every image has.
        SeriesError: the files are no slices, or make no regular axial stack.
    """
    images = []
    for path in paths:
        with reading(path, "DICOM file"):
            size = path.stat().st_size
            file = path.open("rb")
        with file:
            parsed = parse(file, size, path, IMAGE_KEYWORDS)
            try:
                images.append(read_image(parsed, file))
            except UnfitError as error:
                raise _error(path, error) from error
    return _oriented(images, paths, tolerance, phase)[0]


def read_series(
    paths: Sequence[Path], tolerance: float, sha256: Sequence[str] | None = None, phase: int = 0
) -> Stack:
    """A series as a float32 LPS volume with stored values rescaled (slope and intercept).

    Args:
        paths: the series' files, in any order.
        tolerance, phase: as in `read_grid`.
        sha256: expected hash of every file, if known.

    Raises:
        InputError: as `read_grid`, or a file is not what was recorded, or cannot be unpacked.
        SeriesError: as `read_grid`.
    """
    contents, parts, images = [], [], []
    for number, path in enumerate(paths):
        with reading(path, "DICOM file"):
            content = path.read_bytes()
        if sha256 is not None and sha256_bytes(content) != sha256[number]:
            raise InputError(f"{path}: is not the file that was recorded; delete it and run again")
        file = as_file(content)
        parsed = parse(file, len(content), path, IMAGE_KEYWORDS)
        try:
            images.append(read_image(parsed, file))
        except UnfitError as error:
            raise _error(path, error) from error
        contents.append(content)
        parts.append(parsed)
    grid, order, orientation = _oriented(images, paths, tolerance, phase)
    array = np.empty(grid.shape, np.float32)
    outside = _fill(array, orientation, order, images, parts, contents, paths)
    if outside is not None and not outside.all():
        array[outside] = array[~outside].min()
    return Stack(Volume(array, grid.affine), grid)


def _fill(
    array: NDArray[np.float32],
    orientation: Orientation,
    order: Sequence[tuple[int, Frame]],
    images: Sequence[Image],
    parts: Sequence[Parsed],
    contents: Sequence[bytes],
    paths: Sequence[Path],
) -> NDArray[np.bool_] | None:
    """Put every frame into its place of the volume (z, y, x); what lies outside the image, if any."""
    # Each plane goes straight to its place: a copy of the volume costs as much as reading it.
    planes = orientation.undo(array)
    outside: NDArray[np.bool_] | None = None
    places: dict[int, list[tuple[int, Frame]]] = {}
    for place, (number, frame) in enumerate(order):
        places.setdefault(number, []).append((place, frame))
    for number, own in places.items():
        layout = images[number].format
        stored = stored_values(parts[number], layout, contents[number], paths[number])
        for place, frame in own:
            plane = stored[frame.number]
            planes[place] = rescaled(plane, frame.slope, frame.intercept, layout)
            hidden = padded(plane, layout)
            if hidden is not None:
                outside = np.zeros(array.shape, np.bool_) if outside is None else outside
                orientation.undo(outside)[place] = hidden
    return outside


def _error(path: Path, error: UnfitError) -> Exception:
    """A damaged file is the user's to mend; one of another kind makes its series no volume."""
    if isinstance(error, DamagedError):
        return InputError(f"{path}: {error}; {_REMEDY}")
    return SeriesError(str(error))


def _counted(faulty: Sequence[Header], count: int) -> str:
    """The first file's fault, with how many of the series' files have one, and which it is."""
    first = faulty[0]
    if len(faulty) == count:
        return first.fault
    which = f", first instance {first.instance_number}" if first.instance_number else ""
    return f"{first.fault} ({len(faulty)} of {count} files{which})"


def _ordered(images: Sequence[Image], tolerance: float, phase: int) -> list[tuple[int, Frame]]:
    """Frames with the number of their file, by rising distance along the normal of the planes.

    Raises:
        SeriesError: they make no regular axial stack.
    """
    frames = [(number, frame) for number, image in enumerate(images) for frame in image.frames]
    if phase and any(len(image.temporal_positions) > 1 for image in images):
        moments = sorted({frame.temporal_position for _, frame in frames})
        if phase > len(moments):
            raise SeriesError(f"has no phase {phase}: there are {len(moments)}")
        frames = [one for one in frames if one[1].temporal_position == moments[phase - 1]]
    try:
        _check_alike(images, [frame for _, frame in frames])
        order = check_planes([frame.plane for _, frame in frames], tolerance)
    except SeriesError as error:
        if any(image.localizer for image in images):
            raise SeriesError(f"localizer: {error}") from error
        raise
    return [frames[int(place)] for place in order]


def _check_alike(images: Sequence[Image], frames: Sequence[Frame]) -> None:
    """SeriesError where slices do not share a coordinate system or the meaning of grey values."""
    if len({image.frame_of_reference for image in images} - {""}) > 1:
        raise SeriesError("several frames of reference in one series")
    formats = {image.format for image in images}
    if len({one.inverted for one in formats}) > 1:
        raise SeriesError("MONOCHROME1 and MONOCHROME2 in one series")
    if any(one.inverted for one in formats) and len({one.mirror for one in formats}) > 1:
        raise SeriesError("MONOCHROME1 with different BitsStored in one series")
    units = {frame.units for frame in frames} - {"", "US"}
    if len(units) > 1:
        raise SeriesError(
            f"grey values in several units ({', '.join(sorted(units))}) in one series"
        )


def _oriented(
    images: Sequence[Image], paths: Sequence[Path], tolerance: float, phase: int
) -> tuple[Grid, list[tuple[int, Frame]], Orientation]:
    """The LPS grid, the frames by rising distance along the normal of the raw planes, and how the
    stack of planes in that order becomes LPS."""
    order = _ordered(images, tolerance, phase)
    planes = [frame.plane for _, frame in order]
    affine = stack_affine(planes)
    shape = (len(order), planes[0].rows, planes[0].columns)
    orientation = lps_orientation(affine)
    upward = order[::-1] if orientation.reverse[0] else order
    numbers = [_number(images[n], frame) for n, frame in upward]
    numbered = None not in numbers
    grid = Grid(
        affine=oriented_affine(affine, shape, orientation),
        shape=tuple(shape[axis] for axis in orientation.axes),  # type: ignore[arg-type]
        sop_uids=tuple(images[n].sop_uid for n, _ in upward),
        instance_numbers=tuple(
            place if not numbered or number is None else number
            for place, number in enumerate(numbers, start=1)
        ),
        paths=tuple(str(paths[n]) for n, _ in upward),
        frame_of_reference=images[0].frame_of_reference,
        planes=tuple(frame.plane for _, frame in upward),
        numbered=numbered,
    )
    return grid, order, orientation


def _number(image: Image, frame: Frame) -> int | None:
    """The number of a slice: its InstanceNumber, or its frame's, None where it has none."""
    return image.instance_number if len(image.frames) == 1 else frame.number + 1
