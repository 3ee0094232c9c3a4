"""Content is read to its end, where the checksum lies."""

import bz2
import gzip
import io
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.intake.packed_streams import BZIP2, LARGEST_BYTES, Content, opened, unpacking

WORDS = bytes(range(256)) * 20


def whole(path: Path, count: int) -> bytes:
    with opened(path, "file") as content:
        found = content.take(count)
        content.end()
    return bytes(found)


def refusal(path: Path, count: int = len(WORDS)) -> str:
    with pytest.raises(InputError) as error:
        whole(path, count)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


def test_packed_and_plain_content(tmp_path) -> None:
    path = tmp_path / "a"
    for content in (
        WORDS,
        gzip.compress(WORDS),
        gzip.compress(WORDS[:9]) + gzip.compress(WORDS[9:]),
    ):
        path.write_bytes(content)
        assert whole(path, len(WORDS)) == WORDS
        assert "holds more bytes" in refusal(path, len(WORDS) - 1)
        assert "cut short" in refusal(path, len(WORDS) + 1)


def test_a_wrong_checksum_or_length_at_the_end(tmp_path) -> None:
    path = tmp_path / "a"
    packed = gzip.compress(WORDS)
    for place in range(1, 9):
        damaged = bytearray(packed)
        damaged[-place] ^= 1
        path.write_bytes(damaged)
        assert "damaged or cut short" in refusal(path)
    for end in (packed[:-8], packed[:-1], packed + b"more"):
        path.write_bytes(end)
        assert "damaged" in refusal(path)


def test_skipped_bytes_are_checked_as_well(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(WORDS))
    with opened(path, "file") as content:
        content.skip(1000)
        assert content.take(4) == WORDS[1000:1004]
        content.skip(len(WORDS) - 1004)
        content.end()
        assert content.position == len(WORDS)


def test_a_size_that_no_file_has_is_refused_before_it_is_read(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(WORDS)
    assert "GiB" in refusal(path, LARGEST_BYTES + 1)
    path.write_bytes(b"")
    assert "empty file" in refusal(path)
    path.unlink()
    assert "no readable file" in refusal(path)


def test_bzip2(tmp_path) -> None:
    path = tmp_path / "a"
    packed = bz2.compress(WORDS)
    content = Content(path, unpacking(io.BytesIO(packed), BZIP2))
    assert content.take(len(WORDS)) == WORDS
    content.end()
    for place in (20, len(packed) - 3):
        damaged = bytearray(packed)
        damaged[place] ^= 4
        content = Content(path, unpacking(io.BytesIO(bytes(damaged)), BZIP2))
        with pytest.raises(InputError, match="damaged or cut short"):
            content.take(len(WORDS))
            content.end()
