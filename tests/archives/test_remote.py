"""Both back ends against servers that misbehave: right bytes in the end, or one clear line."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cohort_stage import make_stage
from remote import Place, address, expected, fetch, images, nothing_left, raw_is_right
from servers import FOREVER, Fault

from textbcs.archives.incoming import INCOMING, QUARANTINE, RAW
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import FILES, read_files
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download

PASSING = ["503", "429", "reset", "html", "silent", "slow"]


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
    server.faults = [Fault(kind, images(bad, params), FOREVER)]
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
    assert all(address(bad, params) in path for path in touched), "fetched twice"


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
