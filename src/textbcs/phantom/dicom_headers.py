"""What all DICOM files of a synthetic patient share: UIDs, planes, patient and study, encoding.

UIDs and bytes follow from (seed, index) alone.
"""

import hashlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

from textbcs.phantom.patient import Patient
from textbcs.phantom.settings import Settings

_DATE, _TIME = "19900101", "120000"
_IMPLEMENTATION = "2.25.171355716911318470371428374862871351271"


@dataclass(frozen=True)
class Planes:
    """The raw planes of a patient: which plane of the LPS volume is which instance, and where.

    Attributes:
        sign: +1, or -1 where rows and columns run against +L and +P (GE).
        order: LPS slice index of each instance, by InstanceNumber.
        positions: (n, 3) ImagePositionPatient by InstanceNumber.
    """

    sign: int
    order: NDArray[np.int64]
    positions: NDArray[np.float64]

    def raw(self, volume: NDArray[np.generic]) -> NDArray[np.generic]:
        """An LPS volume (z, y, x) as raw planes (instance, row, column)."""
        return volume[self.order][:, :: self.sign, :: self.sign]


def uid(settings: Settings, index: int, role: str) -> str:
    """A UID of the root 2.25 (ITU-T X.667) that is a function of seed, patient and role."""
    text = f"textbcs phantom {settings.seed} {index} {role}"
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"


def raw_planes(patient: Patient) -> Planes:
    """How the patient's volume is cut into instances."""
    grid, facts = patient.anatomy.grid, patient.facts
    depth = grid.shape[0]
    order = np.arange(depth) if facts.rising else np.arange(depth)[::-1]
    sign = -1 if facts.vendor.startswith("GE") else 1
    corner = [float(axis.ravel()[0 if sign > 0 else -1]) for axis in (grid.x, grid.y)]
    height = grid.z.ravel().astype(np.float64)[order]
    positions = np.stack([np.full(depth, corner[0]), np.full(depth, corner[1]), height], axis=1)
    return Planes(sign, order, np.round(positions, 4))


def study_header(settings: Settings, patient: Patient) -> Dataset:
    """Patient, study and frame of reference."""
    facts = patient.facts
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = _DATE
    header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = _TIME
    header.AccessionNumber = ""
    header.ReferringPhysicianName = ""
    header.StudyDescription = "MRI BREAST BILATERAL W/WO"
    header.BodyPartExamined = "BREAST"
    header.PatientName = header.PatientID = facts.patient
    header.PatientBirthDate = ""
    header.PatientSex = "F"
    header.PatientAge = f"{int(facts.age_days / 365.25):03d}Y"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "synthetic patient"
    header.StudyInstanceUID = uid(settings, facts.index, "study")
    header.StudyID = ""
    header.FrameOfReferenceUID = uid(settings, facts.index, "frame of reference")
    header.PositionReferenceIndicator = ""
    return header


def decimal(value: float) -> str:
    """A number as a DICOM decimal string: at most 16 characters, no exponent."""
    return f"{value + 0.0:.4f}"


def encode(dataset: Dataset, syntax: UID) -> bytes:
    """A dataset as the bytes of a DICOM file."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "TEXTBCS"
    buffer = BytesIO()
    file = FileDataset(buffer, dataset, file_meta=meta, preamble=b"\x00" * 128)
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
