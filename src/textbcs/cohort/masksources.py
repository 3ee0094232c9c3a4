"""Where a tumour mask can come from: the sources of `masks.sources`, one finder for each.

A finder says for a patient which masks its source has, without reading any; the stage takes the first
of the first source that has one. Finders read the raw DICOM files and, below `masks.nifti_directory`,
NIfTI masks; they write nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.cohort.boxes import Place
from textbcs.cohort.dicom import Grid
from textbcs.cohort.download import FILES, RAW
from textbcs.cohort.maskfit import fit_segmentation
from textbcs.cohort.segmentation import read_segmentation
from textbcs.io import InputError

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """A patient as a finder sees her.

    Attributes:
        patient: identifier.
        series, files: her rows of series.csv and files.csv.
        grid: the LPS grid of her first post-contrast series, on which masks are wanted.
        place: where her annotation box lies, or why there is none.
    """

    patient: str
    series: "pd.DataFrame"
    files: "pd.DataFrame"
    grid: Grid
    place: Place | str

    def paths(self, series_uid: str) -> list[Path]:
        """The raw files of one of her series."""
        return [RAW / path for path in self._rows(series_uid)["path"]]

    def hashes(self, series_uid: str) -> list[str]:
        """Their recorded hashes, in the same order."""
        return list(self._rows(series_uid)["sha256"])

    def phase(self, name: str) -> str:
        """Series UID of a phase.

        Raises:
            InputError: it was not fetched.
        """
        found = self.series.loc[self.series["phase"] == name, "series_uid"]
        if found.empty:
            raise InputError(f"{FILES}: patient {self.patient} has no series of phase {name}")
        return str(found.iloc[0])

    def _rows(self, series_uid: str) -> "pd.DataFrame":
        own = self.files[self.files["series_uid"] == series_uid]
        if own.empty:
            raise InputError(
                f"{FILES}: lists no file of series {series_uid}; run the download again"
            )
        return own


@dataclass(frozen=True)
class Found:
    """A mask that a source has for a patient.

    Attributes:
        source: value of the column `source`: expert, reviewed, ai or box.
        origin: UID of the SEG series, name of the NIfTI file, or `box`.
        where: what to name in a message.
        read: gives the mask on the subject's grid; may raise MisfitError and InputError.
    """

    source: str
    origin: str
    where: str
    read: Callable[[], Mask]


Finder = Callable[[Subject], Iterator[Found]]


def finders(stage: "Stage") -> list[Finder]:
    """The finders of `masks.sources`, in order of priority."""
    makers = {"dicom_seg": _dicom_seg}
    return [makers[entry["kind"]](entry, stage) for entry in stage.params["masks"]["sources"]]


def _dicom_seg(entry: Mapping[str, Any], stage: "Stage") -> Finder:
    """Segmentation series whose description matches, in the order of series.csv."""
    pattern = re.compile(entry["description"])
    max_outside = float(stage.params["masks"]["max_outside"])

    def find(subject: Subject) -> Iterator[Found]:
        rows = subject.series[subject.series["phase"] == "mask"]
        known = set(subject.series.loc[subject.series["modality"] == "MR", "series_uid"])
        for uid, description in zip(rows["series_uid"], rows["description"], strict=True):
            if pattern.search(str(description)):
                yield _segment(subject, entry, str(uid), known, max_outside)

    return find


def _segment(
    subject: Subject, entry: Mapping[str, Any], uid: str, known: set[str], max_outside: float
) -> Found:
    path = subject.paths(uid)[0]

    def read() -> Mask:
        segmentation = read_segmentation(path, entry["segment"])
        return fit_segmentation(segmentation, subject.grid, known, max_outside)

    return Found(entry["source"], uid, str(path), read)
