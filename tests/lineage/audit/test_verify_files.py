"""Files that are not as recorded, not there, or not of the project: one planted fault a test."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from audited import MODEL, TABLE, named
from fabricated import edit_yaml, flip
from sealed import change_receipt

from textbcs.base.io import write_text
from textbcs.lineage.audit.verify import verify

PREDICTIONS = "results/predictions/textbcs-s2/probability.safetensors"


@pytest.mark.parametrize(
    ("path", "node"),
    [
        (TABLE, "table1"),
        (MODEL, "train@unet-1"),
        (PREDICTIONS, "predict@textbcs-2"),
        ("data/slices/test/slices.safetensors", "slices"),
        ("results/receipts/train@unet-1.json", "train@unet-1"),
    ],
)
def test_one_flipped_bit(tree: Path, path: str, node: str) -> None:
    flip(path, 200 if path.endswith(".json") else -1)
    report = verify()
    assert named(report) == [("TAMPERED", node)]
    assert report.findings[0].path == path


def test_118_a_size_that_a_receipt_invents(tree: Path) -> None:
    change_receipt("split", lambda facts: facts["outputs"][0].update(bytes=1))
    (found,) = verify().findings
    assert (found.kind, found.path) == ("TAMPERED", "results/receipts/split.json")
    assert found.detail.startswith("says 1 bytes of data/splits/split.csv, which has ")


def test_a_flipped_bit_in_a_cached_object(tree: Path) -> None:
    import hashlib

    digest = hashlib.md5(Path(MODEL).read_bytes(), usedforsecurity=False).hexdigest()
    path = f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    flip(path)
    report = verify()
    assert named(report) == [("TAMPERED", "train@unet-1")]
    assert report.findings[0].path == path
    assert MODEL in report.findings[0].detail


def test_an_edited_cell(tree: Path) -> None:
    table = pd.read_csv(TABLE)
    table.loc[0, "dice_slice_mean"] += 0.01
    table.to_csv(TABLE, index=False)
    assert named(verify()) == [("TAMPERED", "table1")]


def test_a_moved_patient(tree: Path) -> None:
    """In the split's file: the file is the fault, and what follows from it is a remark."""
    path = Path("data/splits/split.csv")
    path.write_text(path.read_text().replace("P2,train", "P2,test"))
    report = verify()
    assert named(report) == [("TAMPERED", "split")]
    assert any("LEAK" in text for text in report.remarks)


def test_swapped_prompts(tree: Path) -> None:
    path = Path("data/prompts/train.csv")
    lines = path.read_text().splitlines()
    one, two = lines[1].split(","), lines[3].split(",")
    one[2], two[2] = two[2], one[2]
    lines[1], lines[3] = ",".join(one), ",".join(two)
    path.write_text("\n".join(lines) + "\n")
    assert named(verify()) == [("TAMPERED", "prompts")]


def test_a_raw_file_that_is_not_as_listed(tree: Path) -> None:
    path = next(Path("data/raw").rglob("*.dcm"))
    flip(path)
    assert named(verify()) == [("TAMPERED", "download")]


@pytest.mark.parametrize(
    ("path", "node"),
    [
        (MODEL, "train@unet-1"),
        ("data/masks/P3.nii.gz", "masks"),
        ("results/receipts/slices.json", "slices"),
        ("data/archive/boxes.csv", "cohort"),
    ],
)
def test_a_deleted_file(tree: Path, path: str, node: str) -> None:
    Path(path).unlink()
    report = verify()
    assert named(report) == [("MISSING", node)]
    assert report.findings[0].path == path


def test_a_deleted_lock(tree: Path) -> None:
    Path("dvc.lock").unlink()
    assert named(verify()) == [("MISSING", "")]


def test_raw_files_that_can_be_restored_are_not_missing(tree: Path) -> None:
    shutil.rmtree("data/raw")
    report = verify()
    assert report.findings == []
    assert report.remarks[0].startswith("15 of 15 files of data/raw are not here")


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("data/slices/train/extra.csv", "slices"),
        ("results/evaluation/unet-s1/other.csv", "score"),
        ("results/evaluation/best-s1/slices.csv", "score"),
        ("reports/tables/table5.csv", ""),
        ("data/splits/split_old.csv", ""),
    ],
)
def test_an_added_file(tree: Path, path: str, node: str) -> None:
    write_text(path, "slice_id\n")
    report = verify()
    assert named(report) == [("ORPHAN", node)]
    assert report.findings[0].path == path


def test_results_of_a_stage_that_is_defined_no_more(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["seeds"].remove(2))
    assert set(named(verify())) >= {("ORPHAN", "train@textbcs-2"), ("ORPHAN", "predict@unet-2")}


def test_users_own_files_are_no_orphans(tree: Path) -> None:
    for path in ("data/archive/more.csv", "data/notes.md", "reports/prompts_template/a.csv"):
        write_text(path, "mine\n")
    assert verify().findings == []
