"""A new study read: the image that a network is shown, prepared by the code that prepared the training's.

A study has no mask; its `Patient` has an empty one, so that `slices.volume_cutting.whole_volume` and whatever
else takes a patient can be used as it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging import volume_files
from textbcs.imaging.dicom import Grid, Stack
from textbcs.slices.patient_volumes import Patient
from textbcs.study.acquisition import Acquisition
from textbcs.study.body import body_doubts, body_fault
from textbcs.study.dicom_study import Progress, find_dicom, index_of
from textbcs.study.study_files import SUBTRACTION, PhaseFiles, StudyFiles, Wish
from textbcs.study.volume_study import find_file, find_in_folder, volume_paths

_SAME_GRID_MM = 1e-3
NAME = "study"  # of every patient in use: who she is, no result says


@dataclass(frozen=True)
class Study:
    """A study on its LPS grid.

    Attributes:
        files: where it comes from.
        patient: what the network is shown; her mask is empty, her name says nothing.
        acquisition: facts of its headers and grid.
        doubts: why there may be no breast in it, a sentence each.
    """

    files: StudyFiles
    patient: Patient
    acquisition: Acquisition
    doubts: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the user calls it: the folder's or the file's name. For messages, never for results."""
        return study_name(self.files.path)

    @property
    def grid(self) -> Grid:
        """The LPS grid of the phase that is shown."""
        return self.patient.grid

    def phases(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Every phase that can be read and lies on the grid, (z, y, x), one in memory at a time."""
        order = sorted(self.files.phases, key=lambda name: (name != "pre", name))
        for name in order:
            if name == self.files.shown:
                yield name, self.patient.intensity
                continue
            try:
                stack = self.files.phases[name].stack()
            except InputError:
                continue
            if _same_grid(stack.grid, self.grid):
                yield name, np.asarray(stack.volume.array, np.float32)


def study_name(path: Path) -> str:
    """The name of a study's folder, or of its file without suffix."""
    resolved = path.resolve()
    return volume_files.stem(resolved) or resolved.name


def find_study(path: Path, wish: Wish, progress: Progress = lambda paths: paths) -> StudyFiles:
    """Find the phases of a study; reads headers alone.

    Args:
        path: a DICOM folder or file, a NIfTI or NRRD file, or a folder of such files, one a phase.
        wish: which image of it is wanted.
        progress: wraps the files whose headers are read.

    Raises:
        InputError: one line that says why there is no study, or which of several to choose.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; name a DICOM folder or a volume file")
    if reason := volume_files.not_read(path):
        raise InputError(f"{path}: {reason}")
    if path.is_file() and volume_files.stem(path) is not None:
        _no_study_uid(path, wish.study_uid)
        return find_file(path, wish)
    index = index_of(path, progress)
    volumes = volume_paths(path) if path.is_dir() and not index.series else []
    if volumes:
        _no_study_uid(path, wish.study_uid)
        return find_in_folder(path, volumes, wish)
    return find_dicom(path, index, wish)


def _no_study_uid(path: Path, study_uid: str) -> None:
    if study_uid:
        raise InputError(f"{path}: --study chooses among DICOM studies; a volume file has none")


def read_study(files: StudyFiles) -> Study:
    """Read a study's image.

    Raises:
        InputError: a file is damaged, phases lie on different grids, or there is no body in the image.
    """
    shown, *subtracted = files.needed
    stack = shown.stack()
    if fault := body_fault(stack.volume.array):
        raise InputError(f"{files.path}: {fault}")
    acquisition = Acquisition.of(stack.grid, shown.first)
    patient = Patient(
        name=NAME,
        series_uid=shown.first.series_uid if shown.first else "",
        grid=stack.grid,
        intensity=_intensity(files.path, stack, subtracted),
        mask=np.zeros(stack.grid.shape, np.uint8),
        mask_source="",
    )
    return Study(files, patient, acquisition, tuple(body_doubts(stack.volume.array)))


def _intensity(path: Path, stack: Stack, subtracted: Iterable[PhaseFiles]) -> NDArray[np.float32]:
    """The image that is shown: a phase, less the pre-contrast one where there is one, in float32."""
    values = np.asarray(stack.volume.array, np.float32)
    for one in subtracted:
        pre = one.stack()
        if not _same_grid(pre.grid, stack.grid):
            raise InputError(
                f"{path}: {one.phase} and post1 lie on different grids, so that {SUBTRACTION} cannot be "
                "made; choose other series with --series PHASE=NAME"
            )
        values = values - np.asarray(pre.volume.array, np.float32)
    return values


def _same_grid(one: Grid, other: Grid) -> bool:
    return one.shape == other.shape and np.allclose(one.affine, other.affine, atol=_SAME_GRID_MM)
