"""All files of a synthetic patient and their places in the archive."""

from collections.abc import Iterator
from dataclasses import dataclass

from textbcs.phantom.dicom_headers import raw_planes, uid
from textbcs.phantom.mr_series import T1_SLICES, phase_series, t1_series
from textbcs.phantom.patient import Facts, Patient
from textbcs.phantom.segmentation import segmentation
from textbcs.phantom.settings import Settings


@dataclass(frozen=True)
class Entry:
    """A file of the archive: its path below the archive folder (names carry no meaning)."""

    path: str
    content: bytes


def files(settings: Settings, patient: Patient) -> Iterator[Entry]:
    """All files of a patient."""
    facts = patient.facts
    planes = raw_planes(patient)
    study = uid(settings, facts.index, "study")
    folder = f"{facts.patient}/{study}"
    if facts.t1_name:
        series = uid(settings, facts.index, "t1")
        for number, content in t1_series(settings, patient, planes):
            yield Entry(f"{folder}/{series}/1-{number:02d}.dcm", content)
    for phase in range(len(facts.names)):
        series = uid(settings, facts.index, f"phase {phase}")
        digits = 2 + (facts.index + phase) % 2  # zero padding varies in the wild
        for number, content in phase_series(settings, patient, planes, phase):
            yield Entry(f"{folder}/{series}/1-{number:0{digits}d}.dcm", content)
    series = uid(settings, facts.index, "segmentation")
    yield Entry(f"{folder}/{series}/1-1.dcm", segmentation(settings, patient, planes))


def file_count(settings: Settings, facts: Facts) -> int:
    """How many files `files` yields for a patient."""
    t1 = T1_SLICES if facts.t1_name else 0
    return settings.slices * len(facts.names) + t1 + 1
