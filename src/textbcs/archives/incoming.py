"""The way in for series from the network: staged, checked, handed over, quarantined.

A series gathers in data/raw/.incoming/<series_uid>/ until every file is there and is what the archive
lists; a record beside it, data/raw/.incoming/<series_uid>.json, then names every file with its sha256,
so that a killed download neither fetches nor trusts anything twice. What fails a check moves to
data/quarantine/<series_uid>/ and is fetched again. Archives are untrusted: a name or UID becomes part
of a path only if it is plain.
"""

import fcntl
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from textbcs.archives.archive import Instance
from textbcs.archives.transfer import ChangedError, Client, TransferError
from textbcs.base.io import read_json, sha256_file, write_json
from textbcs.imaging.dicom import Header, read_header_or_reason

RAW = Path("data/raw")
INCOMING = RAW / ".incoming"
QUARANTINE = Path("data/quarantine")
UID = re.compile(r"[0-9.]{1,64}")
PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROUNDS = 3


class RejectedError(Exception):
    """A file that is not what it should be, and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(frozen=True)
class Wanted:
    """What a series has to be.

    Attributes:
        patient, series_uid: what every file must say.
        instances: how many files there must be.
        version: the archive's name of this version of the series, "" if it has none.
    """

    patient: str
    series_uid: str
    instances: int
    version: str = ""


def deliver(client: Client, wanted: Wanted, bring: Callable[[Path], None]) -> Iterator[Instance]:
    """The files of a series, fetched where they are not here already.

    Args:
        client: its waits and its `stop` apply.
        wanted: what is accepted.
        bring: puts the archive's files into a folder as `*.dcm`, goes on where an earlier call broke
            off, and raises RejectedError for a file that is not what the archive lists.

    Raises:
        TransferError: the series does not come whole and right.
    """
    if not UID.fullmatch(wanted.series_uid) or not PATIENT.fullmatch(wanted.patient):
        raise TransferError("a PatientID or SeriesInstanceUID is no plain name")
    found = _recorded(wanted)
    if found is None:
        found = _fetched(client, wanted, bring)
        shutil.rmtree(QUARANTINE / wanted.series_uid, ignore_errors=True)
    yield from found
    shutil.rmtree(INCOMING / wanted.series_uid, ignore_errors=True)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time fetches; another one waits, and then finds the files."""
    INCOMING.mkdir(parents=True, exist_ok=True)
    with (INCOMING / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


def check_md5(path: Path, expected: str) -> None:
    """Compare a file with the archive's MD5.

    Raises:
        RejectedError: it differs.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != expected.lower():
        raise RejectedError(path, "MD5 differs from the archive's")


def _fetched(client: Client, wanted: Wanted, bring: Callable[[Path], None]) -> list[Instance]:
    """Fetch and check a series; what is rejected is fetched again, some rounds long."""
    folder = INCOMING / wanted.series_uid
    folder.mkdir(parents=True, exist_ok=True)
    reason = ""
    for attempt in range(_ROUNDS):
        try:
            if attempt and client.stop.wait(client.network.backoff_s * 2**attempt):
                raise TransferError("stopped")
            bring(folder)
            return _record(_checked(folder, wanted), wanted)
        except ChangedError as error:
            reason = str(error)
        except RejectedError as error:
            reason = str(error)
            if error.path.exists():
                place = QUARANTINE / wanted.series_uid / error.path.name
                place.parent.mkdir(parents=True, exist_ok=True)
                error.path.replace(place)
                reason += f" ({place})"
    raise TransferError(f"{reason}, {_ROUNDS} times")


def _checked(folder: Path, wanted: Wanted) -> list[Header]:
    """The headers of the staged files, each of which belongs to the series."""
    headers: dict[str, Header] = {}
    for path in sorted(folder.glob("*.dcm")):
        header = read_header_or_reason(path)
        if isinstance(header, str):
            raise RejectedError(path, header)
        if (header.series_uid, header.patient) != (wanted.series_uid, wanted.patient):
            raise RejectedError(path, "a file of another series or patient")
        if not UID.fullmatch(header.sop_uid) or not UID.fullmatch(header.study_uid):
            raise RejectedError(path, "a UID is not digits and dots")
        if header.sop_uid in headers:
            raise RejectedError(path, "two files have one SOPInstanceUID")
        headers[header.sop_uid] = header
    if len(headers) != wanted.instances:
        raise TransferError(f"the archive gives {len(headers)} files of {wanted.instances}")
    return sorted(headers.values(), key=lambda one: (one.instance_number, one.sop_uid))


def _record(headers: list[Header], wanted: Wanted) -> list[Instance]:
    """Write down what was checked, before anything moves."""
    found = [
        Instance(one.sop_uid, one.instance_number, one.size, Path(one.path), sha256_file(one.path))
        for one in headers
    ]
    rows = [
        [one.sop_uid, one.instance_number, one.size, one.sha256, one.path.name] for one in found
    ]
    record = {"version": wanted.version, "files": rows}
    write_json(INCOMING / f"{wanted.series_uid}.json", record)
    return found


def _recorded(wanted: Wanted) -> list[Instance] | None:
    """The files of a recorded series where all are still here and right, else None."""
    path = INCOMING / f"{wanted.series_uid}.json"
    if not path.is_file():
        return None
    record = read_json(path)
    if record["version"] != wanted.version or len(record["files"]) != wanted.instances:
        return None
    found = []
    for sop_uid, number, size, digest, name in record["files"]:
        placed = RAW / wanted.patient / wanted.series_uid / f"{sop_uid}.dcm"
        staged = INCOMING / wanted.series_uid / name
        for path in (placed, staged):
            if path.is_file() and path.stat().st_size == size and sha256_file(path) == digest:
                found.append(Instance(sop_uid, number, size, path, digest))
                break
        else:
            return None
    return found
