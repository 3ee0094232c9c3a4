"""Both back ends against servers that misbehave: right bytes in the end, or one clear line."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import make_stage, small_params
from remote import offer_idc, offer_nbia
from servers import FOREVER, Fault, NbiaHandler, S3Handler, Server, serve

from textbcs.cohort.download import FILES, RAW, download, read_files, restore
from textbcs.cohort.incoming import INCOMING, QUARANTINE
from textbcs.cohort.series import list_cohort
from textbcs.io import InputError

Place = tuple[Server, dict[str, Any]]
PASSING = ["503", "429", "reset", "html", "silent", "slow"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("TEXTBCS_BACKOFF_S", "0.01"),
        ("TEXTBCS_TIMEOUT_S", "0.3"),
        ("TEXTBCS_ATTEMPTS", "4"),
        ("TEXTBCS_CONNECTIONS", "3"),
        ("NO_PROXY", "127.0.0.1"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["idc", "nbia"])
def place(
    request: pytest.FixtureRequest, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """An empty working folder, parameters of a remote archive of two patients, and its server."""
    yield from _place(request.param, finished, tmp_path, monkeypatch)


@pytest.fixture
def idc(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from _place("idc", finished, tmp_path, monkeypatch)


@pytest.fixture
def nbia(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from _place("nbia", finished, tmp_path, monkeypatch)


def _place(kind: str, finished: Path, folder: Path, monkeypatch: Any) -> Iterator[Place]:
    monkeypatch.chdir(folder)
    archive = folder / "offered"
    for patient in ("Breast_MRI_001", "Breast_MRI_002"):
        shutil.copytree(finished / "data/phantom/archive" / patient, archive / patient)
    Path("data/phantom").mkdir(parents=True)
    clinical = Path("data/phantom/Clinical_and_Other_Features.xlsx")
    shutil.copy(finished / clinical, clinical)
    params = small_params()
    with serve(S3Handler if kind == "idc" else NbiaHandler) as server:
        offer = offer_nbia if kind == "nbia" else _idc
        params["cohort"] |= offer(server, archive)
        yield server, params


def _idc(server: Server, archive: Path) -> dict[str, Any]:
    return offer_idc(server, archive, Path("index.parquet"))


def expected(finished: Path) -> pd.DataFrame:
    """What the folder archive gives for the same two patients."""
    files = read_files(finished / FILES)
    return files[files["patient"] <= "Breast_MRI_002"].reset_index(drop=True)


def raw_is_right(files: pd.DataFrame) -> bool:
    """Whether every file below data/raw has a place and content that the right list names."""
    known = dict(zip(files["path"], files["sha256"], strict=True))
    here = [path for path in RAW.rglob("*.dcm") if INCOMING not in path.parents]
    return all(
        hashlib.sha256(path.read_bytes()).hexdigest() == known.get(str(path.relative_to(RAW)))
        for path in here
    )


def fetch(params: dict[str, Any]) -> None:
    list_cohort(make_stage(params))
    download(make_stage(params))


def nothing_left() -> bool:
    rest = [path.name for path in INCOMING.rglob("*") if path.suffix != ".json"]
    return rest == ["lock"] and not (QUARANTINE.exists() and list(QUARANTINE.iterdir()))


def test_the_same_files_as_from_a_folder(place: Place, finished: Path) -> None:
    _, params = place
    fetch(params)
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert raw_is_right(read_files())
    assert nothing_left()
    remote, local = (
        pd.read_csv("data/cohort/series.csv"),
        pd.read_csv(finished / "data/cohort/series.csv"),
    )
    local = local[local["patient"] <= "Breast_MRI_002"].reset_index(drop=True)
    same = [name for name in local if name not in ("licence", "doi")]
    pd.testing.assert_frame_equal(remote[same], local[same])
    assert set(remote["licence"]) <= {"CC BY-NC 4.0", "CC BY 4.0"}
    assert set(remote["doi"]) <= {"10.1/mr", "10.1/seg"}
    patients = pd.read_csv("data/cohort/patients.csv", dtype=str)
    pd.testing.assert_frame_equal(
        patients, pd.read_csv(finished / "data/cohort/patients.csv", dtype=str).iloc[:2]
    )


@pytest.mark.parametrize("kind", [*PASSING, "cut", "html in disguise", "wrong bytes"])
def test_a_passing_fault_changes_nothing(place: Place, finished: Path, kind: str) -> None:
    server, params = place
    list_cohort(make_stage(params))
    image = "dcm" if params["cohort"]["kind"] == "idc" else "getImage"
    server.faults = [Fault(kind, image, times=1)]
    download(make_stage(params))
    assert server.faults[0].times == 0, "the fault never came"
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert raw_is_right(read_files())
    assert nothing_left()


@pytest.mark.parametrize("kind", ["503", "reset", "html", "silent", "html in disguise", "cut"])
def test_a_listing_survives_passing_faults(place: Place, finished: Path, kind: str) -> None:
    server, params = place
    server.faults = [Fault(kind, r"getSeries|list-type", times=2)]
    fetch(params)
    assert server.faults[0].times == 0
    pd.testing.assert_frame_equal(read_files(), expected(finished))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("503", "HTTP 503"),
        ("reset", "reset|broke off"),
        ("html", "an HTML page"),
        ("html in disguise", "bytes|damaged|MD5"),
        ("cut", "cut off|broke off"),
        ("wrong bytes", "MD5|damaged"),
        ("silent", "no answer in time"),
        ("busy for an hour", "asks for a wait of 3600 s"),
    ],
)
def test_a_lasting_fault_is_one_clear_line_and_nothing_wrong(
    place: Place, finished: Path, kind: str, words: str
) -> None:
    server, params = place
    list_cohort(make_stage(params))
    files = expected(finished)
    bad = str(files["series_uid"].iloc[0])
    server.faults = [Fault(kind, _images(bad, params), FOREVER)]
    with pytest.raises(InputError, match=words) as error:
        download(make_stage(params))
    text = str(error.value)
    assert f"1 of 6 series did not arrive: series {bad}" in text
    assert "\n" not in text
    assert not FILES.exists()
    assert raw_is_right(files)
    there = {path.parent.name for path in RAW.glob("Breast*/*/*.dcm")}
    assert there == set(files["series_uid"]) - {bad}, "the others arrive all the same"
    before, server.faults = len(server.asked), []
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), files)
    assert nothing_left()
    touched = [path for path, _ in server.asked[before:] if "getSeries" not in path]
    assert all(_address(bad, params) in path for path in touched), "fetched twice"


def _address(series_uid: str, params: dict[str, Any]) -> str:
    """What the address of every request for a series' images contains."""
    if params["cohort"]["kind"] == "nbia":
        return f"SeriesInstanceUID={series_uid}"
    import duckdb

    row = duckdb.execute(
        "SELECT crdc_series_uuid FROM 'index.parquet' WHERE SeriesInstanceUID = ?", [series_uid]
    ).fetchone()
    assert row
    return str(row[0])


