"""A stranger's DICOM file taken apart: elements as plain values, and where its pixels lie.

pydicom is called here alone. It converts a value when that is asked for, and raises then: `text`,
`whole`, `real` and `reals` give "" or None for what is missing or cannot be converted. It also gives
the elements of a file that ends too early without a word: `PixelElement` says what the file holds.
"""

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian
from pydicom.uid import ExplicitVRLittleEndian as ExplicitLittle
from pydicom.uid import ImplicitVRLittleEndian as ImplicitLittle
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from textbcs.base.io import InputError
from textbcs.intake.guard import reading

KIND = "DICOM file"
_LONGEST = 1024  # characters; a value read here has 64 at most, a list of them a few times that
UID_TEXT = re.compile(r"[0-9.]{1,64}")
_UNDEFINED, _PIXEL_GROUP = 0xFFFFFFFF, 0x7FE0
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
# pydicom's warnings quote values, and a value may be a name; what matters of a value is checked here.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom|textbcs\.(imaging|intake)")


class ForeignError(InputError):
    """A file that is no DICOM at all."""


class UnfitError(Exception):
    """A file that can be no slice of a volume; says why, without the file's name."""


class DamagedError(UnfitError):
    """A file that lacks what every image has, or a part of its pixels; says what."""


@dataclass(frozen=True)
class PixelElement:
    """The element PixelData as it lies in a file.

    Attributes:
        start: where its value begins.
        length: bytes of its value; of compressed pixels, up to the end of the file.
        available: bytes from `start` to the end of the file.
        encapsulated: whether it is compressed, in fragments.
        fragments: start and length of each, the table of offsets left out.
        ended: whether the fragments end as they should.
        followed: whether what comes after it is nothing, zeros, or whole elements.
        content: where it lies, if not in the file itself (a deflated one).
    """

    start: int
    length: int
    available: int
    encapsulated: bool = False
    fragments: tuple[tuple[int, int], ...] = ()
    ended: bool = True
    followed: bool = True
    content: bytes | None = None


@dataclass(frozen=True)
class Parsed:
    """A DICOM file without its pixels: elements, transfer syntax UID, and where the pixels lie."""

    dataset: FileDataset
    syntax: str
    pixels: PixelElement | None


