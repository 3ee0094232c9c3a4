"""Several phases in one DICOM series, told apart by what their headers say of time.

Many scanners store a dynamic study as one series in which every position occurs once a phase, or as one
enhanced file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from textbcs.imaging.dicom import Header
from textbcs.intake.series_uids import part_uid

# In this order: the first that makes complete stacks tells the phases apart.
_TIMES = ("temporal_position", "acquisition_number", "trigger_time", "acquisition_time")


def split_phases(grouped: Mapping[str, list[Header]]) -> dict[str, list[Header]]:
    """Headers by series, each series of several phases as so many series.

    Enhanced files hold the phases that their frames state. Elsewhere phases are told apart by
    TemporalPositionIdentifier, else AcquisitionNumber, TriggerTime or
    AcquisitionTime: by the first of them with which every phase has every position exactly once.
    Where none does, the series stays as it is, and its geometry is refused. The phases get the
    SeriesDescription `<description> 1`, `<description> 2` and so on by rising time, and UIDs as
    `intake.series_uids` makes them.

    Args:
        grouped: by SeriesInstanceUID, in the order of InstanceNumber.
    """
    found: dict[str, list[Header]] = {}
    for uid, headers in grouped.items():
        stacks = _phases_of_files(headers) or _stacks(headers)
        if len(stacks) < 2:
            found[uid] = list(headers)
            continue
        for number, stack in enumerate(stacks, start=1):
            found[part_uid(uid, number)] = [_renamed(header, number) for header in stack]
    return found


def _renamed(header: Header, number: int) -> Header:
    """A header as that of a part of its series."""
    return replace(
        header,
        series_uid=part_uid(header.series_uid, number),
        description=f"{header.description} {number}".strip(),
        phase=number if header.phases > 1 else 0,
    )


def _phases_of_files(headers: Sequence[Header]) -> list[list[Header]]:
    """The phases of enhanced files, each of which holds as many: every phase has all the files."""
    counts = {header.phases for header in headers}
    count = counts.pop() if len(counts) == 1 else 1
    return [list(headers)] * count if count > 1 else []


def _stacks(headers: Sequence[Header]) -> list[list[Header]]:
    """The phases of a series by rising time; none where it has one, or cannot be split."""
    places = [_places(header) for header in headers]
    every = [place for own in places for place in own]
    distinct = set(every)
    if not all(places) or len(distinct) == len(every):
        return []
    for name in _TIMES:
        stacks: dict[float | None, list[int]] = {}
        for number, header in enumerate(headers):
            stacks.setdefault(_moment(getattr(header, name)), []).append(number)
        whole = all(
            sorted(place for number in own for place in places[number]) == sorted(distinct)
            for own in stacks.values()
        )
        if None not in stacks and len(stacks) > 1 and whole:
            return [[headers[n] for n in own] for _, own in sorted(stacks.items(), key=_time)]
    return []


def _time(stack: tuple[float | None, list[int]]) -> float:
    """What phases are sorted by."""
    return stack[0] or 0.0


def _places(header: Header) -> list[tuple[float, ...]]:
    """Where a file's images lie, to a hundredth of a millimetre; none where it does not say."""
    frames = header.image.frames if header.image else ()
    planes = [frame.plane for frame in frames]
    if not planes and header.plane is not None:
        planes = [header.plane]
    return [
        tuple(round(value, 2) for value in (*plane.position, *plane.orientation))
        for plane in planes
    ]


def _moment(value: object) -> float | None:
    """A time or number of a header; None where it has none."""
    try:
        return float(str(value).strip().replace(":", ""))
    except ValueError:
        return None
