"""DICOM files that tests write: MR series of single slices, and enhanced files of many frames."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

# The fuzz, which runs without the tests, has what packs pixels.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from packed_pixels import jpeg_lossless as jpeg_lossless

MR, ENHANCED = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
SPACING, STEP = (0.8, 0.7), 2.5
Change = Callable[[FileDataset, int], None]


def volume(depth: int = 5, rows: int = 6, columns: int = 7) -> Any:
    """Values (z, y, x) all of which differ, up to about 1000."""
    values = np.random.default_rng(3).permutation(depth * rows * columns)
    return values.reshape(depth, rows, columns).astype(np.uint16)


def image(pixels: Any, uid: str, series: str = "1.2.3") -> FileDataset:
    """A dataset that has what every image has; `pixels` (row, column) or (frame, row, column)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MR if pixels.ndim == 2 else ENHANCED
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
    found.StudyInstanceUID, found.SeriesInstanceUID = "1.2", series
    found.FrameOfReferenceUID = "1.2.9"
    found.PatientID, found.Modality = "p1", "MR"
    found.Rows, found.Columns = pixels.shape[-2:]
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 8 * pixels.dtype.itemsize
    found.HighBit, found.PixelRepresentation = found.BitsStored - 1, int(pixels.dtype.kind == "i")
    found.PixelData = pixels.tobytes()
    return found


def write_series(
    folder: Path,
    values: Any,
    change: Change = lambda dataset, number: None,
    first: int = 1,
    series: str = "1.2.3",
) -> list[Path]:
    """Slices of `values` (z, y, x; LPS, z rising) as files; `change` edits each by its number from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, pixels in enumerate(values, first):
        dataset = image(pixels, generate_uid(entropy_srcs=[series, str(number)]), series)
        dataset.InstanceNumber = number
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-20, -30, STEP * (number - first)]
        dataset.PixelSpacing = list(SPACING)
        change(dataset, number)
        paths.append(folder / f"IM{number:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_enhanced(
    path: Path,
    values: Any,
    places: Sequence[float],
    moments: Sequence[int] = (),
    change: Callable[[FileDataset], None] = lambda dataset: None,
) -> Path:
    """Frames of `values` (frame, y, x) at the heights `places` as one enhanced file."""
    dataset = image(values, generate_uid(entropy_srcs=[str(path)]))
    dataset.InstanceNumber, dataset.NumberOfFrames = 1, len(values)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(SPACING)
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = Items([measures])
    shared.PlaneOrientationSequence = Items([orientation])
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    frames = []
    for number, height in enumerate(places):
        frame, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-20, -30, height]
        if moments:
            content.TemporalPositionIndex = moments[number]
        frame.PlanePositionSequence = Items([position])
        frame.FrameContentSequence = Items([content])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Items(frames)
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path
