"""The MR series of a study, brought from a DICOMweb server into a folder, whole or not at all.

QIDO-RS says which series there are and of how many images; WADO-RS brings them. What comes is compared with
what was announced: kind, UIDs and number.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError
from textbcs.intake.spelling import plain
from textbcs.study.dicomweb.address import Address, is_address, read_address
from textbcs.study.dicomweb.multipart import AnswerError, boundary_of, parts
from textbcs.study.dicomweb.server import Server

if TYPE_CHECKING:
    from requests import Response

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_FIELDS = "00080060,00201209"
_MODALITY, _SERIES, _COUNT = "00080060", "0020000E", "00201209"
MOST_IMAGES = 20_000  # of a series
MOST_BYTES = 8 << 30  # of a series
_PREAMBLE, _MAGIC = 128, b"DICM"
_UID_TAGS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]


@dataclass(frozen=True)
class RemoteSeries:
    """A series as the server announces it.

    Attributes:
        uid: its SeriesInstanceUID.
        modality: `MR` and so on.
        images: how many; None where the server does not say.
    """

    uid: str
    modality: str
    images: int | None


@contextmanager
def local_study(
    text: str, told: Callable[[int, int | None], object] = lambda done, total: None
) -> Iterator[Path]:
    """A study as a path: the user's own, or a temporary folder into which it was brought.

    Args:
        text: a path or an address, as the user typed it.
        told: is called after every image with how many came, and of how many.

    Raises:
        InputError: no such study, or a server that misbehaves; or what the block raises, with the address in
            place of the temporary folder.
    """
    if not is_address(text):
        yield Path(text)
        return
    address = read_address(text)
    with tempfile.TemporaryDirectory(prefix="textbcs-") as folder:
        path = Path(folder) / address.study
        try:
            fetch_study(address, path, told)
            yield path
        except InputError as error:
            raise InputError(str(error).replace(str(path), address.url)) from error


def fetch_study(
    address: Address,
    folder: Path,
    told: Callable[[int, int | None], object] = lambda done, total: None,
    server: Server | None = None,
) -> None:
    """Bring the MR series of a study into a folder, an image a file.

    Raises:
        InputError: one line that says why not.
    """
    server = server or Server(address)
    series = find_series(server)
    counts = [one.images for one in series]
    total = None if None in counts else sum(count or 0 for count in counts)
    done = 0
    for number, one in enumerate(series):
        own = folder / f"{number:03d}"
        own.mkdir(parents=True)
        done += _fetch_series(server, one, own, _told_of_all(told, done, total))


def _told_of_all(
    told: Callable[[int, int | None], object], before: int, total: int | None
) -> Callable[[int], object]:
    """Takes how many images of a series came, and tells how many of all."""
    return lambda own: told(before + own, total)


def find_series(server: Server) -> list[RemoteSeries]:
    """The MR series of the study, or the one that the address names.

    Raises:
        InputError: no such study, or no MR series in it.
    """
    address = server.address
    query = {"includefield": _FIELDS}
    rows = server.listing(f"/studies/{address.study}/series", query)
    if rows is None or rows == []:
        raise InputError(f"{address.url}: the server has no such study; check the UID")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise server.fault("answers with no list of series: is it a DICOMweb address?")
    found = [_series(row) for row in rows]
    wanted = [one for one in found if one.uid and address.series in ("", one.uid)]
    if not wanted:
        raise InputError(f"{address.url}: the study has no such series; it has {len(found)} others")
    images = [one for one in wanted if one.modality in ("MR", "")]
    if not images:
        kinds = ", ".join(sorted({one.modality for one in wanted}))
        raise InputError(f"{address.url}: modality {kinds}: no MR series; name an MR study")
    return sorted(images, key=lambda one: one.uid)


def _series(row: Mapping[str, Any]) -> RemoteSeries:
    def value(tag: str) -> Any:
        cell = row.get(tag)
        values = cell.get("Value") if isinstance(cell, dict) else None
        return values[0] if isinstance(values, list) and values else None

    count = value(_COUNT)
    if isinstance(count, str) and count.strip().isdigit():
        count = int(count)
    uid = value(_SERIES)
    is_uid = isinstance(uid, str) and uid.replace(".", "").isdigit() and len(uid) <= 64
    return RemoteSeries(
        str(uid) if is_uid else "",
        plain(value(_MODALITY) or "", 16),
        count if type(count) is int and count >= 0 else None,
    )


def _fetch_series(
    server: Server, series: RemoteSeries, folder: Path, told: Callable[[int], object]
) -> int:
    """Bring a series; how many images it had."""

    def read(response: "Response") -> int:
        for path in folder.iterdir():  # of an attempt that failed
            path.unlink()
        return _write(server, response, series, folder, told)

    path = f"/studies/{server.address.study}/series/{series.uid}"
    count = server.ask("GET", path, read, headers={"Accept": _ACCEPT})
    _check_uids(server, series, folder)
    return count


def _write(
    server: Server,
    response: "Response",
    series: RemoteSeries,
    folder: Path,
    told: Callable[[int], object],
) -> int:
    """Write the parts of an answer as files; AnswerError where they are not what was announced."""
    boundary = boundary_of(response.headers.get("Content-Type", ""))
    most = MOST_IMAGES if series.images is None else series.images
    count = 0
    file = None
    try:
        for number, content in parts(server.blocks(response, MOST_BYTES), boundary):
            if number >= most:
                raise AnswerError(f"sends more than the {most} images that it announced: given up")
            if number >= count:
                if file is not None:
                    file.close()
                file = (folder / f"{number:05d}.dcm").open("wb")
                count = number + 1
                told(count)
            assert file is not None
            file.write(content)
    finally:
        if file is not None:
            file.close()
    if series.images is not None and count < series.images:
        raise AnswerError(f"sends half a series: {count} of {series.images} images")
    if not count:
        raise AnswerError("sends a series without images")
    return count


def _check_uids(server: Server, series: RemoteSeries, folder: Path) -> None:
    """InputError where a file is no DICOM or of another series, or is there twice."""
    from pydicom import dcmread

    seen: set[str] = set()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            begin = file.read(_PREAMBLE + len(_MAGIC))
        if begin[_PREAMBLE:] != _MAGIC:
            raise server.fault("sends something that is no DICOM file")
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(_UID_TAGS))
            uids = [str(header[tag].value) for tag in _UID_TAGS]
        except Exception as error:  # pydicom raises all kinds
            raise server.fault("sends a damaged DICOM file") from error
        if uids[:2] != [server.address.study, series.uid]:
            raise server.fault("sends an image of another series than was asked for")
        if uids[2] in seen:
            raise server.fault("sends an image twice")
        seen.add(uids[2])
