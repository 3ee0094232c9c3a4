"""A patient's volume as it is read: her image and mask on one grid, and as the networks see them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.archives.incoming import RAW
from textbcs.archives.raw_files import restore
from textbcs.base.io import InputError, read_csv, records
from textbcs.imaging.dicom import Grid, Stack
from textbcs.imaging.geometry import spacing
from textbcs.imaging.nifti import read_mask
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_series
from textbcs.intake.series_uids import part_number
from textbcs.slices.case_lesions import Case, measure_case
from textbcs.slices.laterality import middle
from textbcs.slices.resize import SquareGrid, clip_to_unit

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


@dataclass(frozen=True)
class RecordedPatient:
    """A patient's files, small enough to travel to another process.

    Attributes:
        patient: identifier.
        files: rows of files.csv of the series that is shown, then of one to subtract if any.
        mask: her mask's file.
        mask_source: where the mask comes from.
        params: sections `slices`, `cohort` and what `restore` needs.
    """

    patient: str
    files: "tuple[pd.DataFrame, ...]"
    mask: Path
    mask_source: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Patient:
    """One patient's image and mask on one LPS grid.

    Attributes:
        name: identifier.
        series_uid: the series that gives grid and SOP instances.
        grid: that series' grid.
        intensity: (z, y, x) float32, one phase or the subtraction.
        mask: (z, y, x) uint8.
        mask_source: where the mask comes from.
    """

    name: str
    series_uid: str
    grid: Grid
    intensity: NDArray[np.float32]
    mask: NDArray[np.uint8]
    mask_source: str


@dataclass(frozen=True)
class SquarePatient:
    """A patient as the networks see her: scaled to [0, 1], each slice on the square grid.

    What makes a slice's image and mask stands here alone, for the slices of a split and for whole volumes.

    Attributes:
        patient: as she was read.
        unit: (z, y, x) float32 in [0, 1].
        grid: the square grid over each slice.
        midline: column of it that divides left and right; NaN where nothing does.
    """

    patient: Patient
    unit: NDArray[np.float32]
    grid: SquareGrid
    midline: float

    @classmethod
    def of(cls, patient: Patient, options: Mapping[str, Any], sides: str) -> "SquarePatient":
        """A patient by the parameters of `slices` and `cohort.sides`."""
        unit = clip_to_unit(patient.intensity, options["clip_percentiles"])
        step = spacing(patient.grid.affine)
        rows, cols = unit.shape[1:]
        grid = SquareGrid((rows, cols), (float(step[1]), float(step[0])), options["size"])
        return cls(patient, unit, grid, grid.column(middle(unit, sides)))

    def image(self, z: int) -> NDArray[np.float16]:
        """A slice's image (size, size) in [0, 1]."""
        return self.grid.image(self.unit[z]).astype(np.float16)

    def mask(self, z: int) -> NDArray[np.uint8]:
        """A slice's mask (size, size), 1 inside lesions."""
        return self.grid.mask(self.patient.mask[z])

    def case(self, minimum_mm3: float, sides: str) -> Case | None:
        """The lesions of the whole volume; None where none is left on the square grid.

        Where all are smaller than `minimum_mm3` they count all the same: a mask says that there are some.
        """
        masks = np.stack([self.mask(z) for z in range(len(self.unit))])
        slice_mm = float(spacing(self.patient.grid.affine)[2])
        steps = (slice_mm, self.grid.spacing, self.grid.spacing)
        found = measure_case(masks, steps, self.midline, minimum_mm3, sides)
        return found or measure_case(masks, steps, self.midline, 0.0, sides)


def recorded_patients(stage: "Stage", names: Iterable[str]) -> list[RecordedPatient]:
    """The files of patients who have a usable mask, sorted by name.

    Reads `data/cohort/series.csv`, `data/cohort/files.csv`, `data/masks`.

    Raises:
        InputError: a file is missing, or a patient has no fetched series of the phase that is shown.
    """
    series = read_csv(stage.input("data/cohort/series.csv"), ["patient", "series_uid", "phase"])
    files = read_csv(
        stage.input("data/cohort/files.csv"), ["patient", "series_uid", "path", "sha256"]
    )
    masks = read_csv(stage.input("data/masks/masks.csv"), ["patient", "source"])
    source = dict(zip(masks["patient"], masks["source"], strict=True))
    files_of = {str(uid): own for uid, own in files.groupby("series_uid")}
    uid_of = {(row["patient"], row["phase"]): row["series_uid"] for row in records(series)}
    phase = stage.params["slices"]["phase"]
    patients = []
    for name in sorted(names):
        found = []
        for role in ("post1", "pre") if phase == "sub" else (phase,):
            uid = uid_of.get((name, role))
            if uid not in files_of:
                raise InputError(
                    f"data/cohort/files.csv: patient {name} has no fetched series of phase {role}; "
                    "check cohort.phases and run the stage download again"
                )
            found.append(files_of[uid])
        mask = stage.input(f"data/masks/{name}.nii.gz")
        patients.append(RecordedPatient(name, tuple(found), mask, source[name], stage.params))
    return patients


def read_patient(source: RecordedPatient) -> Patient:
    """Read a patient's image and mask; a missing raw file is restored first.

    Raises:
        InputError: a file is missing, unreadable or not what was recorded, or grids differ.
    """
    shown, *subtracted = (_read(files, source.params) for files in source.files)
    return Patient(
        source.patient,
        str(source.files[0]["series_uid"].iloc[0]),
        shown.grid,
        _intensity(shown, subtracted[0] if subtracted else None, source.patient),
        read_mask(source.mask, shown.grid),
        source.mask_source,
    )


def _read(files: "pd.DataFrame", params: Mapping[str, Any]) -> Stack:
    restore(files, params)
    paths = [RAW / path for path in files["path"]]
    tolerance = params["cohort"]["spacing_tolerance"]
    uid = str(files["series_uid"].iloc[0])
    try:
        return read_series(paths, tolerance, files["sha256"].tolist(), part_number(uid))
    except SeriesError as error:
        raise InputError(
            f"series {uid}: {error}; exclude its patient (cohort.exclude), or choose another series"
        ) from error


def _intensity(stack: Stack, pre: Stack | None, name: str) -> NDArray[np.float32]:
    """The image that is shown to the networks: a phase, less the pre-contrast one where there is one.

    Both are float32 before they are subtracted: stored values are often unsigned and would wrap.
    """
    values = np.asarray(stack.volume.array, np.float32)
    if pre is None:
        return values
    same = pre.grid.shape == stack.grid.shape
    if not same or not np.allclose(pre.grid.affine, stack.grid.affine, atol=1e-3):
        raise InputError(
            f"patient {name}: pre and post1 lie on different grids; use slices.phase = post1 or name "
            "the other patients in cohort.patients"
        )
    return values - np.asarray(pre.volume.array, np.float32)