def parse(file: BinaryIO, size: int, path: Path, keywords: Sequence[str]) -> Parsed:
    """Read the named elements of a file, and find its PixelData.

    A file without preamble and "DICM" is DICOM where it begins like one and states a known SOP class
    and an instance.

    Args:
        file: its content, from its start; `size` bytes.
        path: the user's file, for messages.
        keywords: elements that are read; SOPClassUID and SOPInstanceUID among them.

    Raises:
        ForeignError: it is no DICOM.
        InputError: it is, and cannot be taken apart.
    """
    start = file.read(132)
    file.seek(0)
    if start[128:] == b"DICM":
        return _parse(file, size, path, keywords, force=False)
    if start[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        try:
            parsed = _parse(file, size, path, keywords, force=True)
        except InputError:
            parsed = None
        if parsed is not None and _is_plausible(parsed.dataset):
            return parsed
    raise ForeignError(f"{path}: no {KIND}; take it out, or replace it")


def _parse(file: BinaryIO, size: int, path: Path, keywords: Sequence[str], force: bool) -> Parsed:
    """The same with or without "DICM"."""
    bounded = file if isinstance(file, BytesIO) else cast(BinaryIO, _Bounded(file, size))
    with reading(path, KIND):
        dataset = dcmread(
            bounded, stop_before_pixels=True, force=force, specific_tags=list(keywords)
        )
        syntax = _syntax(dataset)
        if syntax != DeflatedExplicitVRLittleEndian:
            return Parsed(dataset, syntax, _element(bounded, size, syntax))
        # Its positions are those of what was inflated, so it is read with the pixels.
        file.seek(0)
        dataset = dcmread(bounded, force=force, specific_tags=[*keywords, "PixelData"])
        value = dataset.get("PixelData")
        content = value if isinstance(value, bytes) else None
        length = len(content or b"")
        found = PixelElement(0, length, length, content=content)
        return Parsed(dataset, syntax, None if content is None else found)


def _is_plausible(dataset: Dataset) -> bool:
    """Whether elements that were read without "DICM" are DICOM's."""
    sop_class, sop_uid = text(dataset, "SOPClassUID"), text(dataset, "SOPInstanceUID")
    return uid_name(sop_class) != sop_class and UID_TEXT.fullmatch(sop_uid) is not None


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text on one line, cut where no true one ends; "" where it is missing or unusable."""
    value = _value(dataset, keyword)
    if value is None or isinstance(value, bytes):
        return ""
    if not isinstance(value, str) and isinstance(value, Sequence):
        if any(isinstance(one, Dataset) for one in value):
            return ""
        value = "\\".join(str(one) for one in value)
    line = str(value)[:_LONGEST]
    if not line.isprintable():
        line = "".join(one if one.isprintable() else " " for one in line)
    return line.strip()


def whole(dataset: Dataset, keyword: str) -> int | None:
    """A whole number of at most 32 bits; None where it is missing or unusable."""
    number = real(dataset, keyword)
    usable = number is not None and number.is_integer() and abs(number) < 2**32
    return int(number) if usable and number is not None else None


def real(dataset: Dataset, keyword: str) -> float | None:
    """A finite number; None where it is missing or unusable."""
    found = _reals([_value(dataset, keyword)])
    return found[0] if found else None


def reals(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """`count` finite numbers; () where they are missing, unusable or not as many."""
    value = _value(dataset, keyword)
    found = () if isinstance(value, str | bytes) or value is None else _reals(value)
    return found if len(found) == count else ()


def states(dataset: Dataset, keyword: str) -> bool:
    """Whether a file has an element and puts anything into it, usable or not."""
    tag = _tag(keyword)
    if tag not in dataset:
        return False
    try:
        return dataset[tag].value not in (None, "", b"", [])
    except Exception:
        return True


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is missing or no sequence."""
    value = _value(dataset, keyword)
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return []
    return [one for one in value if isinstance(one, Dataset)]


def uid_name(uid: str) -> str:
    """What the standard calls a UID, itself where it is not the standard's."""
    return UID(uid).name


def _value(dataset: Dataset, keyword: str) -> Any:
    """A value, None where there is none; pydicom raises anything where it cannot be converted."""
    tag = _tag(keyword)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except Exception:
        return None


@cache
def _tag(keyword: str) -> BaseTag:
    """The tag of a keyword, looked up once."""
    return Tag(keyword)


def _reals(values: Any) -> tuple[float, ...]:
    """Values as finite numbers, () where any is none."""
    try:
        found = tuple(float(one) for one in values)
    except (TypeError, ValueError, OverflowError):
        return ()
    return found if all(math.isfinite(one) for one in found) else ()


class _Bounded:
    """A file that is never asked for more than it holds: a damaged length of 4 GB costs no memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        left = max(self._size - self._file.tell(), 0)
        return self._file.read(left if size < 0 else min(size, left))


def _syntax(dataset: FileDataset) -> str:
    """The transfer syntax: as stated, or as the elements turned out to be written."""
    stated = text(dataset.file_meta, "TransferSyntaxUID")
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    return str(ImplicitLittle if implicit else ExplicitLittle if little else ExplicitVRBigEndian)


def _element(file: BinaryIO, size: int, syntax: str) -> PixelElement | None:
    """PixelData where the parser stopped before it; None where it stopped elsewhere."""
    big = syntax == ExplicitVRBigEndian
    head = file.read(12)
    if head[:4] != (b"\x7f\xe0\x00\x10" if big else b"\xe0\x7f\x10\x00"):
        return None
    width, length = _measured(head, big)
    start = file.tell() - len(head) + width
    available = max(size - start, 0)
    if length == _UNDEFINED:
        fragments, end = _fragments(file, start, size)
        followed = end is not None and _is_followed(file, end, size, big)
        return PixelElement(start, available, available, True, fragments, end is not None, followed)
    followed = length <= available and _is_followed(file, start + length, size, big)
    return PixelElement(start, length, available, followed=followed)


def _measured(head: bytes, big: bool) -> tuple[int, int]:
    """The widths of an element's head and of its value, from its first 12 bytes."""
    order: Literal["big", "little"] = "big" if big else "little"
    kind = head[4:6].decode("latin-1")
    if kind in EXPLICIT_VR_LENGTH_32:
        return 12, int.from_bytes(head[8:12], order)
    if kind.isalpha() and kind.isupper():
        return 8, int.from_bytes(head[6:8], order)
    return 8, int.from_bytes(head[4:8], order)


def _is_followed(file: BinaryIO, place: int, size: int, big: bool) -> bool:
    """Whether the rest of a file is nothing, zeros, or whole elements of later groups."""
    while place < size:
        file.seek(place)
        head = file.read(12)
        if int.from_bytes(head[:2], "big" if big else "little") < _PIXEL_GROUP:
            file.seek(place)
            return size - place < _UNDEFINED >> 8 and not file.read(size - place).strip(b"\0")
        width, length = _measured(head, big)
        if length == _UNDEFINED:
            return True
        place += width + length
    return place == size


def _fragments(
    file: BinaryIO, start: int, size: int
) -> tuple[tuple[tuple[int, int], ...], int | None]:
    """The fragments of compressed pixels that lie whole in the file, and where they end, None if
    they do not end as they should."""
    found: list[tuple[int, int]] = []
    place = start
    while True:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == _END and len(head) == 8:
            return tuple(found[1:]), place + 8
        if len(head) < 8 or head[:4] != _ITEM or place + 8 + length > size:
            return tuple(found[1:]), None
        found.append((place + 8, length))
        place += 8 + length


def as_file(content: bytes) -> BinaryIO:
    """Bytes as a file."""
    return BytesIO(content)
