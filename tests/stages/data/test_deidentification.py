"""Canaries: what identifies a person is planted in the archive and must not leave the raw files."""

import gzip
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd
import pytest
from canaries import PLANTED, assert_clean, plant
from cohort_stage import make_stage
from openpyxl import Workbook
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from remote import remote_place
from servers import Fault

from textbcs.archives.incoming import QUARANTINE, RAW
from textbcs.base.io import NONE, InputError, read_csv, write_csv
from textbcs.commands import prompts_template
from textbcs.commands.estimate import estimate
from textbcs.stage.receipt import Stage
from textbcs.stages.data import slices as slices_stage
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import run as make_masks


@pytest.fixture(params=["folder", "idc", "nbia"])
def planted(request, finished: Path, tmp_path: Path, params: Any, impatient: None) -> Any:
    """An archive of two patients with canaries: its server, the parameters, a working folder."""
    kind = request.param
    with remote_place(kind, finished, tmp_path, params, plant) as (server, changed):
        if kind == "folder":
            changed["cohort"] |= {
                "kind": kind,
                "archive": "offered",
                "collection": "",
                "index": NONE,
            }
        yield server, changed


def outside_raw() -> dict[str, bytes]:
    """Everything that the stages wrote, raw DICOM and what was offered left out."""
    skipped = {".dcm", ".part", ".parquet"}
    found = {
        path.as_posix(): path.read_bytes()
        for folder in ("data", "reports")
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.suffix not in skipped and QUARANTINE not in path.parents
    }
    return found


@pytest.fixture
def two_patients_suffice(params: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One patient in train and one in test, and lesions of any size."""
    params["slices"] |= {"minimum_lesion_mm2": 1.0, "minimum_component_mm2": 1.0}
    monkeypatch.setattr(slices_stage, "SPLITS", ("train", "test"))
    monkeypatch.setattr(prompts_template, "SPLITS", ("train", "test"))


def cut_slices(stage: Stage) -> None:
    """The stage `slices` with a split by hand."""
    names = sorted(read_csv("data/masks/masks.csv")["patient"])
    table = pd.DataFrame({"patient": names, "split": ["train", "test"]})
    write_csv("data/splits/split.csv", table)
    slices_stage.run(stage)


def workbook(text: str, place: str) -> bytes:
    book, buffer = Workbook(), BytesIO()
    if place == "cell":
        book.active["B2"] = text
    else:
        book.properties.creator = text
    book.save(buffer)
    return buffer.getvalue()


def png(text: str, kind: str) -> bytes:
    notes, buffer = PngInfo(), BytesIO()
    if kind == "iTXt":
        notes.add_itxt("Comment", text, zip=True)
    else:
        notes.add_text("Comment", text, zip=kind == "zTXt")
    pixels = text.encode().ljust(64, b"\0") if kind == "pixels" else bytes(64)
    Image.frombytes("L", (64, 1), pixels).save(
        buffer, "png", pnginfo=None if kind == "pixels" else notes
    )
    return buffer.getvalue()


def zipped(content: bytes) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as packed:
        packed.writestr("inner", content)
    return buffer.getvalue()


HIDDEN = {
    "plain": lambda text: text.encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "a cell": lambda text: workbook(text, "cell"),
    "a workbook's author": lambda text: workbook(text, "author"),
    "a PNG's tEXt": lambda text: png(text, "tEXt"),
    "a PNG's zTXt": lambda text: png(text, "zTXt"),
    "a PNG's iTXt": lambda text: png(text, "iTXt"),
    "a PNG's pixels": lambda text: png(text, "pixels"),
    "a PNG in a zip in a zip": lambda text: zipped(zipped(png(text, "zTXt"))),
}


@pytest.mark.parametrize("place", HIDDEN)
def test_the_scan_looks_inside(place: str) -> None:
    assert_clean(place, HIDDEN[place]("nothing of anybody " * 3))
    with pytest.raises(AssertionError, match="holds CANARY"):
        assert_clean(place, HIDDEN[place]("so CANARY^NAME, so CANARY^NAME"))


def test_no_canary_passes(two_patients_suffice, planted, capfd) -> None:
    _, params = planted
    verbs = (list_cohort, download, make_masks, cut_slices)
    stages = [make_stage(params, verb.__name__) for verb in verbs]
    for stage, verb in zip(stages, verbs, strict=True):
        verb(stage)
    prompts_template.write_template()
    printed = "".join(estimate(params))
    raw = next(RAW.glob("Breast*/*/*.dcm")).read_bytes()
    assert all(canary.encode() in raw for canary in PLANTED), "the canaries were not planted"
    written = outside_raw()
    assert {Path(name).name for name in written} >= {"series.csv", "patients.csv", "files.csv"}
    kinds = {"".join(Path(name).suffixes) for name in written}
    assert kinds >= {".csv", ".nii.gz", ".safetensors", ".xlsx", ".png"}
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
