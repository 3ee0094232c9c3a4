"""DICOM objects stored on a DICOMweb server by STOW-RS, beside the study that they belong to."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.study.dicomweb.address import Address
from textbcs.study.dicomweb.server import JSON, Server, json_of

if TYPE_CHECKING:
    from requests import Response

_FAILED, _STORED, _INSTANCE, _REASON = "00081198", "00081199", "00081155", "00081197"
_LONGEST_ANSWER = 1 << 20


def store(address: Address, paths: Sequence[Path], server: Server | None = None) -> None:
    """Store files in the study of an address.

    Args:
        address: of the study.
        paths: of DICOM files of that study.
        server: of the address; for tests.

    Raises:
        InputError: a file is no DICOM, or the server did not store all of them.
    """
    from pydicom import dcmread

    server = server or Server(address)
    contents = [path.read_bytes() for path in paths]
    wanted = {
        str(dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        for path in paths
    }
    boundary, body = _multipart(contents)
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": JSON,
    }

    def read(response: "Response") -> Any:
        answer = b"".join(server.blocks(response, _LONGEST_ANSWER))
        return json_of(answer, response)

    told = server.ask("POST", f"/studies/{address.study}", read, headers=headers, data=body)
    if not isinstance(told, dict):
        raise server.fault("does not say what it stored")
    stored, failed = _instances(told, _STORED), _instances(told, _FAILED)
    if failed or not wanted <= set(stored):
        reasons = sorted({code for code in failed.values() if code})
        words = f" (reason {', '.join(reasons)} of PS3.18 I.2)" if reasons else ""
        lost = len(wanted - set(stored)) or len(failed)
        raise server.fault(f"did not store {lost} of {len(wanted)} files{words}")


def _multipart(contents: Sequence[bytes]) -> tuple[str, bytes]:
    """A boundary that occurs in none of the files, and the body."""
    boundary = hashlib.sha256(b"".join(contents)).hexdigest()[:40]
    while any(boundary.encode() in content for content in contents):
        boundary = hashlib.sha256(boundary.encode()).hexdigest()[:40]
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + content + b"\r\n" for content in contents)
    return boundary, body + f"--{boundary}--\r\n".encode()


def _instances(told: Mapping[str, Any], tag: str) -> dict[str, str]:
    """SOPInstanceUID -> reason of the items of a sequence of the answer; nothing of what has another form."""
    cell = told.get(tag)
    items = cell.get("Value", []) if isinstance(cell, dict) else []
    found: dict[str, str] = {}
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        uid, reason = (_first(item.get(name)) for name in (_INSTANCE, _REASON))
        code = f"{reason:04X}H" if type(reason) is int else ""
        found[str(uid or "")] = code
    return found


def _first(cell: Any) -> Any:
    values = cell.get("Value") if isinstance(cell, dict) else None
    return values[0] if isinstance(values, list) and values else None
