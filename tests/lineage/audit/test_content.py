"""What tables and raw files give away together: patients of two splits in one frame of reference."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from fabricated_stages import uid
from own_files import write_dicom

from textbcs.lineage.audit.content import check_leaks
from textbcs.lineage.records.findings import Finding

PATIENTS = {"P1": "train", "P2": "train", "P3": "test"}


def raw(patient: str) -> Path:
    return Path("data/raw") / patient / "1.dcm"


def tables() -> dict[str, pd.DataFrame]:
    """The tables that name the raw files; frames of reference stand in the files alone."""
    rows = [
        {"patient": name, "series_uid": uid(name), "sop_uid": f"{uid(name)}.1"} for name in PATIENTS
    ]
    files = pd.DataFrame(rows).assign(path=[f"{name}/1.dcm" for name in PATIENTS])
    studies = [uid("study", patient) for patient in PATIENTS]
    return {
        "data/cohort/files.csv": files,
        "data/cohort/series.csv": files[["patient", "series_uid"]].assign(study_uid=studies),
        "data/splits/split.csv": pd.DataFrame(
            {"patient": PATIENTS.keys(), "split": PATIENTS.values()}
        ),
    }


def write(frames: dict[str, str]) -> None:
    for patient, frame in frames.items():
        write_dicom(raw(patient), 1, uid(patient), FrameOfReferenceUID=uid("frame", frame))


def leaks(made: dict[str, pd.DataFrame]) -> list[Finding]:
    """What is found in some tables alone."""
    tree: Any = SimpleNamespace(table=made.get, node=lambda _: "cohort", digest=lambda _: None)
    return [one for one in check_leaks(tree) if isinstance(one, Finding)]


def test_a_frame_of_reference_that_stands_in_raw_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write({"P1": "a", "P2": "a", "P3": "b"})
    assert leaks(tables()) == []  # one split: no leak
    write({"P1": "a", "P2": "b", "P3": "a"})
    found = leaks(tables())
    assert [(one.kind, one.node) for one in found] == [("LEAK", "cohort")]
    assert f"frame_of_reference_uid {uid('frame', 'a')} is of P1 in train" in found[0].detail


def long_element(content: bytes) -> bytes:
    """A file whose first element after the meta group states a length of 4 GB."""
    place = content.index(b"\x08\x00\x16\x00UI")
    return content[:place] + b"\x08\x00\x16\x00OB\0\0\xf0\xff\xff\xff" + content[place + 8 :]


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b"x" * 500), "no DICOM file"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_bytes(long_element(path.read_bytes())), ""),
        (pipe, "no regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "no regular file"),
    ],
)
def test_a_raw_file_that_cannot_be_read_is_a_finding(
    damage: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write({"P1": "a", "P2": "b", "P3": "c"})
    damage(raw("P2"))
    (found,) = leaks(tables())
    assert (found.kind, found.path) == ("TAMPERED", raw("P2").as_posix())
    assert found.detail.startswith(words)
    assert "frame of reference was not compared" in found.detail
    assert found.detail.isprintable()
    raw("P3").write_bytes(b"voxels")
    made = tables()
    made["data/cohort/files.csv"].loc[2, "sop_uid"] = None  # a volume of NIfTI has none
    assert len(leaks(made)) == 1
    made["data/cohort/files.csv"].loc[1, "path"] = "P2/gone.dcm"  # not here: nothing is said
    assert leaks(made) == []
