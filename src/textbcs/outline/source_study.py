"""What a derived DICOM object takes from the images that it was made of, and nothing else.

Of patient and study, only what the modules Patient and General Study require (types 1 and 2 of PS3.3
C.7.1.1 and C.7.2.1). No comment, no description, no institution, no other identifier and no private
element of the source is read, so none can be passed on. Names are written in UTF-8, whatever the source
is written in.
"""

import re
import uuid
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.imaging.dicom import Grid
from textbcs.intake.dicom_parsing import parse, text
from textbcs.intake.guard import reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID"),
    "AccessionNumber",
)
UTF_8 = "ISO_IR 192"
_MOMENTS = tuple(
    (f"{what}Date", f"{what}Time") for what in ("Series", "Acquisition", "Content", "Study")
)
_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "NumberOfFrames", *REQUIRED),
    *(keyword for moment in _MOMENTS[:3] for keyword in moment),
)
_NO_MOMENT = ("19000101", "000000")
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")


def read_sources(grid: Grid) -> list["Dataset"]:
    """The headers of the files of a grid, each once; only the elements that are used here.

    Raises:
        InputError: a file is no DICOM, or has become unreadable.
    """
    found: list[Dataset] = []
    for name in dict.fromkeys(grid.paths):
        path = Path(name)
        with reading(path, "DICOM file"), path.open("rb") as file:
            found.append(parse(file, path.stat().st_size, path, _KEYWORDS).dataset)
    return found


def by_slice(sources: Sequence["Dataset"], grid: Grid) -> list["Dataset"]:
    """The source of every slice of a grid, by z rising; an enhanced file stands there many times.

    Raises:
        InputError: the grid is of no DICOM series, a slice's image is not among the sources, they are of
            several studies or series, or state no frame of reference.
    """
    found = {text(source, "SOPInstanceUID"): source for source in sources}
    where = Path(grid.paths[0]).parent if grid.paths else Path()
    if not all(grid.sop_uids):
        raise InputError(
            f"{where}: no DICOM images, so no DICOM object can refer to them; use the NIfTI files"
        )
    missing = [
        path for uid, path in zip(grid.sop_uids, grid.paths, strict=True) if uid not in found
    ]
    if missing:
        raise InputError(
            f"{missing[0]}: is not among the images that are referred to; copy it again"
        )
    slices = [found[uid] for uid in grid.sop_uids]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        if len(values := {text(one, keyword) for one in slices}) != 1 or "" in values:
            raise InputError(
                f"{where}: the images have not one {keyword}; name the series that is meant"
            )
    if not grid.frame_of_reference:
        raise InputError(
            f"{where}: the images state no FrameOfReferenceUID, so no DICOM object can be placed on them;"
            " use the NIfTI files"
        )
    return slices


def take_required(target: "Dataset", source: "Dataset") -> None:
    """Set the patient and study of a derived object, and no time at which it was made.

    ContentDate and ContentTime are the source's, as `moment` finds them: the same input gives the same
    bytes. InstanceCreationDate and InstanceCreationTime are optional and left out.
    """
    # pydicom's warnings quote values, and a value may be a name.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.SpecificCharacterSet = UTF_8
        for keyword in REQUIRED:
            setattr(target, keyword, text(source, keyword))
        target.ContentDate, target.ContentTime = moment(source)
    for keyword in (
        "InstanceCreationDate",
        "InstanceCreationTime",
        "ContributingEquipmentSequence",
    ):
        if keyword in target:
            delattr(target, keyword)


def moment(source: "Dataset") -> tuple[str, str]:
    """Date and time of the source's series, else acquisition, content or study; 1900-01-01 if none.

    A time that is missing or unusable is midnight.
    """
    for date, time in _MOMENTS:
        if _DATE.fullmatch(stated := text(source, date)):
            clock = text(source, time)
            return stated, clock if _TIME.fullmatch(clock) else _NO_MOMENT[1]
    return _NO_MOMENT


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that follows from `parts` alone, by a name-based UUID (RFC 4122)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join(('textbcs outline', *parts))).int}"


def line(value: str, most: int) -> str:
    """A text as a DICOM value of one line: no control character or backslash, at most `most` long."""
    plain = "".join(one if one.isprintable() and one != "\\" else " " for one in value)
    return plain.strip()[:most].strip()


def encoded(dataset: "Dataset") -> bytes:
    """A derived object as the bytes of a DICOM file."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
