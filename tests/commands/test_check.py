"""What people bring is checked by its names before an engine trips over it."""

import os
from pathlib import Path
from typing import Any

import pytest
from own_files import write_series

from textbcs.base.io import NONE, InputError
from textbcs.commands.check import check_own_files, notes_on_names, own_files
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import read_stages

STAGES = read_stages()
PRESETS = Path("presets").resolve()


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The preset for data of one's own, and what it names."""
    values = read_preset("own", PRESETS)
    monkeypatch.chdir(tmp_path)
    write_series(Path("data/own/dicom"))
    Path("data/own/masks").mkdir()
    return values


def test_every_file_that_no_stage_makes_is_found(params: dict[str, Any]) -> None:
    assert dict(own_files(params, STAGES)) == {
        "cohort.archive": "data/own/dicom",
        "masks.nifti_directory": "data/own/masks",
    }
    assert dict(own_files(read_preset("phantom", PRESETS), STAGES)) == {}
    assert set(dict(own_files(read_preset("duke", PRESETS), STAGES))) == {
        "cohort.boxes",
        "cohort.clinical",
        "masks.nifti_directory",
        "masks.nifti_table",
    }


def test_what_is_there_is_right(params: dict[str, Any]) -> None:
    check_own_files(params, STAGES)
    Path("data/own/dicom/linked").symlink_to("IM1")
    Path("data/own/dicom/p2").symlink_to(Path("data/own/masks").resolve())
    check_own_files(params, STAGES)
    Path("disk").mkdir()
    Path("data/own").rename("disk/own")
    Path("data/own").symlink_to(Path("disk/own").resolve())
    check_own_files(params, STAGES)
    params["cohort"]["archive"] = str(Path("disk/own/dicom").resolve())
    check_own_files(params, STAGES)


def test_all_that_is_missing_is_named_in_one_line(params: dict[str, Any]) -> None:
    params["cohort"] |= {"archive": "data/own/nowhere", "clinical": "data/own/c.xlsx"}
    with pytest.raises(InputError) as error:
        check_own_files(params, STAGES)
    told = str(error.value)
    assert "cohort.archive = 'data/own/nowhere': no such folder" in told
    assert "cohort.clinical = 'data/own/c.xlsx': no such file" in told
    assert "\n" not in told
    params["cohort"] |= {"archive": "data/own/dicom/IM1", "clinical": NONE}
    with pytest.raises(InputError, match="'data/own/dicom/IM1': is a file; name the folder"):
        check_own_files(params, STAGES)


@pytest.mark.parametrize("folder", [".", "data", "data/raw", "data/masks", "data/phantom/archive"])
def test_a_folder_that_the_pipeline_writes_is_no_archive(
    folder: str, params: dict[str, Any]
) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in (folder, str(Path(folder).resolve())):
        params["cohort"]["archive"] = path
        with pytest.raises(InputError, match="which the pipeline writes; use a folder of your own"):
            check_own_files(params, STAGES)


@pytest.mark.parametrize("name", ["gone", "self", "pipe", "latin"])
def test_what_dvc_cannot_hash_is_named(name: str, params: dict[str, Any]) -> None:
    folder = Path("data/own/dicom")
    make = {
        "gone": lambda: (folder / name).symlink_to("nowhere"),
        "self": lambda: (folder / name).symlink_to(name),
        "pipe": lambda: os.mkfifo(folder / name),
        "latin": lambda: Path(os.fsdecode(os.fsencode(folder) + b"/latin\xfc")).touch(),
    }
    make[name]()
    with pytest.raises(InputError, match=f"DVC cannot compare by content: {name}") as error:
        check_own_files(params, STAGES)
    assert "IM1" not in str(error.value)


def test_folders_that_can_be_no_patients(params: dict[str, Any]) -> None:
    params["cohort"] |= {"kind": "nifti", "archive": "data/own/nifti"}
    for name in ("P1", "benign (1)"):
        (Path("data/own/nifti") / name).mkdir(parents=True)
    (note,) = notes_on_names(params)
    assert "1 of 2 folders cannot be patients ('benign (1)')" in note
    assert "letters, digits, '.', '_' and '-'" in note
    (Path("data/own/nifti") / "benign (1)").rename("data/own/nifti/benign_1")
    assert notes_on_names(params) == []
