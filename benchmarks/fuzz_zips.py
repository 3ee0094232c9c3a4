"""Trials of the zip of a series from an archive: the undamaged files, or nothing else than them."""

import hashlib
import io
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from fuzz_damage import check, damaged, tried
from numpy.random import Generator

from textbcs.archives.incoming import RejectedError
from textbcs.archives.unpacking import unpack

_DATE = (2020, 1, 1, 0, 0, 0)
_NAMES = (
    *("../outside.dcm", "/tmp/outside.dcm", "a/b.dcm", "1-1.DCM", "con.dcm", "md5hashes.csv", ""),
    *("1-1.dcm\0.txt", "..", "x" * 300 + ".dcm", "1-1.dcm", "é.dcm", "C:\\x.dcm", "LICENSE"),
)


def series_zip(folder: Path, rng: Generator) -> str:
    """A damaged zip, or one with members that are changed, renamed or pretend to be others."""
    content = damaged(_zip(_bodies()), rng) if rng.random() < 0.6 else _rebuilt(rng)
    path, out = folder / "series.zip", folder / "out"
    out.mkdir()
    path.write_bytes(content)
    bodies = _bodies()
    _, line = tried(lambda: unpack(path, out, 3, 1 << 22), [str(path)], (RejectedError,))
    found = {one.name: one.read_bytes() for one in out.iterdir()}
    for name, body in found.items():
        check(name in bodies and body == bodies[name], f"{name} is none of the undamaged files")
    check(bool(line) or len(found) == len(bodies), f"accepted, but it gave {sorted(found)}")
    check({one.name for one in folder.iterdir()} == {"series.zip", "out"}, "a file outside")
    return line


@lru_cache
def _bodies() -> dict[str, bytes]:
    rng = np.random.default_rng(5)
    return {f"1-{n}.dcm": rng.integers(0, 4, 700).astype(np.uint8).tobytes() for n in (1, 2, 3)}


def _table(bodies: dict[str, bytes]) -> bytes:
    rows = [f"{name},{hashlib.md5(body).hexdigest()}" for name, body in bodies.items()]
    return "\n".join(["SOPInstance,MD5", *rows]).encode()


def _zip(bodies: dict[str, bytes], table: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in {**bodies, "md5hashes.csv": table or _table(bodies)}.items():
            file.writestr(zipfile.ZipInfo(name, _DATE), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _rebuilt(rng: Generator) -> bytes:
    """A zip that is whole, with a member changed."""
    bodies = dict(_bodies())
    victim = str(rng.choice(list(bodies)))
    table = _table(bodies)
    action = int(rng.integers(6))
    info = zipfile.ZipInfo(str(rng.choice(_NAMES)) if action == 0 else victim, _DATE)
    if action == 1:
        info.external_attr = int(rng.choice([0o120777, 0o040755, 0o010644, 0o100644])) << 16
    packing = zipfile.ZIP_DEFLATED
    if action == 2:
        packing = int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    body = bodies[victim]
    if action == 3:
        body = damaged(body, rng)
    if action == 4:
        table = damaged(table, rng)
    if action == 5:
        body = bytes(8 << 20)  # unpacks to far more than is listed
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as file:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, other in bodies.items():
            if name != victim:
                file.writestr(zipfile.ZipInfo(name, _DATE), other)
        file.writestr(info, body, packing)
        file.writestr(zipfile.ZipInfo("md5hashes.csv", _DATE), table)
    return buffer.getvalue()
