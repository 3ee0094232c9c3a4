"""What an NBIA server or a manifest may say in place of what it should: one line, no traceback."""

import json
from pathlib import Path
from typing import Any

import pytest

from textbcs.archives.nbia import NbiaArchive, parse_series, read_manifest
from textbcs.archives.remote import listed_header
from textbcs.base.io import NONE, InputError

ROW = {
    "PatientID": "P1",
    "StudyInstanceUID": "1.1",
    "SeriesInstanceUID": "1.2",
    "Modality": "MR",
    "ImageCount": 3,
    "FileSize": 99,
}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b"{}", b"[" * 200_000, b"\xff", json.dumps([ROW | {"FileSize": 0}]).encode()],
)
def test_what_is_no_list_of_series(body: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        parse_series(body)


@pytest.mark.parametrize("fault", [{"ImageCount": "three"}, {"FileSize": [1]}])
def test_a_number_that_is_none(fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = {"address": "https://host", "collection": "c", "index": NONE, "index_version": ""}
    archive = NbiaArchive({"cohort": cohort})
    rows = parse_series(json.dumps([ROW | fault]).encode())
    monkeypatch.setattr(archive, "listing", lambda: {"1.2": rows[0]})
    with pytest.raises(InputError, match="^https://host: no readable listing of series"):
        archive.series(lambda paths: paths)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "no readable .tcia manifest"),
        (b"hello", "has no line ListOfSeriesToDownload"),
        (b"ListOfSeriesToDownload=\n1.2\nx\n", "line 3 is no SeriesInstanceUID"),
        (b"ListOfSeriesToDownload=\n", "lists no series"),
    ],
)
def test_what_is_no_manifest(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tcia"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read_manifest(path)
    assert str(error.value).startswith(str(path))


def test_a_series_number_that_is_none_counts_as_absent() -> None:
    assert listed_header(ROW | {"SeriesNumber": "4A"}, "x").series_number == 0
    assert listed_header(ROW | {"SeriesNumber": "4"}, "x").series_number == 4
