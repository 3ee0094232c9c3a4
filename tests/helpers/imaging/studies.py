"""New studies for tests: small phantom patients as DICOM folders, edited if need be, and as volume files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from cohort_stage import small_params
from pydicom.dataset import FileDataset

from textbcs.imaging.geometry import to_ras
from textbcs.phantom.files import Entry, files
from textbcs.phantom.patient import Patient, make_patient
from textbcs.phantom.settings import Settings

Edit = Callable[[FileDataset], None]
SETTINGS = Settings.of(small_params()["phantom"])


@cache
def phantom(index: int = 1) -> Patient:
    """A synthetic patient of 10 x 48 x 48 voxels and a pre- and a post-contrast phase."""
    return make_patient(SETTINGS, index)


@cache
def _entries(index: int) -> tuple[Entry, ...]:
    return tuple(files(SETTINGS, phantom(index)))


def write_study(folder: Path, index: int = 1, edit: Edit | None = None) -> Path:
    """A patient's DICOM files; `edit` changes every one of them before it is written again."""
    for entry in _entries(index):
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content)
        if edit is not None:
            dataset = pydicom.dcmread(path)
            edit(dataset)
            dataset.save_as(path)
    return folder


def phase_paths(folder: Path, index: int = 1, phase: int = 1) -> list[Path]:
    """The files of a phase, 0 before contrast, by InstanceNumber."""
    name = phantom(index).facts.names[phase]
    paths = (folder / phantom(index).facts.patient).rglob("*.dcm")
    headers = [(path, pydicom.dcmread(path, stop_before_pixels=True)) for path in paths]
    own = [(one.InstanceNumber, path) for path, one in headers if one.SeriesDescription == name]
    return [path for _, path in sorted(own)]


def series_uid(folder: Path, index: int = 1, phase: int = 1) -> str:
    """The UID of a phase's series."""
    return str(pydicom.dcmread(phase_paths(folder, index, phase)[0]).SeriesInstanceUID)


def write_nifti(path: Path, array: Any, affine: Any, codes: tuple[int, int] = (1, 1)) -> Path:
    """A volume (i, j, k[, t]) with its LPS affine as NIfTI; `codes` are those of sform and qform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.asarray(array), None)
    image.header.set_sform(to_ras(affine), codes[0])
    image.header.set_qform(to_ras(affine), codes[1])
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path
