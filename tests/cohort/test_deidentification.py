"""Canaries: what identifies a person is planted in the archive and must not leave the raw files."""

from pathlib import Path
from typing import Any

import pytest
from canaries import PLANTED, assert_clean, plant
from cohort_stage import make_stage
from remote import remote_place
from servers import Fault

from textbcs.cohort.download import RAW, download
from textbcs.cohort.estimate import estimate
from textbcs.cohort.incoming import QUARANTINE
from textbcs.cohort.masks import make_masks
from textbcs.cohort.series import list_cohort
from textbcs.io import InputError


@pytest.fixture(params=["folder", "idc", "nbia"])
def planted(request, finished: Path, tmp_path: Path, params: Any, impatient: None) -> Any:
    """An archive of two patients with canaries: its server, the parameters, a working folder."""
    kind = request.param
    with remote_place(kind, finished, tmp_path, params, plant) as (server, changed):
        if kind == "folder":
            changed["cohort"] |= {"kind": kind, "archive": "offered", "collection": "", "index": ""}
        yield server, changed


def outside_raw() -> dict[str, bytes]:
    """Everything that the stages wrote, raw DICOM and what was offered left out."""
    skipped = {".dcm", ".part", ".xlsx", ".parquet"}
    found = {
        path.as_posix(): path.read_bytes()
        for path in sorted(Path("data").rglob("*"))
        if path.is_file() and path.suffix not in skipped and QUARANTINE not in path.parents
    }
    return found


def test_no_canary_passes(planted, capfd) -> None:
    _, params = planted
    stages = [make_stage(params, verb.__name__) for verb in (list_cohort, download, make_masks)]
    for stage, verb in zip(stages, (list_cohort, download, make_masks), strict=True):
        verb(stage)
    printed = "".join(estimate(params))
    raw = next(RAW.glob("Breast*/*/*.dcm")).read_bytes()
    assert all(canary.encode() in raw for canary in PLANTED), "the canaries were not planted"
    written = outside_raw()
    assert {Path(name).name for name in written} >= {"series.csv", "patients.csv", "files.csv"}
    for name, content in written.items():
        assert_clean(name, content)
    assert_clean("the log", "".join(capfd.readouterr()).encode())
    assert_clean("the dry run", printed.encode())
    for stage in stages:
        assert_clean("the receipt", str(stage._receipt()).encode())


@pytest.mark.parametrize("kind", ["wrong bytes", "html in disguise", "html"])
def test_no_canary_in_messages(planted, capfd, kind: str) -> None:
    server, params = planted
    list_cohort(make_stage(params))
    if params["cohort"]["kind"] == "folder":
        for path in Path(params["cohort"]["archive"]).rglob("*.dcm"):
            path.write_bytes(path.read_bytes()[:300])
    else:
        server.faults = [Fault(kind, "dcm|getImage", times=10**9)]
    with pytest.raises(InputError) as error:
        download(make_stage(params))
    message = str(error.value) + "".join(capfd.readouterr())
    assert_clean("a message", message.encode())
    assert "Eve Smith" not in message
    for name, content in outside_raw().items():
        assert_clean(name, content)
