"""What comes from an archive and is no DICOM file is quarantined with what it is instead."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from own_files import write_dicom

from textbcs.archives.incoming import QUARANTINE, Wanted, deliver
from textbcs.archives.transfer import TransferError
from textbcs.imaging.dicom import read_header_or_reason

CLIENT: Any = SimpleNamespace(stop=Event(), network=SimpleNamespace(backoff_s=0))
WANTED = Wanted("P1", "1.2.3", 1)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:140])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b"<html>" * 99), "no DICOM file"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: write_dicom(path, SOPInstanceUID=None), None),
        (cut, None),
    ],
)
def test_the_reason_is_the_one_that_the_reader_gives(
    damage: Callable[[Path], Any], words: str | None, tmp_path: Path
) -> None:
    def bring(folder: Path) -> None:
        damage(write_dicom(folder / "1.dcm"))

    expected = read_header_or_reason(write_dicom(tmp_path / "1.dcm"))
    assert not isinstance(expected, str)
    bring(tmp_path)
    expected = read_header_or_reason(tmp_path / "1.dcm")
    assert isinstance(expected, str)
    assert expected.startswith(words or "")
    with pytest.raises(TransferError) as error:
        list(deliver(CLIENT, WANTED, bring))
    assert str(error.value) == f"{expected} ({QUARANTINE}/1.2.3/1.dcm), 3 times"


def test_a_whole_file_is_handed_over() -> None:
    found = list(deliver(CLIENT, WANTED, lambda folder: write_dicom(folder / "1.dcm")))
    assert [one.sop_uid for one in found] == ["1.2.3.1"]
