"""Copying, resuming and restoring: right bytes or one clear line, never something in between."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from cohort_stage import make_stage

from textbcs.archives.incoming import RAW
from textbcs.archives.raw_files import restore
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import FILES, read_files
from textbcs.stages.data.download import run as download


def state() -> dict[str, str]:
    return {
        path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(RAW.rglob("*"))
        if path.is_file()
    }


def test_raw_is_what_files_csv_says(finished, monkeypatch) -> None:
    monkeypatch.chdir(finished)
    files = read_files()
    assert state() == {f"{RAW}/{row.path}": row.sha256 for row in files.itertuples()}
    for row in files.itertuples():
        assert row.path == f"{row.patient}/{row.series_uid}/{row.sop_uid}.dcm"
        assert row.bytes == (RAW / row.path).stat().st_size
    manifest = Path("data/phantom/manifest.csv").read_text()
    assert all(row.sha256 in manifest for row in files.itertuples())


def test_only_what_is_asked_for_is_copied(workplace, params) -> None:
    everything = len(read_files())
    shutil.rmtree(RAW)
    params["cohort"]["phases"] = ["post1"]
    download(make_stage(params))
    slices = params["phantom"]["slices"]
    patients = params["phantom"]["patients"]
    assert len(read_files()) == patients * (slices + 1)
    assert everything == patients * (2 * slices + 1)
    params["masks"]["sources"][0]["description"] = "^another$"
    download(make_stage(params))
    assert len(read_files()) == patients * slices


def test_a_killed_download_goes_on(workplace, params) -> None:
    """Some files missing, one damaged, one half written: the end is the same, and only they are written."""
    before, table = state(), FILES.read_bytes()
    names = sorted(before)
    for name in names[10:40]:
        Path(name).unlink()
    damaged = Path(names[3])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    damaged.with_name(".x.dcm.abc.part").write_bytes(b"half")
    FILES.unlink()
    untouched = Path(names[0]).stat().st_mtime_ns
    download(make_stage(params))
    damaged.with_name(".x.dcm.abc.part").unlink()
    assert state() == before
    assert FILES.read_bytes() == table
    assert Path(names[0]).stat().st_mtime_ns == untouched


def test_restore_brings_back_what_is_missing(workplace, params) -> None:
    before, files = state(), read_files()
    shutil.rmtree(RAW / "Breast_MRI_003")
    (RAW / files["path"].iloc[0]).unlink()
    (RAW / files["path"].iloc[1]).write_bytes(b"")  # as a power failure may leave it
    restore(files, params)
    assert state() == before


def test_restore_makes_a_lost_archive_again(workplace, params) -> None:
    """Neither raw nor archive is there: the phantom's back end draws the patients again."""
    before, files = state(), read_files()
    shutil.rmtree(RAW)
    shutil.rmtree("data/phantom/archive")
    restore(files, params)
    assert state() == before


def test_restore_touches_nothing_when_all_is_there(workplace, params) -> None:
    params["cohort"]["kind"] = "no such kind"  # the archive is not even opened
    before = {path: path.stat().st_mtime_ns for path in RAW.rglob("*")}
    restore(read_files(), params)
    assert {path: path.stat().st_mtime_ns for path in RAW.rglob("*")} == before


def test_restore_of_some_rows_restores_those(workplace, params) -> None:
    files = read_files()
    rows = files[files["patient"] == "Breast_MRI_002"]
    shutil.rmtree(RAW)
    restore(rows, params)
    assert {path.parts[2] for path in RAW.rglob("*.dcm")} == {"Breast_MRI_002"}


def test_an_archive_that_changed_stops(workplace, params) -> None:
    files = read_files()
    params["cohort"] |= {"kind": "folder", "archive": "data/phantom/archive"}
    shutil.rmtree(RAW)
    for path in Path("data/phantom/archive/Breast_MRI_001").rglob("*.dcm"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    words = r"^data/phantom/archive/Breast_MRI_001/.*: has changed since it was listed"
    with pytest.raises(InputError, match=words) as error:
        restore(files, params)
    assert "\n" not in str(error.value)
    assert not list(RAW.rglob("*.part"))
    shutil.rmtree("data/phantom/archive/Breast_MRI_001")
    with pytest.raises(InputError, match="^data/phantom/archive: the archive no longer has"):
        restore(files, params)


def test_a_lost_series_stops_the_download(workplace, params) -> None:
    params["cohort"] |= {"kind": "folder", "archive": "data/phantom/archive"}
    files = read_files()
    shutil.rmtree(RAW)
    FILES.unlink()
    for path in Path("data/phantom/archive").rglob(f"*/{files['series_uid'].iloc[0]}/1-*.dcm"):
        path.unlink()
        break
    with pytest.raises(InputError, match=r"^data/phantom/archive: has \d+ files of \d+ of"):
        download(make_stage(params))
    assert not FILES.exists()


def test_a_read_only_folder_leaves_nothing_behind(workplace, params) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes into read-only folders")
    shutil.rmtree(RAW)
    RAW.mkdir()
    RAW.chmod(0o500)
    with pytest.raises(OSError, match="Permission"):
        download(make_stage(params))
    assert not list(RAW.iterdir())
