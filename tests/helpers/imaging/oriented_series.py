"""MR series on planes of any orientation, with a blob marked in each image's own rows and columns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from dicom_files import write_enhanced, write_series
from scipy.ndimage import gaussian_filter

from textbcs.imaging.dicom import Grid, read_series

TOLERANCE = 0.05
STEP = 2.5
# On the mark of the blob in the pixels.
MARKED = 900


def turned(cosines: tuple[float, ...], about_x: float, about_y: float) -> tuple[float, ...]:
    """Direction cosines turned about the axes x and then y of the patient, in degrees."""
    a, b = np.radians([about_x, about_y])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    both = np.reshape(cosines, (2, 3)) @ (y @ x).T
    return tuple(float(f"{value:.10f}") for value in both.ravel())


SIEMENS, GE = (1.0, 0, 0, 0, 1.0, 0), (-1.0, 0, 0, 0, -1.0, 0)
# How rows and columns run: towards the patient's left and back (as Siemens writes a patient on her front),
# both against that (as GE does), one of them, rows and columns exchanged, and each of some turned.
AXIAL = {
    "siemens": SIEMENS,
    "ge": GE,
    "feet_first_on_the_back": (-1.0, 0, 0, 0, 1.0, 0),
    "feet_first_on_the_front": (1.0, 0, 0, 0, -1.0, 0),
    "on_the_side": (0, 1.0, 0, -1.0, 0, 0),
    "rows_and_columns_exchanged": (0, 1.0, 0, 1.0, 0, 0),
    "siemens_oblique": turned(SIEMENS, 17, -8),
    "ge_oblique": turned(GE, -21, 12),
    "feet_first_oblique": turned((-1.0, 0, 0, 0, 1.0, 0), 9, 14),
}
OTHER_PLANES = {"sagittal": (0, 1.0, 0, 0, 0, -1.0), "coronal": (1.0, 0, 0, 0, 0, -1.0)}


@dataclass(frozen=True)
class Made:
    """A series and its blob.

    Attributes:
        paths: its files, in the order of their InstanceNumber.
        grid: as `read_series` gives it.
        mask: (z, y, x) bool on the grid: where the volume that was read is marked.
        marked: SOPInstanceUID (and frame's number, 0 in a file of one) to the blob in the image's own
            (rows, columns): what was drawn, before anything was read.
    """

    paths: list[Path]
    grid: Grid
    mask: np.ndarray
    marked: dict[tuple[str, int], np.ndarray]


def blob(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """A random blob without symmetry that reaches some faces of its volume; an image or two are empty."""
    rng = np.random.default_rng(seed)
    found = gaussian_filter(rng.normal(size=shape), 1.0) > 0.15
    found[rng.permutation(shape[0])[:2]] = False
    return found


def made(
    folder: Path,
    orientation: tuple[float, ...],
    shape: tuple[int, int, int] = (6, 9, 8),
    rising: bool = True,
    seed: int = 1,
    change: Callable[[pydicom.Dataset], None] = lambda dataset: None,
) -> Made:
    """A series of single images.

    Args:
        folder: where it is written.
        orientation: ImageOrientationPatient.
        shape: images, rows, columns.
        rising: whether images lie along the normal of their planes in the order of their numbers.
        seed: of the blob.
        change: what else is done to each file.
    """
    drawn = blob(shape, seed)
    normal = np.cross(orientation[:3], orientation[3:]) * (STEP if rising else -STEP)

    def place(dataset: Any, number: int) -> None:
        dataset.ImageOrientationPatient = list(orientation)
        position = np.array([-31.5, 12.25, -40.0]) + normal * (number - 1)
        dataset.ImagePositionPatient = [f"{value:.9f}" for value in position]
        dataset.SliceThickness = STEP
        dataset.PatientName, dataset.PatientSex, dataset.PatientBirthDate = "Roe^Jane", "F", ""
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200102", "101112.5", "7"
        dataset.SeriesDate, dataset.SeriesTime = "20200102", "102030"
        change(dataset)

    paths = write_series(folder, np.where(drawn, MARKED, 1).astype(np.uint16), place)
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in paths]
    marked = {(uid, 0): image for uid, image in zip(uids, drawn, strict=True)}
    stack = read_series(paths, TOLERANCE)
    return Made(paths, stack.grid, stack.volume.array == MARKED, marked)


def made_enhanced(folder: Path, falling: bool, seed: int = 1) -> Made:
    """One enhanced file of two phases of five frames each, mixed; the second phase is read."""
    drawn = blob((5, 6, 7), seed)
    heights = np.arange(5) * STEP * (-1 if falling else 1)
    places, moments, values = [], [], []
    for height, image in zip(heights, drawn, strict=True):
        places += [height, height]
        moments += [1, 2]
        values += [np.ones_like(image, np.uint16), np.where(image, MARKED, 1).astype(np.uint16)]
    folder.mkdir(parents=True)
    path = write_enhanced(folder / "enhanced.dcm", np.stack(values), places, moments)
    uid = str(pydicom.dcmread(path).SOPInstanceUID)
    stack = read_series([path], TOLERANCE, phase=2)
    marked = {(uid, 2 * (number + 1)): image for number, image in enumerate(drawn)}
    return Made([path], stack.grid, stack.volume.array == MARKED, marked)
