"""Copies in data/raw follow their originals, and messages name the originals."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cohort_stage import COHORT
from own_files import write_dicom, write_series

from textbcs.archives.archive import open_archive
from textbcs.archives.incoming import RAW
from textbcs.archives.raw_files import copy_series, own_names, restore
from textbcs.base.io import InputError

OWN = Path("own/dicom")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A folder of one patient, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_series(OWN)
    return {"cohort": COHORT | {"archive": str(OWN)}}


def copied(params: dict[str, Any]) -> pd.DataFrame:
    """The rows of files.csv."""
    names = ["patient", "series_uid", "sop_uid", "instance_number", "path", "bytes", "sha256"]
    return pd.DataFrame(copy_series(open_archive(params), "P1", "1.2.3"), columns=names)


def same(files: pd.DataFrame) -> bool:
    """Whether the copies are what their originals are now."""
    pairs = ((RAW / row.path, OWN / f"IM{row.instance_number}") for row in files.itertuples())
    return all(copy.read_bytes() == original.read_bytes() for copy, original in pairs)


def test_a_corrected_file_is_copied_again(params: dict[str, Any]) -> None:
    before = copied(params)
    assert same(before)
    write_dicom(OWN / "IM2", 2, PixelData=bytes(512))
    after = copied(params)
    assert same(after)
    assert list(before["sha256"] == after["sha256"]) == [True, False, True, True]
    assert list(before["bytes"]) == list(after["bytes"])


def test_an_earlier_list_brings_back_the_earlier_content(params: dict[str, Any]) -> None:
    """DVC's run cache gives back files.csv without a download, and the sizes are the same."""
    first = (OWN / "IM2").read_bytes()
    files = copied(params)
    write_dicom(OWN / "IM2", 2, PixelData=bytes(512))
    copied(params)
    with pytest.raises(
        InputError, match=r"own/dicom/IM2: has changed since it was listed"
    ) as error:
        restore(files, params)
    assert "data/raw" not in str(error.value)
    (OWN / "IM2").write_bytes(first)
    restore(files, params)
    assert same(files)


def test_files_that_are_gone_are_named_by_the_persons_folder(params: dict[str, Any]) -> None:
    files = copied(params)
    shutil.rmtree(RAW)
    (OWN / "IM3").unlink()
    with pytest.raises(
        InputError, match=r"own/dicom: the archive no longer has all files"
    ) as error:
        restore(files, params)
    assert "data/raw" not in str(error.value)


def test_a_message_names_the_original(params: dict[str, Any]) -> None:
    files = copied(params)
    path = str(RAW / files["path"].iloc[1])
    assert own_names(f"{path}: is broken; see {path}", params) == (
        "own/dicom/IM2: is broken; see own/dicom/IM2"
    )
    assert own_names("no file", params) == "no file"
    assert own_names(f"{path}: x", {"training": {}}) == f"{path}: x"


def test_a_damaged_copy_is_named_itself(params: dict[str, Any]) -> None:
    """Otherwise `delete it` would be said of the original."""
    path = RAW / copied(params)["path"].iloc[1]
    path.write_bytes(b"x")
    assert own_names(f"{path}: delete it", params) == f"{path}: delete it"


def test_a_fetched_file_is_named_by_its_series(params: dict[str, Any]) -> None:
    keys = {"kind": "idc", "address": "https://127.0.0.1:9", "collection": "c"}
    params["cohort"] |= keys | {"index": "none.parquet", "index_version": ""}
    assert own_names("data/raw/P1/1.2.3/1.2.3.2.dcm: broken", params) == (
        "series 1.2.3 of patient P1 (data/raw/P1/1.2.3/1.2.3.2.dcm): broken"
    )
