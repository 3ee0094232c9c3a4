"""The header of a DICOM file, or what the file is instead: the facts by which series are listed.

Nothing here raises for a stranger's file: one file must not end the listing of all.
"""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from textbcs.base.io import InputError
from textbcs.imaging.dicom_images import IMAGE_KEYWORDS, Image, read_image
from textbcs.imaging.planes import Plane
from textbcs.intake.dicom_parsing import (
    UID_TEXT,
    ForeignError,
    Parsed,
    UnfitError,
    parse,
    real,
    text,
    uid_name,
    whole,
)
from textbcs.intake.guard import why

_SEGMENTATIONS = tuple(f"1.2.840.10008.5.1.4.1.1.66.{end}" for end in ("4", "5", "7"))
_DIRECTORY = "1.2.840.10008.1.3.10"
_HEADER_KEYWORDS = (
    *("StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality", "SeriesDescription"),
    *("SeriesNumber", "Manufacturer", "PatientPosition", "MagneticFieldStrength", "StudyDate"),
    *("StudyTime", "AcquisitionNumber", "AcquisitionTime", "TriggerTime", *IMAGE_KEYWORDS),
)


@dataclass(frozen=True)
class Header:
    """What is read of a DICOM file before its pixels. Holds no name, birth date or address.

    Attributes:
        series_number, instance_number, temporal_position, acquisition_number: 0 where missing or no
            number.
        plane: its place; None where it has none of its own (a SEG, an enhanced file, a damaged one).
        study_date, study_time, acquisition_time: as DICOM writes them, "" where missing. To compare,
            never to print.
        trigger_time: ms, 0 where missing or no number.
        frames: NumberOfFrames, 0 where missing.
        phases: how many phases this one file holds: more than 1 of some enhanced files.
        phase: which of them is meant, from 1; 0: the only one.
        image: its image; None where there is none or it has a fault.
        fault: why it can be no slice of a volume, "" if it can, or if it is a segmentation.
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
    study_date: str = field(default="", repr=False)
    study_time: str = field(default="", repr=False)
    frame_of_reference: str = ""
    temporal_position: int = 0
    acquisition_number: int = 0
    trigger_time: float = 0.0
    acquisition_time: str = field(default="", repr=False)
    sop_class: str = ""
    transfer_syntax: str = ""
    frames: int = 0
    phases: int = 1
    phase: int = 0
    image: Image | None = field(default=None, repr=False)
    fault: str = ""

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The places of all its frames, in the file's order; none where there is no image."""
        return tuple(frame.plane for frame in self.image.frames) if self.image else ()


def read_header(path: Path) -> Header | None:
    """The header of a DICOM file; None where `read_header_or_reason` says why there is none."""
    found = read_header_or_reason(path)
    return None if isinstance(found, str) else found


def read_header_or_reason(path: Path) -> Header | str:
    """The header of a DICOM file, or in a few words what the file is instead. Raises nothing.

    A file without preamble and "DICM" is read where it states a SOP class and instance.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "no regular file"
        if not status.st_size:
            return "empty file"
        with path.open("rb") as file:
            return _header_or_reason(file, status.st_size, path)
    except OSError as error:
        return f"file that cannot be opened ({error.strerror or why(error)})"


def _header_or_reason(file: BinaryIO, size: int, path: Path) -> Header | str:
    """The same of an open file of `size` bytes."""
    try:
        parsed = parse(file, size, path, _HEADER_KEYWORDS)
    except ForeignError:
        return "no DICOM file"
    except InputError as error:
        return f"damaged DICOM file ({why(error.__cause__ or error)})"
    reason = _identity_fault(parsed)
    if reason:
        return reason
    image: Image | None = None
    fault = ""
    if text(parsed.dataset, "SOPClassUID") not in _SEGMENTATIONS:
        try:
            image = read_image(parsed, file)
        except UnfitError as error:
            fault = str(error)
    return _header(parsed, path, size, image, fault)


def _identity_fault(parsed: Parsed) -> str:
    """What a file is that lacks an identifier, "" where it has them all."""
    dataset, meta = parsed.dataset, parsed.dataset.file_meta
    if _DIRECTORY in (text(meta, "MediaStorageSOPClassUID"), text(dataset, "SOPClassUID")):
        return "DICOMDIR"
    uids = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    for keyword in (*uids, "PatientID", "Modality"):
        if text(dataset, keyword):
            continue
        is_image = "Image" in uid_name(text(meta, "MediaStorageSOPClassUID"))
        if parsed.pixels is None and (is_image or not (len(dataset) or len(meta))):
            return f"damaged DICOM file (cut short: it ends before {keyword})"
        return f"DICOM without {keyword}"
    wrong = [keyword for keyword in uids if not UID_TEXT.fullmatch(text(dataset, keyword))]
    return f"DICOM whose {wrong[0]} is not digits and dots" if wrong else ""


def _header(parsed: Parsed, path: Path, size: int, image: Image | None, fault: str) -> Header:
    """The header of a file whose identifiers are all there."""
    dataset = parsed.dataset
    moments = image.temporal_positions if image else ()
    alone = image.frames[0] if image and len(image.frames) == 1 else None
    moment = whole(dataset, "TemporalPositionIdentifier") or 0
    return Header(
        path=str(path),
        size=size,
        patient=text(dataset, "PatientID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        modality=text(dataset, "Modality"),
        description=text(dataset, "SeriesDescription"),
        series_number=whole(dataset, "SeriesNumber") or 0,
        instance_number=whole(dataset, "InstanceNumber") or 0,
        manufacturer=text(dataset, "Manufacturer"),
        patient_position=text(dataset, "PatientPosition"),
        tesla=tesla_text(real(dataset, "MagneticFieldStrength")),
        plane=alone.plane if alone else None,
        study_date=text(dataset, "StudyDate"),
        study_time=text(dataset, "StudyTime"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        temporal_position=moments[0] if len(moments) == 1 else moment,
        acquisition_number=whole(dataset, "AcquisitionNumber") or 0,
        trigger_time=real(dataset, "TriggerTime") or 0.0,
        acquisition_time=text(dataset, "AcquisitionTime"),
        sop_class=text(dataset, "SOPClassUID"),
        transfer_syntax=parsed.syntax,
        frames=whole(dataset, "NumberOfFrames") or 0,
        phases=max(len(moments), 1),
        image=image,
        fault=fault,
    )


def tesla_text(value: object) -> str:
    """Field strength as text with one decimal (1.494 and 1.5 are the same scanner), "" if unknown.

    Some scanners state it in gauss.
    """
    try:
        tesla = float(str(value))
    except ValueError:
        return ""
    if not np.isfinite(tesla) or tesla <= 0:
        return ""
    return f"{tesla / 10_000 if tesla >= 100 else tesla:.1f}"
