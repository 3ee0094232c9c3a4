"""Trials of 2-D images and drawn masks, through the import of a folder."""

import contextlib
import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from fuzz_damage import check, check_equal, check_line, damaged
from numpy.random import Generator
from PIL import Image

from textbcs.base.io import InputError
from textbcs.commands.image_folders import pair_up
from textbcs.commands.import_images import Options, import_images

_SIZE = (13, 11)  # rows, columns


def png(folder: Path, rng: Generator) -> str:
    """A damaged PNG: the undamaged pixels; where its chunks are changed with right checksums, Pillow's."""
    kind = str(rng.choice(["8", "16", "palette", "mask"]))
    whole = _picture("png", kind)
    if rng.random() < 0.5:
        return _judge(folder, "png", kind, damaged(whole, rng), whole)
    changed = _chunks_changed(whole, rng)
    return _judge(folder, "png", kind, changed, changed)


def others(folder: Path, rng: Generator) -> str:
    """A damaged TIFF, JPEG or BMP, which have no checksum: Pillow's pixels of the damaged bytes."""
    suffix = str(rng.choice(["tif", "jpg", "bmp"]))
    kind = str(rng.choice(["8", "16", "mask"] if suffix == "tif" else ["8", "mask"]))
    content = damaged(_picture(suffix, kind), rng)
    return _judge(folder, suffix, kind, content, content)


def _judge(folder: Path, suffix: str, kind: str, content: bytes, truth: bytes) -> str:
    """Import a folder of two images, one of whose files is damaged."""
    images, masks, out = folder / "images", folder / "masks", folder / "out"
    images.mkdir()
    masks.mkdir()
    for name in ("anna", "berta"):
        (images / f"{name}.png").write_bytes(_picture("png", "8"))
        (masks / f"{name}.png").write_bytes(_picture("png", "mask"))
    place = masks if kind == "mask" else images
    (place / "berta.png").unlink()
    path = place / f"berta.{suffix}"
    path.write_bytes(content)
    said, lines = io.StringIO(), io.StringIO()
    bright = 127.0 if kind == "mask" and suffix == "jpg" else None
    options = Options(0.5, False, bright)
    try:
        with contextlib.redirect_stderr(lines), contextlib.redirect_stdout(said):
            import_images(pair_up(images, masks), out, options)
    except InputError as error:
        check_line(str(error))
        problems = [line for line in lines.getvalue().splitlines() if "berta" in line]
        check(bool(problems), f"no line names the file: {lines.getvalue()!r}")
        for line in problems:
            check_line(line)
        left = {one.name for one in folder.iterdir()}
        check(left == {"images", "masks"}, f"{left} are left after a refusal")
        return problems[0]
    if kind == "mask":
        found = _read(out / "masks/berta.nii.gz")
        check_equal(found, _inside(truth, bright), "mask")
    else:
        check_equal(_read(out / "images/berta/image.nii.gz"), _grey(truth), "pixels")
    check_equal(
        _read(out / "images/anna/image.nii.gz"), _grey(_picture("png", "8")), "another image"
    )
    return ""


def _read(path: Path) -> np.ndarray:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj)[:, :, 0].T


def _grey(content: bytes) -> np.ndarray:
    """Pillow's grey values."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    values = np.asarray(image)
    return values if values.ndim == 2 else values[..., 0]


def _inside(content: bytes, bright: float | None) -> np.ndarray:
    """Pillow's mask: what is not black, or brighter than a threshold; transparent is outside."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    values = np.asarray(image)
    if values.ndim == 2:
        return values > (bright or 0)
    opaque = (
        values[..., -1] > 0 if image.mode in ("LA", "RGBA") else np.ones(values.shape[:2], bool)
    )
    colours = values[..., :-1] if image.mode in ("LA", "RGBA") else values
    if not opaque.all() and bright is None:
        return opaque
    return np.asarray((colours.max(axis=-1) > (bright or 0)) & opaque)


@lru_cache
def _picture(suffix: str, kind: str) -> bytes:
    """A small image or mask as the bytes of a file."""
    rng = np.random.default_rng(len(kind))
    values = rng.permutation(_SIZE[0] * _SIZE[1]).reshape(_SIZE)
    mask = np.zeros(_SIZE, np.uint8)
    mask[3:9, 4:8] = 255
    if kind == "16":
        image = Image.fromarray((values * 400).astype(np.uint16))
    else:
        image = Image.fromarray(mask if kind == "mask" else values.astype(np.uint8))
    if kind == "palette":
        image.putpalette([level for n in range(256) for level in (n, n, n)])
    buffer = io.BytesIO()
    image.save(buffer, {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP"}[suffix])
    return buffer.getvalue()


def _chunks_changed(content: bytes, rng: Generator) -> bytes:
    """A PNG whose chunks are damaged, lost, doubled or new, with right checksums."""
    chunks, place = [], 8
    while place < len(content):
        length = struct.unpack(">I", content[place : place + 4])[0]
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    number = int(rng.integers(len(chunks)))
    name, body = chunks[number]
    action = rng.random()
    if action < 0.5:
        chunks[number] = (name, damaged(body, rng))
    elif action < 0.65:
        del chunks[number]
    elif action < 0.8:
        chunks.insert(number, chunks[int(rng.integers(len(chunks)))])
    else:
        extra = [b"tRNS", b"gAMA", b"PLTE", b"eXIf", b"acTL", b"zTXt", b"sBIT", b"iCCP"]
        chunks.insert(
            number, (extra[int(rng.integers(len(extra)))], rng.bytes(int(rng.integers(40))))
        )
    parts = [content[:8]]
    for name, body in chunks:
        parts += [
            struct.pack(">I", len(body)),
            name,
            body,
            struct.pack(">I", zlib.crc32(name + body)),
        ]
    return b"".join(parts)
