"""Parts of a multipart body come out whole, however the body is cut into blocks."""

import pytest

from textbcs.study.dicomweb.multipart import AnswerError, boundary_of, parts

BODY = (
    b"preamble\r\n--B\r\nContent-Type: a/b\r\n\r\nfirst\r\n--not\r\n\r\n--B \r\n\r\n\r\n--B\r\n"
    b"X: y\r\n\r\nthird--B\r\n--B--\r\nepilogue"
)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 1000])
def test_parts(length: int) -> None:
    blocks = [BODY[place : place + length] for place in range(0, len(BODY), length)]
    found: dict[int, bytes] = {}
    for number, content in parts(blocks, b"B"):
        found[number] = found.get(number, b"") + content
    assert found == {0: b"first\r\n--not\r\n", 1: b"", 2: b"third--B"}


@pytest.mark.parametrize("end", [3, 20, 40, len(BODY) - 13])
def test_a_body_that_ends_early_is_half_an_answer(end: int) -> None:
    with pytest.raises(AnswerError, match="half an answer"):
        list(parts([BODY[:end]], b"B"))


def test_malformed_bodies() -> None:
    with pytest.raises(AnswerError, match="malformed"):
        list(parts([b"--Bx\r\n"], b"B"))
    with pytest.raises(AnswerError, match="malformed"):
        list(parts([b"--B\r\n" + b"x" * 20_000], b"B"))


def test_the_boundary() -> None:
    assert boundary_of('Multipart/Related; type="a/b"; boundary="x y"'.replace(" y", "y")) == b"xy"
    assert boundary_of("multipart/related;boundary=x;type=y") == b"x"
    for kind in ("text/html; boundary=x", "multipart/related", ""):
        with pytest.raises(AnswerError, match="not with DICOM"):
            boundary_of(kind)
