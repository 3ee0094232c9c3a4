"""`textbcs predict` of a study on a DICOMweb server: a tiny one that misbehaves, and a real Orthanc."""

import re
from pathlib import Path

import pydicom
import pytest
from dicomweb import NO_ORTHANC, ORTHANC, PLUGIN, orthanc, remote
from packages import tiny_package
from studies import write_study

from textbcs.cli import main
from textbcs.study.dicomweb.address import Address, read_address
from textbcs.study.dicomweb.retrieval import fetch_study
from textbcs.study.dicomweb.server import PASSWORD, USER, Server
from textbcs.study.dicomweb.storing import store

NIFTI = ("mask.nii.gz", "probability.nii.gz")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "unet"))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTBCS_BACKOFF_S", "0.01")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def study_address(folder: Path, base: str) -> Address:
    first = next(folder.rglob("*.dcm"))
    uid = pydicom.dcmread(first, stop_before_pixels=True).StudyInstanceUID
    return read_address(f"{base}/studies/{uid}")


def test_a_remote_study_gives_the_files_of_a_local_one(
    tmp_path: Path, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_study(tmp_path / "study")
    assert main(["predict", str(folder), "--model", package, "--out", "local"]) == 0
    with remote(folder) as state:
        typed = ["predict", state.address, "--model", package]
        assert main([*typed, "--store"]) == 0
        out = Path(f"{state.study}-outline")
        for path in Path("local").iterdir():
            assert (out / path.name).read_bytes() == path.read_bytes(), path.name
        stored = [(out / name).read_bytes() for name in ("segmentation.dcm", "report.dcm")]
        assert state.stored == stored
        assert f"stored segmentation.dcm, report.dcm at {state.address}" in capsys.readouterr().out
        asked = len(state.asked)
        assert main(typed) == 2, "the result is there already"
        assert len(state.asked) == asked, "nothing was brought for that"
        state.fault = "refuse one"
        assert main([*typed, "--store", "--overwrite"]) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert "did not store 1 of 2 files" in told
        assert told.endswith(f"; the result is in {out}")
        state.fault = "cut"
        assert main([*typed, "--out", "none"]) == 2
        assert "half an answer" in capsys.readouterr().err
        assert not Path("none").exists()
        uid = next(uid for uid, (kind, _) in state.series.items() if kind == "MR")
        state.fault = ""
        assert (
            main(
                ["predict", f"{state.address}/series/{uid}", *typed[2:], "--dry-run", "--out", "x"]
            )
            == 0
        )
        assert f"post1 {uid} (10 files)" in capsys.readouterr().out


def test_options_that_do_not_fit(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://pacs.example/studies/1.2"
    assert main(["predict", address, "--model", package, "--batch"]) == 2
    assert "--batch takes a folder of studies" in capsys.readouterr().err
    assert main(["predict", "study", "--model", package, "--store"]) == 2
    assert "--store needs a study on a DICOMweb server" in capsys.readouterr().err


@pytest.mark.skipif(ORTHANC is None or not PLUGIN.exists(), reason=NO_ORTHANC)
def test_a_real_server(
    tmp_path: Path,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Orthanc is given a study, asked for it, and keeps SEG and report; it wants a password."""
    folder = write_study(tmp_path / "study")
    assert main(["predict", str(folder), "--model", package, "--out", "local"]) == 0
    with orthanc(tmp_path / "orthanc") as base:
        address = study_address(folder, base)
        assert main(["predict", address.url, "--model", package]) == 2
        assert "wants a name and password (401)" in capsys.readouterr().err
        monkeypatch.setenv(USER, "reader")
        monkeypatch.setenv(PASSWORD, "secret")
        assert main(["predict", address.url, "--model", package]) == 2
        assert re.search("has no such study|has nothing there", capsys.readouterr().err)
        store(address, sorted(folder.rglob("*.dcm")))
        fetch_study(address, tmp_path / "back")
        sent = {
            one.SOPInstanceUID: one.pixel_array.tobytes()
            for one in map(pydicom.dcmread, folder.rglob("*.dcm"))
            if one.Modality == "MR"
        }
        came = map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))
        assert {one.SOPInstanceUID: one.pixel_array.tobytes() for one in came} == sent
        typed = ["predict", address.url, "--model", package, "--out", "there", "--store"]
        assert main(typed) == 0
        for name in NIFTI:
            assert Path("there", name).read_bytes() == Path("local", name).read_bytes()
        rows = Server(address).listing(f"/studies/{address.study}/series", {})
        kinds = sorted(row["00080060"]["Value"][0] for row in rows)
        assert kinds.count("SR") == 1
        assert kinds.count("SEG") == 2, "the phantom has one of its own"
