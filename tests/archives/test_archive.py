"""Archives: any layout, and a phantom that makes itself again."""

import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from cohort_stage import make_stage

from textbcs.archives.archive import FolderArchive, open_archive
from textbcs.base.io import NONE, InputError
from textbcs.stages.data.cohort import run as list_cohort


def identity(paths):
    return paths


@pytest.fixture
def params(params: dict[str, Any]) -> dict[str, Any]:
    """The phantom's files as a folder of anybody's."""
    params["cohort"] |= {"kind": "folder", "archive": "data/phantom/archive"}
    return params


def listed(params) -> dict[str, list[str]]:
    found = FolderArchive(params).series(identity)
    return {one.first.series_uid: [header.sop_uid for header in one.headers] for one in found}


def test_names_and_layout_carry_no_meaning(workplace, params) -> None:
    before = listed(params)
    archive = Path("data/phantom/archive")
    flat = Path("data/flat")
    flat.mkdir()
    for number, path in enumerate(sorted(archive.rglob("*.dcm"), key=lambda p: str(p)[::-1])):
        shutil.copy(path, flat / f"{number}.bin")
    (flat / "LICENSE").write_text("free")
    (flat / "metadata.csv").write_text("a,b")
    params["cohort"]["archive"] = str(flat)
    assert listed(params) == before


def test_fetch_gives_instances_in_order(workplace, params) -> None:
    archive = FolderArchive(params)
    one = next(s for s in archive.series(identity) if s.first.modality == "MR")
    got = list(archive.fetch(one.first.patient, one.first.series_uid))
    assert [item.instance_number for item in got] == list(range(1, len(got) + 1))
    for item in got:
        assert len(item.read()) == item.size
    assert list(archive.fetch("nobody", "1.2.3")) == []


def test_the_phantom_makes_a_lost_patient_again(workplace, params) -> None:
    folder = Path("data/phantom/archive/Breast_MRI_002")
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}
    uids = {pydicom.dcmread(path).SeriesInstanceUID for path in before}
    shutil.rmtree(folder)
    params["cohort"] |= {"kind": "phantom", "archive": NONE}
    archive = open_archive(params)
    got = sum(len(list(archive.fetch("Breast_MRI_002", uid))) for uid in uids)
    assert got == len(before)
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*.dcm"))} == before


def test_bad_archives_are_one_line(params, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, folder, words in (
        ("folder", "nowhere", "nowhere: no such folder"),
        ("folder", ".", "holds no DICOM file"),
        ("carrier pigeon", ".", "cohort.kind = 'carrier pigeon' is unknown"),
    ):
        params["cohort"] |= {"kind": kind, "archive": folder}
        with pytest.raises(InputError, match=words) as error:
            list_cohort(make_stage(params))
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="is no patient of the phantom"):
        next(open_archive(params | {"cohort": {"kind": "phantom"}}).fetch("x", "1"))