def _images(series_uid: str, params: dict[str, Any]) -> str:
    """A pattern of the requests for its images, those for their list left out."""
    return _address(series_uid, params) + (".*dcm$" if params["cohort"]["kind"] == "idc" else "")


def test_a_dead_server_is_left_alone_soon(place: Place) -> None:
    server, params = place
    list_cohort(make_stage(params))
    server.faults = [Fault("503", "dcm|list-type|getImage", FOREVER)]
    before = len(server.asked)
    with pytest.raises(InputError, match=r"[1-6] of 6 series did not arrive: .*HTTP 503"):
        download(make_stage(params))
    assert len(server.asked) - before <= 4 * 6 + 6


def test_what_is_damaged_here_is_fetched_again(place: Place, finished: Path) -> None:
    server, params = place
    fetch(params)
    files = read_files()
    victim, lost = RAW / files["path"].iloc[3], RAW / files["path"].iloc[40]
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0\1"[-1:])
    victim.write_bytes(bytes(len(victim.read_bytes())))
    lost.unlink()
    FILES.unlink()
    before = len(server.asked)
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), files)
    assert raw_is_right(files)
    assert nothing_left()
    wanted = [_address(uid, params) for uid in files["series_uid"].iloc[[3, 40]]]
    touched = [path for path, _ in server.asked[before:] if "getSeries" not in path]
    assert all(any(one in path for one in wanted) for path in touched)


def test_restore_brings_back_through_the_network(place: Place, finished: Path) -> None:
    _, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    restore(files, params)
    assert raw_is_right(files)
    assert all((RAW / path).is_file() for path in files["path"])
    assert nothing_left()


def test_restore_accepts_only_what_was_recorded(place: Place) -> None:
    server, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    files.loc[2, "sha256"] = "0" * 64
    with pytest.raises(InputError, match=r"other content than files\.csv"):
        restore(files, params)
    assert not (RAW / files["path"].iloc[2]).exists()
    server.faults = [Fault("503", ".", FOREVER)]
    shutil.rmtree(RAW)
    with pytest.raises(InputError, match="HTTP 503") as error:
        restore(read_files(), params)
    assert "\n" not in str(error.value)


def _in_a_process(work: Callable[[], None]) -> Any:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def test_a_killed_download_resumes_where_it_was(
    idc: Place, finished: Path, monkeypatch: Any
) -> None:
    server, params = idc
    list_cohort(make_stage(params))
    monkeypatch.setenv("TEXTBCS_TIMEOUT_S", "30")
    server.faults = [Fault("slow", ".dcm$", FOREVER)]
    process = _in_a_process(lambda: download(make_stage(params)))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        parts = [path for path in INCOMING.rglob("*.part") if path.stat().st_size > 400]
        if parts:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    sizes = {path.name.split(".part")[0][:-9]: path.stat().st_size for path in parts}
    assert sizes, "nothing was under way"
    server.faults, before = [], len(server.asked)
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert nothing_left()
    ranges = dict(server.asked[before:])
    for name, size in sizes.items():
        found = [asked for path, asked in ranges.items() if path.endswith(name)]
        assert len(found) == 1
        assert int(found[0].removeprefix("bytes=").rstrip("-")) >= size


