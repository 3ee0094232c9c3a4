"""The phantom's archive: a folder whose files can be made again from the seed.

Reads the archive folder; writes a patient's files there when they are missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.archives.archive import FolderArchive, Instance, instances
from textbcs.archives.dicom_index import DicomIndex, index_folder
from textbcs.base.folders import walk
from textbcs.base.io import InputError, write_bytes
from textbcs.phantom.files import file_count, files
from textbcs.phantom.patient import draw_facts, make_patient
from textbcs.phantom.settings import Settings

FOLDER = Path("data/phantom/archive")


class PhantomArchive(FolderArchive):
    """A folder archive that regenerates the patients it lacks."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__({"cohort": {"archive": FOLDER}})
        self.own_folder = None
        self._section = params.get("phantom", {})
        self._patient: tuple[str, DicomIndex] = ("", DicomIndex())

    def fetch(self, patient: str, series_uid: str) -> Iterator[Instance]:
        """The files of a series, made again if the folder lacks some."""
        if self._patient[0] != patient:
            self._patient = (patient, self._complete(patient))
        return instances(self._patient[1].series.get((patient, series_uid), []))

    def unused(self) -> list[tuple[Path, str]]:
        """Nothing: the folder holds what the stage `phantom` wrote."""
        return []

    def _complete(self, patient: str) -> DicomIndex:
        """The files of a patient, after missing ones were written again."""
        prefix, _, number = patient.rpartition("_")
        if prefix != "Breast_MRI" or not number.isdigit():
            raise InputError(f"{self.folder}: {patient!r} is no patient of the phantom")
        folder = self.folder / patient
        index, settings = int(number), Settings.of(self._section)
        if len(list(walk(folder))) < file_count(settings, draw_facts(settings, index)):
            for entry in files(settings, make_patient(settings, index)):
                write_bytes(self.folder / entry.path, entry.content, durable=False)
        return index_folder(folder)
