"""A synthetic patient as DICOM: one series per phase, now and then a T1 series, a segmentation.

Part of the phantom; returns bytes, writes nothing. The files are what the Duke collection has:
implicit VR little endian MR images, one study per patient, slices that rise or fall with
InstanceNumber, planes rotated by 180 degrees for GE, and a SEG object with the true mask whose frames
are in another order than the images. UIDs and bytes follow from (seed, index) alone.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    SegmentationStorage,
)

from textbcs.cohort.phantom_patient import Facts, Patient
from textbcs.cohort.phantom_settings import Settings

SEGMENT_LABEL = "Structural Tumor"
SEG_DESCRIPTION = "breast-tumor segmentation"
SEG_NUMBER = 300
_DATE, _TIME = "19900101", "120000"
_IMPLEMENTATION = "2.25.171355716911318470371428374862871351271"
_T1_SLICES = 8
_ORIGINAL = ["ORIGINAL", "PRIMARY", "OTHER"]


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


@dataclass(frozen=True)
class Entry:
    """A file of the archive: its path below the archive folder (names carry no meaning)."""

    path: str
    content: bytes


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


def files(settings: Settings, patient: Patient) -> Iterator[Entry]:
    """All files of a patient."""
    facts = patient.facts
    planes = raw_planes(patient)
    study = uid(settings, facts.index, "study")
    folder = f"{facts.patient}/{study}"
    if facts.t1_name:
        series = uid(settings, facts.index, "t1")
        for number, content in _t1_series(settings, patient, planes):
            yield Entry(f"{folder}/{series}/1-{number:02d}.dcm", content)
    for phase in range(len(facts.names)):
        series = uid(settings, facts.index, f"phase {phase}")
        digits = 2 + (facts.index + phase) % 2  # zero padding varies in the wild
        for number, content in _phase_series(settings, patient, planes, phase):
            yield Entry(f"{folder}/{series}/1-{number:0{digits}d}.dcm", content)
    series = uid(settings, facts.index, "segmentation")
    yield Entry(f"{folder}/{series}/1-1.dcm", _segmentation(settings, patient, planes))


def file_count(settings: Settings, facts: Facts) -> int:
    """How many files `files` yields for a patient."""
    t1 = _T1_SLICES if facts.t1_name else 0
    return settings.slices * len(facts.names) + t1 + 1


def _phase_series(
    settings: Settings, patient: Patient, planes: Planes, phase: int
) -> Iterator[tuple[int, bytes]]:
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


def _t1_series(settings: Settings, patient: Patient, planes: Planes) -> Iterator[tuple[int, bytes]]:
    """A series without fat suppression that is no phase of the dynamic study."""
    header = _mr_header(settings, patient, "t1")
    header.SeriesDescription = patient.facts.t1_name
    header.SeriesNumber = 2
    header.AcquisitionNumber = 1
    header.ScanOptions = ""
    chosen = np.linspace(0, len(planes.order) - 1, _T1_SLICES).round().astype(int)
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
        header.ImagePositionPatient = [_decimal(value) for value in position]
        header.SliceLocation = _decimal(position[2])
        header.PixelData = plane.tobytes()
        yield number, _encode(header, ImplicitVRLittleEndian)


def _mr_header(settings: Settings, patient: Patient, role: str) -> Dataset:
    """Everything that all instances of a series have in common."""
    facts, grid = patient.facts, patient.anatomy.grid
    header = _study_header(settings, patient)
    header.SOPClassUID = MRImageStorage
    header.SeriesInstanceUID = uid(settings, facts.index, role)
    header.ImageType = _ORIGINAL
    header.Modality = "MR"
    header.Manufacturer = facts.vendor
    header.ManufacturerModelName = facts.model
    header.SequenceVariant = "SP"
    header.ScanningSequence = "GR"
    header.MRAcquisitionType = "3D"
    header.SliceThickness = _decimal(grid.distance)
    header.SpacingBetweenSlices = _decimal(grid.distance)
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
    header.PixelSpacing = [_decimal(grid.pixel)] * 2
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = 0
    return header


def _study_header(settings: Settings, patient: Patient) -> Dataset:
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


def _decimal(value: float) -> str:
    """A number as a DICOM decimal string: at most 16 characters, no exponent."""
    return f"{value + 0.0:.4f}"


def _encode(dataset: Dataset, syntax: UID) -> bytes:
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


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _segmentation(settings: Settings, patient: Patient, planes: Planes) -> bytes:
    """The true mask as a binary DICOM SEG (PS3.3 A.51) that refers to the first post phase."""
    raw = np.ascontiguousarray(planes.raw(patient.mask)).astype(np.uint8)
    instances = np.flatnonzero(raw.any(axis=(1, 2)))
    # Frames from foot to head, whatever way the instances run.
    instances = instances[np.argsort(planes.positions[instances, 2])]
    seg = _study_header(settings, patient)
    seg.SOPClassUID = SegmentationStorage
    seg.SOPInstanceUID = uid(settings, patient.facts.index, "segmentation 1")
    seg.SeriesInstanceUID = uid(settings, patient.facts.index, "segmentation")
    seg.SeriesNumber, seg.InstanceNumber = SEG_NUMBER, 1
    seg.SeriesDescription = SEG_DESCRIPTION
    seg.Modality = "SEG"
    seg.Manufacturer, seg.ManufacturerModelName = "textbcs", "phantom"
    seg.DeviceSerialNumber, seg.SoftwareVersions = "1", "1"
    seg.ImageType = ["DERIVED", "PRIMARY"]
    seg.ContentLabel, seg.ContentDescription = "SEGMENTATION", "true mask"
    seg.ContentCreatorName = ""
    seg.LossyImageCompression = "00"
    _segment_pixels(seg, raw[instances])
    seg.SegmentSequence = Sequence([_segment()])
    _functional_groups(settings, patient, planes, instances, seg)
    return _encode(seg, ExplicitVRLittleEndian)


def _segment_pixels(seg: Dataset, frames: NDArray[np.uint8]) -> None:
    """One bit per pixel, lowest bit first, all frames in one stream (PS3.5 8.1.1)."""
    seg.SamplesPerPixel, seg.PhotometricInterpretation = 1, "MONOCHROME2"
    seg.NumberOfFrames, seg.Rows, seg.Columns = frames.shape
    seg.BitsAllocated, seg.BitsStored, seg.HighBit, seg.PixelRepresentation = 1, 1, 0, 0
    seg.SegmentationType = "BINARY"
    seg.SegmentsOverlap = "NO"
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    seg.PixelData = packed + b"\x00" * (len(packed) % 2)


def _segment() -> Dataset:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, SEGMENT_LABEL
    segment.SegmentAlgorithmType = "MANUAL"
    segment.SegmentedPropertyCategoryCodeSequence = Sequence(
        [_code("49755003", "SCT", "Morphologically Abnormal Structure")]
    )
    segment.SegmentedPropertyTypeCodeSequence = Sequence([_code("108369006", "SCT", "Neoplasm")])
    return segment


def _functional_groups(
    settings: Settings,
    patient: Patient,
    planes: Planes,
    instances: NDArray[np.int64],
    seg: Dataset,
) -> None:
    """References, dimensions, the geometry that all frames share and each frame's own."""
    index, grid = patient.facts.index, patient.anatomy.grid
    sources = {int(n): uid(settings, index, f"phase 1 {int(n) + 1}") for n in instances}
    series = Dataset()
    series.SeriesInstanceUID = uid(settings, index, "phase 1")
    series.ReferencedInstanceSequence = Sequence(
        [_reference(str(MRImageStorage), sources[int(n)]) for n in instances]
    )
    seg.ReferencedSeriesSequence = Sequence([series])
    organization = uid(settings, index, "segmentation dimensions")
    seg.DimensionOrganizationSequence = Sequence([Dataset()])
    seg.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    pointers = [(0x0062000B, 0x0062000A), (0x00200032, 0x00209113)]
    seg.DimensionIndexSequence = Sequence([_dimension(organization, *pair) for pair in pointers])
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.SliceThickness = measures.SpacingBetweenSlices = _decimal(grid.distance)
    measures.PixelSpacing = [_decimal(grid.pixel)] * 2
    plane.ImageOrientationPatient = [planes.sign, 0, 0, 0, planes.sign, 0]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    seg.SharedFunctionalGroupsSequence = Sequence([shared])
    seg.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _frame(number, planes.positions[int(n)], sources[int(n)])
            for number, n in enumerate(instances, start=1)
        ]
    )


def _dimension(organization: str, pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
    return item


def _frame(number: int, position: NDArray[np.float64], source: str) -> Dataset:
    """Functional groups of one frame: order, place, segment, image it was drawn on."""
    frame, content, place, segment = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [1, number]
    place.ImagePositionPatient = [_decimal(value) for value in position]
    segment.ReferencedSegmentNumber = 1
    image = _reference(str(MRImageStorage), source)
    image.PurposeOfReferenceCodeSequence = Sequence(
        [_code("121322", "DCM", "Source image for image processing operation")]
    )
    image.SpatialLocationsPreserved = "YES"
    derivation = Dataset()
    derivation.SourceImageSequence = Sequence([image])
    derivation.DerivationCodeSequence = Sequence([_code("113076", "DCM", "Segmentation")])
    frame.DerivationImageSequence = Sequence([derivation])
    frame.FrameContentSequence = Sequence([content])
    frame.PlanePositionSequence = Sequence([place])
    frame.SegmentIdentificationSequence = Sequence([segment])
    return frame
