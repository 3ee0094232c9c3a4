"""A synthetic patient's MR series as the Duke collection has them.

Implicit VR little endian, slices that rise or fall with InstanceNumber, planes rotated by 180 degrees
for GE.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, MRImageStorage

from textbcs.phantom.dicom_headers import Planes, decimal, encode, study_header, uid
from textbcs.phantom.patient import Patient
from textbcs.phantom.settings import Settings

T1_SLICES = 8
_ORIGINAL = ["ORIGINAL", "PRIMARY", "OTHER"]


def phase_series(
    settings: Settings, patient: Patient, planes: Planes, phase: int
) -> Iterator[tuple[int, bytes]]:
    """A phase of the dynamic study: InstanceNumber and the bytes of each file."""
    facts = patient.facts
    header = _mr_header(settings, patient, f"phase {phase}")
    header.SeriesDescription = facts.names[phase]
    header.SeriesNumber = facts.numbers[phase]
    header.AcquisitionNumber = phase + 1
    header.ScanOptions = "FAST_GEMS\\FS" if facts.vendor.startswith("GE") else "FS"
    yield from _instances(
        settings,
        patient,
        header,
        f"phase {phase}",
        planes.raw(patient.phases[phase]),
        planes.positions,
    )


def t1_series(settings: Settings, patient: Patient, planes: Planes) -> Iterator[tuple[int, bytes]]:
    """A series without fat suppression that is no phase of the dynamic study."""
    header = _mr_header(settings, patient, "t1")
    header.SeriesDescription = patient.facts.t1_name
    header.SeriesNumber = 2
    header.AcquisitionNumber = 1
    header.ScanOptions = ""
    chosen = np.linspace(0, len(planes.order) - 1, T1_SLICES).round().astype(int)
    bright = planes.raw(patient.phases[0])[chosen]
    # Fat is bright here and gland dark: the ramp of the suppressed image turned round.
    top = np.uint16(np.percentile(bright, 99.5))
    body = bright > top // 12
    values = np.where(body, top - np.minimum(bright, top) // 2, bright).astype(np.uint16)
    yield from _instances(settings, patient, header, "t1", values, planes.positions[chosen])


def _instances(
    settings: Settings,
    patient: Patient,
    header: Dataset,
    role: str,
    values: NDArray[np.generic],
    positions: NDArray[np.float64],
) -> Iterator[tuple[int, bytes]]:
    """The files of a series: the header with what differs from slice to slice."""
    values = np.ascontiguousarray(values.astype("<u2", copy=False))
    header.SmallestImagePixelValue, header.LargestImagePixelValue = 0, int(values.max())
    for number, (plane, position) in enumerate(zip(values, positions, strict=True), start=1):
        header.SOPInstanceUID = uid(settings, patient.facts.index, f"{role} {number}")
        header.InstanceNumber = number
        header.ImagePositionPatient = [decimal(value) for value in position]
        header.SliceLocation = decimal(position[2])
        header.PixelData = plane.tobytes()
        yield number, encode(header, ImplicitVRLittleEndian)


def _mr_header(settings: Settings, patient: Patient, role: str) -> Dataset:
    """Everything that all instances of a series have in common."""
    facts, grid = patient.facts, patient.anatomy.grid
    header = study_header(settings, patient)
    header.SOPClassUID = MRImageStorage
    header.SeriesInstanceUID = uid(settings, facts.index, role)
    header.ImageType = _ORIGINAL
    header.Modality = "MR"
    header.Manufacturer = facts.vendor
    header.ManufacturerModelName = facts.model
    header.SequenceVariant = "SP"
    header.ScanningSequence = "GR"
    header.MRAcquisitionType = "3D"
    header.SliceThickness = decimal(grid.distance)
    header.SpacingBetweenSlices = decimal(grid.distance)
    header.RepetitionTime, header.EchoTime = "5.2", "2.4"
    header.EchoTrainLength = 1
    header.FlipAngle = "10"
    header.MagneticFieldStrength = f"{facts.tesla:g}"
    header.PatientPosition = facts.position
    header.ReconstructionDiameter = f"{facts.field_of_view:g}"
    sign = -1 if facts.vendor.startswith("GE") else 1
    header.ImageOrientationPatient = [sign, 0, 0, 0, sign, 0]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = grid.shape[1], grid.shape[2]
    header.PixelSpacing = [decimal(grid.pixel)] * 2
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = 0
    return header
