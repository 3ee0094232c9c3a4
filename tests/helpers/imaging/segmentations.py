"""A small series of twelve slices in memory, and SEG objects that highdicom draws on it."""

import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from textbcs.base.io import InputError
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import dicom_affine
from textbcs.imaging.planes import Plane
from textbcs.imaging.segmentation import read_segmentation
from textbcs.masks.fitting import fit_segmentation

# The fuzz, which runs without the tests, has the builder.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from segmentation_objects import segmentation_object as segmentation_object

SLICES, ROWS, COLUMNS, STEP = 12, 10, 8, 2.0
SERIES, STUDY, FRAME = (generate_uid(entropy_srcs=[name]) for name in ("series", "study", "frame"))
UIDS = [generate_uid(entropy_srcs=[str(number)]) for number in range(SLICES)]
AXIAL = (1.0, 0, 0, 0, 1.0, 0)


def position(number: int) -> list[float]:
    return [-30.0, 20.0, 5.0 + STEP * number]


def image(number: int) -> Dataset:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, UIDS[number]
    one.SeriesInstanceUID, one.StudyInstanceUID, one.FrameOfReferenceUID = SERIES, STUDY, FRAME
    one.Modality, one.PatientID, one.PatientName = "MR", "P1", "P^1"
    one.PatientBirthDate = one.PatientSex = one.AccessionNumber = one.StudyID = ""
    one.StudyDate = one.StudyTime = one.ReferringPhysicianName = ""
    one.SeriesNumber, one.InstanceNumber = 1, number + 1
    one.ImageOrientationPatient, one.ImagePositionPatient = list(AXIAL), position(number)
    one.PixelSpacing, one.SliceThickness = [0.8, 0.8], STEP
    one.Rows, one.Columns, one.SamplesPerPixel = ROWS, COLUMNS, 1
    one.BitsAllocated = one.BitsStored = 16
    one.HighBit, one.PixelRepresentation, one.PhotometricInterpretation = 15, 0, "MONOCHROME2"
    one.PixelData = bytes(2 * ROWS * COLUMNS)
    return one


GRID = Grid(
    dicom_affine(AXIAL, position(0), (0.8, 0.8), [0, 0, STEP]),
    (SLICES, ROWS, COLUMNS),
    tuple(UIDS),
    tuple(range(1, SLICES + 1)),
    ("",) * SLICES,
    FRAME,
    tuple(
        Plane(AXIAL, (x, y, z), (0.8, 0.8), ROWS, COLUMNS)
        for x, y, z in (position(number) for number in range(SLICES))
    ),
)


def masks(*where: int, segments: int = 1) -> np.ndarray:
    """A patch of another place in each segment, on some slices: (slice, row, column, segment)."""
    found = np.zeros((SLICES, ROWS, COLUMNS, segments), np.uint8)
    for segment in range(segments):
        found[list(where), 2 + segment : 5 + segment, 1 : 4 + segment, segment] = 1
    return found


def seg(
    path: Path, pixels: np.ndarray, kind: str = "BINARY", labels=("Tumor",), change=None
) -> Path:
    source = [image(number) for number in range(SLICES)]
    made = segmentation_object(source, pixels, kind, labels)
    made.save_as(path)
    if change is not None:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
    return path


def fitted(path: Path, segment="Tumor", grid: Grid = GRID) -> np.ndarray:
    return fit_segmentation(read_segmentation(path, segment), grid, {SERIES}, 0.0)


def refusal(path: Path, segment="Tumor") -> str:
    with pytest.raises(InputError) as error:
        fitted(path, segment)
    said = str(error.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said
