"""What identifies a person, for planting in an archive and for finding it where it must not be."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pydicom
from PIL import Image

CANARIES = {
    "PatientName": "CANARY^NAME",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "CANARYACCESSION",
    "OtherPatientIDs": "CANARYOTHERID",
    "PatientAddress": "CANARYSTREET 7",
    "ReferringPhysicianName": "CANARY^DOCTOR",
    "InstitutionName": "CANARYHOSPITAL",
    "StudyID": "CANARYSTUDY",
    "StudyDate": "19010204",
    "PatientComments": "CANARYCOMMENT",
    "StudyDescription": "CANARYSTUDYTEXT",
}
PRIVATE = "CANARYPRIVATE"
PLANTED = [*CANARIES.values(), PRIVATE, "CANARY"]
_PNG = b"\x89PNG\r\n\x1a\n"


def plant(archive: Path) -> None:
    """Put the canaries into every file."""
    for path in archive.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        for name, value in CANARIES.items():
            setattr(dataset, name, value)
        block = dataset.private_block(0x0011, "CANARYVENDOR", create=True)
        block.add_new(0x01, "LO", PRIVATE)
        dataset.save_as(path)


def assert_clean(where: str, content: bytes) -> None:
    """No canary in the bytes, nor in what is packed in them."""
    for place, layer in layers(where, content):
        for canary in PLANTED:
            for text in (canary.encode(), canary.encode("utf-16-le")):
                assert text not in layer, f"{place} holds {canary}"


def layers(where: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes and what is packed in them: gzip, zip (a workbook is one), PNG, in one another."""
    yield where, content
    if content.startswith(b"\x1f\x8b"):
        yield from layers(f"{where}, unpacked", gzip.decompress(content))
    elif content.startswith(b"PK\x03\x04"):
        with ZipFile(BytesIO(content)) as packed:
            for member in packed.infolist():
                yield from layers(f"{where}, {member.filename}", packed.read(member))
    elif content.startswith(_PNG):
        yield from _png(where, content)


def _png(where: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The pixels of a PNG and its compressed texts; PNG specification, 11.3.3."""
    start = len(_PNG)
    while start < len(content):
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        body = content[start + 8 : start + 8 + length]
        start += length + 12
        if kind in (b"zTXt", b"iCCP"):
            yield f"{where}, {kind.decode()}", zlib.decompress(body.split(b"\0", 1)[1][1:])
        elif kind == b"iTXt":
            keyword, rest = body.split(b"\0", 1)
            *_, text = rest[2:].split(b"\0", 2)
            yield f"{where}, iTXt", keyword + (zlib.decompress(text) if rest[0] else text)
    yield f"{where}, pixels", Image.open(BytesIO(content)).tobytes()
