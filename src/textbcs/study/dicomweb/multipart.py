"""The parts of a multipart answer, one block at a time: an answer may be larger than the memory."""

import re
from collections.abc import Iterable, Iterator

_LONGEST_HEAD = 16 << 10
_BOUNDARY = re.compile(r'boundary="?([^";\s]{1,70})"?', re.IGNORECASE)


class AnswerError(ValueError):
    """An answer that is not what it should be, in words."""


def boundary_of(content_type: str) -> bytes:
    """What divides the parts of an answer.

    Raises:
        AnswerError: it is no multipart answer.
    """
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/related") or not found:
        kind = content_type.partition(";")[0].strip()[:60] or "something without a type"
        raise AnswerError(f"answers with {kind}, not with DICOM: is it a DICOMweb address?")
    return found[1].encode("latin-1", "replace")


def parts(blocks: Iterable[bytes], boundary: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of a body (RFC 2046).

    Args:
        blocks: the body as it comes.
        boundary: of `boundary_of`.

    Yields:
        The number of the part, from 0, and some of its bytes: first none, then all in order.

    Raises:
        AnswerError: it ends before its end, or is malformed.
    """
    mark = b"\r\n--" + boundary
    state, number, rest = "before", -1, b"\r\n"
    for block in blocks:
        rest += block
        while True:
            if state in ("before", "body"):
                place = rest.find(mark)
                sent, rest = _cut(rest, place, len(mark))
                if state == "body" and sent:
                    yield number, sent
                if place < 0:
                    break
                state = "mark"
            if state == "mark":
                rest = rest.lstrip(b" \t")
                if len(rest) < 2:
                    break
                if rest.startswith(b"--"):
                    return
                if not rest.startswith(b"\r\n"):
                    raise AnswerError("sends a malformed multipart answer")
                state = "head"
            # The line break behind the mark ends a head without lines.
            place = rest.find(b"\r\n\r\n")
            if place < 0:
                if len(rest) > _LONGEST_HEAD:
                    raise AnswerError("sends a malformed multipart answer")
                break
            state, number, rest = "body", number + 1, rest[place + 4 :]
            yield number, b""
    raise AnswerError("sends half an answer: it ends before its last part does")


def _cut(rest: bytes, place: int, length: int) -> tuple[bytes, bytes]:
    """What surely belongs to the part, and what is left: behind the mark, or what may be its beginning."""
    if place >= 0:
        return rest[:place], rest[place + length :]
    kept = min(len(rest), length - 1)
    return rest[: len(rest) - kept], rest[len(rest) - kept :]
