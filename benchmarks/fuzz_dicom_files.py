"""Small valid DICOM files, each of them anew the same, and damage to their elements."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from fuzz_damage import damaged
from numpy.random import Generator
from packed_pixels import jpeg_2000, jpeg_lossless
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

MR, ENHANCED = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
GOOD, OTHER = "ANNA-7Q", "BERTA_93"
POST = "contrast, 1 min"
SHAPE = (3, 8, 10)
STEP = 2.5
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
PACKED = (RLELossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian)
# JPEG Lossless where the extra `jpeg` is installed: without it nothing unpacks it.
_JPEG = {JPEG2000Lossless: jpeg_2000, JPEGLosslessSV1: jpeg_lossless}
JPEG = tuple(_JPEG)[: 2 if find_spec("gdcm") else 1]


def voxels(seed: int, shape: Sequence[int] = SHAPE) -> np.ndarray:
    """Grey values (z, y, x) all of which differ."""
    count = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(count).reshape(shape).astype(np.uint16)


@lru_cache
def series(patient: str, syntax: str, seed: int) -> tuple[bytes, ...]:
    """The files of a series of single slices."""
    found = []
    for number, pixels in enumerate(voxels(seed), start=1):
        dataset = _image(pixels, patient, seed, number)
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-20, -30, STEP * number]
        dataset.PixelSpacing = [0.8, 0.7]
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, -10
        found.append(encoded(dataset, syntax))
    return tuple(found)


@lru_cache
def enhanced(patient: str, syntax: str, seed: int) -> bytes:
    """One enhanced file of many frames."""
    pixels = voxels(seed)
    dataset = _image(pixels, patient, seed, 1)
    dataset.NumberOfFrames = len(pixels)
    shared = Dataset()
    shared.PixelMeasuresSequence = Items([_item(PixelSpacing=[0.8, 0.7], SliceThickness=STEP)])
    shared.PlaneOrientationSequence = Items([_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    transformation = _item(RescaleSlope=2, RescaleIntercept=-10, RescaleType="US")
    shared.PixelValueTransformationSequence = Items([transformation])
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    frames = []
    for number in range(len(pixels)):
        frame = Dataset()
        place = _item(ImagePositionPatient=[-20, -30, STEP * number])
        frame.PlanePositionSequence = Items([place])
        frame.FrameContentSequence = Items([_item(TemporalPositionIndex=1)])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Items(frames)
    return encoded(dataset, syntax)


def encoded(dataset: FileDataset, syntax: str) -> bytes:
    """A dataset as the bytes of a file in a transfer syntax."""
    if syntax in (RLELossless, JPEGLSLossless):
        dataset.compress(syntax, generate_instance_uid=False)
    elif pack := _JPEG.get(UID(syntax)):
        pixels = np.frombuffer(dataset.PixelData, np.uint16)
        frames = pixels.reshape(-1, dataset.Rows, dataset.Columns)
        dataset.PixelData = encapsulate([pack(one) for one in frames])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    buffer = BytesIO()
    # Where a dataset was not read from a file, the transfer syntax says how it is written.
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _image(pixels: np.ndarray, patient: str, seed: int, number: int) -> FileDataset:
    """A dataset that has what every image has."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(MR if pixels.ndim == 2 else ENHANCED)
    meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.{seed}77.5.{number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    elements = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": f"1.2.826.0.{seed}77.1",
        "SeriesInstanceUID": f"1.2.826.0.{seed}77.5",
        "FrameOfReferenceUID": f"1.2.826.0.{seed}77.9",
        "StudyDate": "20200102",
        "PatientID": patient,
        "PatientName": "",
        "Modality": "MR",
        "Manufacturer": "TEST",
        "SeriesDescription": POST,
        "SeriesNumber": 5,
        "InstanceNumber": number,
        "MagneticFieldStrength": "1.5",
        "PatientPosition": "FFP",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": pixels.tobytes(),
    }
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