@pytest.mark.parametrize("kind", ["range ignored", "another range", "another etag"])
def test_a_part_is_never_joined_to_something_else(
    idc: Place, finished: Path, kind: str, monkeypatch: Any
) -> None:
    server, params = idc
    list_cohort(make_stage(params))
    server.faults = [Fault("reset", ".dcm$", 1), Fault(kind, ".dcm$", 1)]
    monkeypatch.setenv("TEXTBCS_CONNECTIONS", "1")
    download(make_stage(params))
    assert [one.times for one in server.faults] == [0, 0]
    pd.testing.assert_frame_equal(read_files(), expected(finished))
    assert nothing_left()


def test_two_processes_do_not_disturb_each_other(place: Place, finished: Path) -> None:
    _, params = place
    fetch(params)
    files = read_files()
    shutil.rmtree(RAW)
    process = _in_a_process(lambda: restore(files, params))
    restore(files, params)
    process.join()
    assert process.exitcode == 0
    assert raw_is_right(files)
    assert all((RAW / path).is_file() for path in files["path"])


def test_a_full_disk_is_told_before_anything_is_fetched(place: Place, monkeypatch: Any) -> None:
    server, params = place
    list_cohort(make_stage(params))
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    before = len(server.asked)
    with pytest.raises(InputError, match=r"needs 0\.\d GB more and the disk has 0\.0 GB free"):
        download(make_stage(params))
    assert len(server.asked) == before


def test_a_file_of_another_patient_is_refused(idc: Place) -> None:
    server, params = idc
    list_cohort(make_stage(params))
    by_patient: dict[str, str] = {}
    for key, body in sorted(server.objects.items()):
        by_patient.setdefault("2" if b"Breast_MRI_002" in body else "1", key)
    server.objects[by_patient["1"]] = server.objects[by_patient["2"]]
    with pytest.raises(InputError, match="of another series or patient|lists .* objects"):
        download(make_stage(params))


def test_a_wrong_md5_is_quarantined_and_ends_in_a_clear_failure(
    nbia: Place, finished: Path
) -> None:
    server, params = nbia
    list_cohort(make_stage(params))
    files = expected(finished)
    bad = str(files["series_uid"].iloc[0])
    server.faults = [Fault("wrong MD5", bad, times=1)]
    download(make_stage(params))
    pd.testing.assert_frame_equal(read_files(), files)
    assert nothing_left()
    shutil.rmtree(RAW / "Breast_MRI_001" / bad)
    FILES.unlink()
    server.faults = [Fault("wrong MD5", bad, FOREVER)]
    with pytest.raises(
        InputError, match=r"00000001\.dcm: MD5 differs from the archive's .*3 times"
    ):
        download(make_stage(params))
    assert [path.name for path in QUARANTINE.rglob("*") if path.is_file()] == ["series.zip"]
    assert not list((RAW / "Breast_MRI_001" / bad).glob("*"))
    assert not list(INCOMING.rglob("*.part"))


def test_nbia_manifest_chooses_series(nbia: Place, finished: Path) -> None:
    server, params = nbia
    uids = [row["SeriesInstanceUID"] for row in server.series if row["PatientID"].endswith("001")]
    head = ["downloadServerUrl=http://10.0.0.1/", "noOfrRetry=4", "manifestVersion=3.0"]
    manifest = Path("some.tcia")
    manifest.write_text("\r\n".join([*head, "ListOfSeriesToDownload=", *uids, ""]))
    params["cohort"]["index"] = str(manifest)
    fetch(params)
    wanted = expected(finished)
    wanted = wanted[wanted["patient"] == "Breast_MRI_001"]
    pd.testing.assert_frame_equal(read_files(), wanted.reset_index(drop=True))
    for text, words in (
        ("a=b", "no line ListOfSeriesToDownload"),
        ("ListOfSeriesToDownload=\n../../etc", "line 2 is no SeriesInstanceUID"),
        ("ListOfSeriesToDownload=\n", "lists no series"),
        ("ListOfSeriesToDownload=\n1.2.3", "names series 1.2.3"),
    ):
        manifest.write_text(text)
        with pytest.raises(InputError, match=words):
            list_cohort(make_stage(params))


def test_an_unknown_collection_is_one_line(place: Place) -> None:
    _, params = place
    params["cohort"]["collection"] = "another"
    with pytest.raises(InputError, match="has no collection 'another'; correct cohort.collection"):
        list_cohort(make_stage(params))


def test_records_survive_as_json(idc: Place) -> None:
    _, params = idc
    fetch(params)
    records = sorted(INCOMING.glob("*.json"))
    assert len(records) == 6
    files = read_files()
    for path in records:
        own = files[files["series_uid"] == path.stem]
        assert [row[3] for row in json.loads(path.read_text())["files"]] == list(own["sha256"])
