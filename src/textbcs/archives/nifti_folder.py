"""The back end `nifti`: volumes as files, a folder for each patient, nnU-Net's layout, or BIDS.

A file's name without its suffix takes the place of SeriesDescription, so `cohort.descriptions` says
which phase it is; nnU-Net's is its channel (`_0000`), that of BIDS begins after subject and session.
A file of several time points is as many series, `<name> 1`, `<name> 2` and so on. Such files have no
UIDs: a series gets one that follows from the names of patient, session and file. Of a header only the
geometry is ever used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import Instance, Series
from textbcs.archives.nifti_layouts import Found, VolumeFile, find_volumes
from textbcs.base.io import InputError, sha256_bytes
from textbcs.imaging.dicom import Header
from textbcs.imaging.volume_files import phases
from textbcs.intake.series_uids import part_uid, whole_uid

if TYPE_CHECKING:
    from textbcs.archives.transfer import Client


class NiftiArchive:
    """Volumes below a folder in the layout that `cohort.layout` names."""

    client: "Client | None" = None

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.folder = Path(params["cohort"]["archive"])
        self.own_folder: Path | None = self.folder
        self.layout = str(params["cohort"]["layout"])
        self._found: Found | None = None

    def series(self, progress: Callable[[Iterable[Path]], Iterable[Path]]) -> list[Series]:
        """All volumes below the folder; one that cannot be used says why in `fault`.

        Raises:
            InputError: the folder is missing, holds no volume, or has several layouts.
        """
        numbers: dict[str, int] = {}
        made = []
        files = {one.path: one for one in self._files().volumes}
        for path in progress(list(files)):
            one = files[path]
            numbers[one.patient] = numbers.get(one.patient, 0) + 1
            made += _series(one, numbers[one.patient])
        return sorted(made, key=lambda one: (one.first.patient, one.first.series_uid))

    def unused(self) -> list[tuple[Path, str]]:
        """The files below the folder that are no volume of the layout, and why.

        Raises:
            InputError: as `series`.
        """
        return self._files().unused

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The one file of a series, whole where the series is one of its time points."""
        for one in self._files().volumes:
            if one.patient == patient and _series_uid(one) == whole_uid(series_uid):
                yield Instance("", 0, one.path.stat().st_size, one.path)

    def _files(self) -> Found:
        """The files of the folder, which is searched once per process."""
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; set cohort.archive to the NIfTI files"
            )
        if self._found is None:
            self._found = find_volumes(self.folder, self.layout)
        return self._found


def _series(one: VolumeFile, number: int) -> list[Series]:
    """A file as a series, or as one for each of its time points."""
    size, fault, count = one.path.stat().st_size, one.fault, 1
    if not fault:
        try:
            count = phases(one.path)
        except InputError as error:
            fault = str(error).removeprefix(f"{one.path}: ")
    uid = _series_uid(one)
    if count == 1:
        return [
            Series(_header(one, uid, one.name, number), 1, size, visit=one.session, fault=fault)
        ]
    return [
        Series(
            _header(one, part_uid(uid, n), f"{one.name} {n}", number),
            1,
            size,
            visit=one.session,
            fault=fault,
        )
        for n in range(1, count + 1)
    ]


def _header(one: VolumeFile, series_uid: str, description: str, number: int) -> Header:
    """What stands for a DICOM header."""
    place = [one.patient, one.session] if one.session else [one.patient]
    return Header(
        path=str(one.path),
        size=one.path.stat().st_size,
        patient=one.patient,
        study_uid=_uid("/".join(place)),
        series_uid=series_uid,
        sop_uid="",
        modality="MR",
        description=description,
        series_number=number,
        instance_number=0,
        manufacturer="",
        patient_position="",
        tesla="",
        plane=None,
    )


def _series_uid(one: VolumeFile) -> str:
    """The UID of a file as a series; it follows from the names of patient, session and file."""
    place = [one.patient, one.session] if one.session else [one.patient]
    return _uid("/".join([*place, one.name]))


def _uid(text: str) -> str:
    """A UID that follows from a text, in the form that DICOM has for numbers without an owner."""
    return f"2.25.{int(sha256_bytes(text.encode())[:32], 16)}"
