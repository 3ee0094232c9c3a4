"""The back end `nifti`: volumes as NIfTI files, a folder for each patient, a file for each phase.

A file's name without its suffix takes the place of SeriesDescription, so `cohort.descriptions` says
which phase it is. NIfTI has no UIDs: a series gets one that follows from the names of folder and file.
Of a NIfTI's header only the geometry is ever used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Instance, Series
from textbcs.base.io import InputError, sha256_bytes
from textbcs.imaging.dicom import Header
from textbcs.imaging.nifti import stem

if TYPE_CHECKING:
    from textbcs.archives.transfer import Client


class NiftiArchive:
    """NIfTI files at `<patient>/<name>.nii.gz` (or .nii) below a folder."""

    client: "Client | None" = None

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.folder = Path(params["cohort"]["archive"])

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All volumes below the folder.

        Raises:
            InputError: the folder is missing or holds no volume, or two files of a patient have one
                name.
        """
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; set cohort.archive to the NIfTI files"
            )
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir())
        found = [one for folder in progress(folders) for one in _volumes(folder)]
        if not found:
            raise InputError(
                f"{self.folder}: holds no <patient>/<name>.nii.gz; put the volumes there"
            )
        return sorted(found, key=lambda one: (one.first.patient, one.first.series_uid))

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The one file of a series."""
        folder = self.folder / patient
        for one in _volumes(folder) if folder.is_dir() else []:
            if one.first.series_uid == series_uid:
                yield Instance("", 0, one.bytes, Path(one.first.path))


def _volumes(folder: Path) -> list[Series]:
    """The volumes of a patient, in the order of their names."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = stem(path)
        if name is None or not path.is_file():
            continue
        if name in files:
            raise InputError(f"{path}: as well as {files[name].name}; remove one")
        files[name] = path
    return [_series(folder.name, name, n, files[name]) for n, name in enumerate(sorted(files), 1)]


def _series(patient: str, name: str, number: int, path: Path) -> Series:
    """A file as a series; its name is the description, its UID follows from its place."""
    size = path.stat().st_size
    first = Header(
        path=str(path),
        size=size,
        patient=patient,
        study_uid=_uid(patient),
        series_uid=_uid(f"{patient}/{name}"),
        sop_uid="",
        modality="MR",
        description=name,
        series_number=number,
        instance_number=0,
        manufacturer="",
        patient_position="",
        tesla="",
        plane=None,
    )
    return Series(first, 1, size)


def _uid(text: str) -> str:
    """A UID that follows from a text, in the form that DICOM has for numbers without an owner."""
    return f"2.25.{int(sha256_bytes(text.encode())[:32], 16)}"
