"""A synthetic patient's true mask as a binary DICOM SEG object (PS3.3 A.51).

The frames run from foot to head, whatever way the images' InstanceNumbers run, so that a reader has to
place them by their position.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SegmentationStorage

from textbcs.phantom.dicom_headers import Planes, decimal, encode, study_header, uid
from textbcs.phantom.patient import Patient
from textbcs.phantom.settings import Settings

SEGMENT_LABEL = "Structural Tumor"
SEG_DESCRIPTION = "breast-tumor segmentation"
SEG_NUMBER = 300


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def segmentation(settings: Settings, patient: Patient, planes: Planes) -> bytes:
    """The true mask as a binary DICOM SEG (PS3.3 A.51) that refers to the first post phase."""
    raw = np.ascontiguousarray(planes.raw(patient.mask)).astype(np.uint8)
    instances = np.flatnonzero(raw.any(axis=(1, 2)))
    # Frames from foot to head, whatever way the instances run.
    instances = instances[np.argsort(planes.positions[instances, 2])]
    seg = study_header(settings, patient)
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
    return encode(seg, ExplicitVRLittleEndian)


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
    """The item of SegmentSequence: one neoplasm, outlined by hand."""
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
    measures.SliceThickness = measures.SpacingBetweenSlices = decimal(grid.distance)
    measures.PixelSpacing = [decimal(grid.pixel)] * 2
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
    place.ImagePositionPatient = [decimal(value) for value in position]
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
