"""Identifiers of the phases that lie together in one DICOM series or one file of four axes.

A part of a series is called `<SeriesInstanceUID>-<number>`. A hyphen stands in no UID, so such a name
meets that of no other series, and the series that a segmentation refers to can be read from it.
"""


def part_uid(series_uid: str, number: int) -> str:
    """The identifier of a part of a series; `number` counts from 1."""
    return f"{series_uid}-{number}"


def whole_uid(series_uid: str) -> str:
    """The SeriesInstanceUID that the files of a series, or of a part of one, bear."""
    return series_uid.partition("-")[0]


def part_number(series_uid: str) -> int:
    """Which part of its series it is, from 1; 0 where it is a whole series."""
    number = series_uid.partition("-")[2]
    return int(number) if number.isdecimal() else 0
