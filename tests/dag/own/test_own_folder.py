"""A person's own folder under real DVC and Snakemake: what changes in it is noticed by its content."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from checkout import Checkout, create
from own_files import write_dicom, write_series

pytestmark = pytest.mark.dag
RECEIPT = "results/receipts/download.json"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout whose data lie on another disk; nothing has run."""
    (tmp_path / "origin").mkdir()
    made = create(tmp_path / "origin", tmp_path / "home", toy=False)
    code = {"PYTHONPATH": str(made.root / "src")}
    made.run("sh", "-c", ".venv/bin/textbcs use own", **code)
    (tmp_path / "disk/masks").mkdir(parents=True)
    (made.root / "data/own").symlink_to(tmp_path / "disk")
    made.set_param("cohort.descriptions", {"post1": "min 1"})
    export(tmp_path / "disk/dicom", "1.2")
    return made


def export(folder: Path, root: str) -> None:
    """Three patients."""
    for number in range(1, 4):
        study = {"PatientID": f"P{number}", "StudyInstanceUID": f"{root}.{number}"}
        write_series(folder / f"P{number}", f"{root}.{number}.1", **study)


def raw_is_the_folder(checkout: Checkout) -> bool:
    """Whether files.csv lists what the folder holds, and data/raw has it."""
    files = pd.read_csv(checkout.root / "data/cohort/files.csv")
    copies = sorted((checkout.root / "data/raw" / path).read_bytes() for path in files["path"])
    folder = checkout.root / "data/own/dicom"
    return copies == sorted(path.read_bytes() for path in folder.rglob("IM*"))


def rewrite(path: Path, content: bytes) -> None:
    """In place: the same file, name and size."""
    assert path.stat().st_size == len(content)
    with path.open("r+b") as file:
        file.write(content)


def test_dvc_notices_what_changes(checkout: Checkout) -> None:
    folder = checkout.root / "data/own/dicom"
    checkout.dvc("repro", "download")
    assert raw_is_the_folder(checkout)
    assert "Running stage" not in checkout.dvc("repro", "download")
    first = (folder / "P2/IM2").read_bytes()
    other = bytearray(first)
    other[-1] ^= 1
    rewrite(folder / "P2/IM2", bytes(other))
    assert "Running stage 'download'" in checkout.dvc("repro", "download")
    assert raw_is_the_folder(checkout)
    shutil.rmtree(folder / "P3")
    write_series(folder / "P4", "1.2.4.1", PatientID="P4", StudyInstanceUID="1.2.4")
    checkout.dvc("repro", "download")
    patients = pd.read_csv(checkout.root / "data/cohort/patients.csv")["patient"]
    assert list(patients) == ["P1", "P2", "P4"]
    assert raw_is_the_folder(checkout)


def test_a_new_export_is_not_the_old_one(checkout: Checkout) -> None:
    """After everything was deleted DVC's run cache knows the old listing still."""
    folder = checkout.root / "data/own/dicom"
    checkout.dvc("repro", "download")
    code = {"PYTHONPATH": str(checkout.root / "src")}
    checkout.run("sh", "-c", ".venv/bin/textbcs clean && .venv/bin/textbcs clean --raw", **code)
    shutil.rmtree(folder)
    export(folder, "1.7")
    (folder / ".DS_Store").write_text("x")
    checkout.dvc("repro", "download")
    series = pd.read_csv(checkout.root / "data/cohort/series.csv")["series_uid"]
    assert list(series) == ["1.7.1.1", "1.7.2.1", "1.7.3.1"]
    assert raw_is_the_folder(checkout)


def test_snakemake_notices_too_and_says_what_cannot_be(checkout: Checkout) -> None:
    folder = checkout.root / "data/own/dicom"
    assert {"cohort", "download"} <= set(checkout.ran(RECEIPT))
    assert checkout.ran(RECEIPT) == []
    write_dicom(folder / "P1/IM3", 3, "1.2.1.1", StudyInstanceUID="1.2.1", PixelData=bytes(512))
    assert checkout.ran(RECEIPT) == ["cohort", "download"]
    assert raw_is_the_folder(checkout)
    (folder / "P1/gone").symlink_to("nowhere")
    told = checkout.snakemake(RECEIPT, ok=False)
    assert told.returncode != 0
    assert "P1/gone (link that leads nowhere)" in told.stderr
    folder.rename(folder.with_name("moved"))
    told = checkout.snakemake(RECEIPT, ok=False)
    assert told.returncode != 0
    assert "cohort.archive = 'data/own/dicom': no such folder" in told.stderr
    assert "Traceback" not in told.stderr + told.stdout