_TEXTS = (
    *(b"", b"NaN", b"inf", b"-1", b"0", b"1e400", b"1e38", b"1,5", b"4A", b"9" * 20, b"1\\2"),
    *(b"1\\2\\3\\4\\5\\6\\7", b"0\\0\\0\\0\\0\\0", b"text, with comma", b"../../x", b"a\nb", b"\\"),
    *(b"1" * 70_000, b"MONOCHROME1 ", b"RGB ", b"PALETTE COLOR ", b"1.2.840.10008.1.2.4.70"),
    *(b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99", b"=cmd()"),
    *(b"ISO_IR 192", b"ISO 2022 IR 87", b"\x1b$B", b"\xff\xfe\x00", b"\x00\x00", b"\x00" * 4),
    *(b"\xff\xff", b"\xff" * 4, b"\x7f" * 4, b"\x00\x00\xc0\x7f", b"MOSAIC\\PRIMARY", b"16", b"2 "),
    *(b"MR", b"CT", b"SEG ", b"BINARY", b"FRACTIONAL", b"LABELMAP", b"\x10\x00", b"\x08\x00"),
    *(b"\x01\x00", b"0.0001", b"100000", b"-0.8\\0.7", b"-0 ", b"\xfe\xff\x00\xe0\x00\x00\x00\x00"),
)
_KINDS = (b"IS", b"DS", b"LO", b"CS", b"UI", b"US", b"FD", b"SQ", b"OB", b"UN", b"PN", b"DA", b"zz")
_CHARACTERS = Tag("SpecificCharacterSet")
_SETS = ("ISO_IR 192", "ISO_IR 100", "ISO 2022 IR 87", "nonsense", "")
_LONG = (b"SQ", b"OB", b"UN")
_ADDED = (
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleType"),
    *("ModalityLUTSequence", "NumberOfFrames", "SpecificCharacterSet", "ConcatenationUID"),
    *("TemporalPositionIdentifier", "TriggerTime", "ImageType", "StudyTime", "AcquisitionNumber"),
    *(
        "FloatPixelData",
        "SmallestImagePixelValue",
        "WindowCenter",
        "PerFrameFunctionalGroupsSequence",
    ),
    *("SliceThickness", "SpacingBetweenSlices", "AcquisitionTime", "IconImageSequence"),
)


def altered(content: bytes, rng: Generator) -> bytes:
    """A file with elements taken away, emptied, added, or with odd values."""
    dataset = pydicom.dcmread(BytesIO(content))
    buffer = BytesIO()
    try:
        patches = [_alter(dataset, number, rng) for number in range(int(rng.choice([1, 1, 2, 4])))]
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=False)
    except Exception:  # pydicom does not write every nonsense
        return damaged(content, rng)
    changed = buffer.getvalue()
    for patch in patches:
        changed = patch(changed)
    return changed


def _alter(dataset: FileDataset, number: int, rng: Generator) -> Callable[[bytes], bytes]:
    """Change an element; what is still to be done to the bytes of the file."""
    holder, tag = _chosen(dataset, rng)
    kind = rng.random()
    if kind < 0.25:
        del holder[tag]
        return bytes
    if kind > 0.85:
        tag = Tag(str(rng.choice(_ADDED)))
    value = _TEXTS[int(rng.integers(len(_TEXTS)))]
    if tag == _CHARACTERS:  # the writer itself needs it
        holder[tag] = DataElement(tag, "CS", str(rng.choice(_SETS)))
        return bytes
    label = bytes([0xA5, number]) * 7
    holder[tag] = DataElement(tag, "OB", label)
    return _patch(label, value + b"\0" * (len(value) % 2), rng)


def _chosen(dataset: FileDataset, rng: Generator) -> tuple[Dataset, Any]:
    """An element anywhere in a file, and the dataset that holds it."""
    places: list[tuple[Dataset, Any]] = []

    def collect(holder: Dataset) -> None:
        for element in holder:
            places.append((holder, element.tag))
            if element.VR == "SQ":
                for item in element.value:
                    collect(item)

    collect(dataset)
    if rng.random() < 0.1:
        collect(dataset.file_meta)
    return places[int(rng.integers(len(places)))]


def _patch(label: bytes, value: bytes, rng: Generator) -> Callable[[bytes], bytes]:
    """Put a value, and another VR, where a label stands in a file; lengths of what surrounds it may
    then be wrong, as they are in damaged files."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))] if rng.random() < 0.5 else b""
    width = int(rng.integers(4))

    def patched(content: bytes) -> bytes:
        """The file with the value."""
        place = content.find(label)
        if place < 8:
            return content
        explicit = content[place - 8 : place - 6] == b"OB"
        size = min(len(value), 0xFFFF) if width else len(value)
        if explicit and kind:
            head = kind + min(size, 0xFFFF).to_bytes(2, "little")
            if kind in _LONG:
                head = kind + b"\0\0" + size.to_bytes(4, "little")
            return content[: place - 8] + head + value + content[place + len(label) :]
        head = size.to_bytes(4, "little")
        return content[: place - 4] + head + value + content[place + len(label) :]

    return patched
