"""Bytes of a file that may be compressed: read to the checksum at its end, never one byte too many.

A gzip or bzip2 stream carries checksums, but a reader that stops at the last byte it wants never comes
to them: most damaged files then pass as other values. So whoever reads here states how long the content
has to be, and `end` proves that it ends there.
"""

import bz2
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from textbcs.base.io import InputError
from textbcs.intake.guard import reading

GZIP, BZIP2, RAW = "gzip", "bzip2", "raw"
LARGEST_BYTES = 8 << 30
_BLOCK = 1 << 20
_GZIP_START = b"\x1f\x8b"


class Content:
    """The content of a file, unpacked on the way and read once from its beginning.

    Args:
        path: the user's file, for messages.
        stream: the open file, or what unpacks it.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self._stream = stream
        self.position = 0

    def take(self, count: int) -> bytearray:
        """The next `count` bytes.

        Raises:
            InputError: the content ends before, its checksum is wrong, or more than
                `LARGEST_BYTES` are wanted.
        """
        if count > LARGEST_BYTES:
            raise InputError(
                f"{self.path}: its header states {count / 2**30:.0f} GiB of voxels; at most "
                f"{LARGEST_BYTES >> 30} are read: damaged, or to be cropped"
            )
        # In blocks: memory grows with what is there, not with what a damaged header states.
        found = bytearray()
        while len(found) < count:
            block = self._read(min(_BLOCK, count - len(found)))
            if not block:
                raise InputError(
                    f"{self.path}: cut short: {self.position} bytes of content, and its header "
                    f"states {self.position + count - len(found)}; copy the file again"
                )
            found += block
        return found

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; raises as `take`."""
        while count > 0:
            count -= len(self.take(min(_BLOCK, count)))

    def line(self) -> bytes:
        """The next line with its newline, or what is left; raises as `take`."""
        with reading(self.path, "file"):
            found = self._stream.readline(_BLOCK)
        self.position += len(found)
        return found

    def end(self) -> None:
        """Prove that nothing follows and that the checksum is right.

        Raises:
            InputError: something follows, or the checksum or length at the end is wrong.
        """
        if self._read(1):
            raise InputError(
                f"{self.path}: holds more bytes than its header states; damaged: copy it again"
            )

    def _read(self, count: int) -> bytes:
        with reading(self.path, "file: damaged or cut short"):
            block = self._stream.read(count)
        self.position += len(block)
        return block


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Content]:
    """The content of a file; unpacked where it begins as gzip does, whatever its name says.

    Raises:
        InputError: the file is missing, empty or cannot be opened.
    """
    with reading(path, kind):
        file = path.open("rb")
    with file:
        start = file.read(2)
        if not start:
            raise InputError(f"{path}: empty file (0 bytes); copy it again")
        file.seek(0)
        yield Content(path, unpacking(file, GZIP if start == _GZIP_START else RAW))


def unpacking(file: IO[bytes], encoding: str) -> IO[bytes]:
    """A stream that unpacks what is left of an open file: `raw`, `gzip` or `bzip2`."""
    if encoding == RAW:
        return file
    packed: Any = gzip.GzipFile(fileobj=file) if encoding == GZIP else bz2.BZ2File(file)
    stream: IO[bytes] = packed
    return stream
