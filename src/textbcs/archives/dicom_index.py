"""The DICOM files of a folder by series, and why every other file of it is not used.

One file never ends the listing of all: what is wrong with a file becomes the reason why it is left out,
and where it concerns a series, the fault of that series.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.archives.dynamic_series import split_phases
from textbcs.base.io import InputError, sha256_file
from textbcs.imaging.dicom import Header, read_header_or_reason
from textbcs.intake.damaged_slices import damaged_slices
from textbcs.intake.file_kinds import DICOM, HIDDEN, UNKNOWN, kind_of
from textbcs.intake.folder_walk import NO_PERMISSION, FoundFile, every_file, is_hidden, shown
from textbcs.intake.guard import reading
from textbcs.intake.series_uids import whole_uid

# How the reasons begin of files that were DICOM, or may have been.
_DAMAGED = ("empty file", "damaged DICOM file", NO_PERMISSION)
# The same, unless the content is of another kind: a text beside slices is no slice.
_UNTOLD = ("no DICOM file", "DICOM without SOPInstanceUID")
Key = tuple[str, str]


@dataclass
class DicomIndex:
    """The files of a folder.

    Attributes:
        series: (patient, series UID) -> headers by InstanceNumber, then SOPInstanceUID.
        faults: SeriesInstanceUID -> why none of its volumes can be used, without a file's name.
        unused: files that are left out, and why.
    """

    series: dict[Key, list[Header]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unused: list[tuple[Path, str]] = field(default_factory=list)

    def fault(self, series_uid: str) -> str:
        """Why a series, or a phase of one, cannot be used, "" if it can."""
        return self.faults.get(whole_uid(series_uid), "")


def index_folder(
    folder: Path, progress: Callable[[Iterable[Path]], Iterable[Path]] = lambda paths: paths
) -> DicomIndex:
    """Read the header of every file below a folder.

    Args:
        folder: of the archive.
        progress: wraps the files.
    """
    index = DicomIndex()
    faults = {found.path: found.fault for found in every_file(folder)}
    headers = []
    for path in progress(list(faults)):
        found: Header | str = faults[path] or (HIDDEN if is_hidden(path, folder) else "")
        found = found or read_header_or_reason(path)
        if isinstance(found, Header):
            headers.append(found)
        else:
            index.unused.append((path, found))
    grouped = _grouped(_without_copies(headers, folder, index), index)
    _blame_damaged(grouped, folder, index)
    for (patient, uid), own in grouped.items():
        for part, stack in split_phases({uid: own}).items():
            index.series[patient, part] = stack
    index.unused.sort()
    return index


def _without_copies(headers: Sequence[Header], folder: Path, index: DicomIndex) -> list[Header]:
    """One header of each instance. Which of two files with other content is right, nobody knows: their
    series have that fault."""
    seen: dict[str, Header] = {}
    for header in headers:
        known = seen.setdefault(header.sop_uid, header)
        if known is header:
            continue
        other = shown(Path(known.path), folder)
        if _same_content(known.path, header.path):
            index.unused.append((Path(header.path), f"a copy of {other}"))
            continue
        reason = "two different files have one SOPInstanceUID"
        index.unused.append(
            (Path(header.path), f"has the SOPInstanceUID of {other} and other content")
        )
        index.faults.setdefault(known.series_uid, reason)
        index.faults.setdefault(header.series_uid, reason)
        if (header.patient, header.series_uid) != (known.patient, known.series_uid):
            seen[f"{header.path} {header.sop_uid}"] = header  # its patient has to be named too
    return list(seen.values())


def _same_content(first: str, second: str) -> bool:
    try:
        with reading(second, "file"):
            return sha256_file(first) == sha256_file(second)
    except InputError:
        return False


def _grouped(headers: Iterable[Header], index: DicomIndex) -> dict[Key, list[Header]]:
    """Headers by patient and series; a series of two patients is used for neither."""
    grouped: dict[Key, list[Header]] = {}
    for header in headers:
        grouped.setdefault((header.patient, header.series_uid), []).append(header)
    owners: dict[str, int] = {}
    for (_, uid), found in grouped.items():
        found.sort(key=lambda header: (header.instance_number, header.sop_uid))
        owners[uid] = owners.get(uid, 0) + 1
        if owners[uid] > 1:
            index.faults.setdefault(
                uid, "the series belongs to several patients; correct PatientID"
            )
    return grouped


def _blame_damaged(
    grouped: Mapping[Key, Sequence[Header]], folder: Path, index: DicomIndex
) -> None:
    """Let a file that was a slice be the fault of its series, and say so beside the file."""
    damaged = {path: why for path, why in index.unused if _was_slice(path, why, folder)}
    if not damaged:
        return
    series_of = {Path(one.path): {one.series_uid} for own in grouped.values() for one in own}
    slices = damaged_slices(damaged, series_of)
    for uid, paths in slices.items():
        what = damaged[paths[0]].partition(" (")[0]
        index.faults.setdefault(uid, f"a file among its slices cannot be read: {what}")
    taken = {path for paths in slices.values() for path in paths}
    index.unused = [
        (path, f"{why}: taken for a slice, so its series is not used" if path in taken else why)
        for path, why in index.unused
    ]


def _was_slice(path: Path, why: str, folder: Path) -> bool:
    """Whether a file that is not used may have been a slice, if its name is like those of slices."""
    if why.startswith(_UNTOLD):
        return kind_of(FoundFile(path), folder) in (UNKNOWN, DICOM)
    return why.startswith(_DAMAGED)
