"""The `duke` preset from the archive to Table 1: phantom patients under Duke names, served on the loopback.

Nothing of the preset is changed but sizes, epochs, seeds, the device and where things lie. Every file that
is served holds canaries; the servers misbehave a little. The text encoder is a random BERT.
"""

import gzip
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from canaries import PLANTED, assert_clean, plant
from checkout import Checkout, create
from cohort_stage import make_stage, small_params
from randombert import write_random_bert
from remote import nothing_left, offer_idc, offer_nbia, raw_is_right
from servers import Fault, NbiaHandler, S3Handler, Server, serve

from textbcs.cohort.cohort_tables import FILES, read_files
from textbcs.settings.presets import preset_text
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.masks import run as make_masks
from textbcs.stages.data.phantom import ARCHIVE
from textbcs.stages.data.phantom import run as write_archive

pytestmark = pytest.mark.dag

PATIENTS = 14
EXPERT = ("Breast_MRI_002", "Breast_MRI_005", "Breast_MRI_009")
WITHOUT_MASK = "Breast_MRI_004"
FAST = {"TEXTBCS_BACKOFF_S": "0.01", "TEXTBCS_TIMEOUT_S": "5"}

# All that differs from presets/duke.yaml besides addresses: sizes, epochs, and fewer methods.
SMALLER = {
    "seeds": [1],
    "split.seed": 18,  # of so few patients one is in val; she needs several tumour slices
    "slices.size": 48,
    "training.device": "cpu",
    "training.epochs": 1,
    "methods.unet.network.width": 4,
    "methods.textbcs.network.width": 4,
    "methods.textbcs.network.heads": 2,
    "methods.textbcs.network.alignment_dim": 8,
    "methods.clip.network.width": 24,
    "methods.clip.network.depth": 1,
    "methods.clip.network.head_width": 12,
    "methods.clip.network.patch": 8,
    "methods.clip.initial.pretraining.epochs": 1,
    "methods.clip.initial.pretraining.batch_size": 4,
    **{f"methods.{name}.grid": [[1.0e-3, 4]] for name in ("unet", "clip", "textbcs")},
    "evaluation.bootstrap.resamples": 199,
    "evaluation.permutation.resamples": 199,
    "tables.table1": ["unet", "clip", "textbcs"],
    "tables.variants": ["ablation_none", "ablation_svli"],
    "robustness.methods": ["textbcs"],
    "volumes.methods": {"image": ["unet"], "text": ["textbcs"]},
    "replicates.methods": ["unet", "textbcs"],
}


@dataclass
class Collection:
    """What a user of the preset has, and what the archives have.

    Attributes:
        archive: DICOM files with canaries in them.
        own: what people put into data/: the two workbooks, MAMA-MIA's directory and table.
        bert: a local directory with the text encoder.
        truth: the masks that were drawn, by patient.
    """

    archive: Path
    own: Path
    bert: Path
    truth: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Phantom patients with the masks of two sources."""
    base: Path = tmp_path_factory.mktemp("collection")
    params = small_params()
    params["phantom"] |= {"patients": PATIENTS, "matrix": 64, "slices": 12}
    with chdir(base):
        for verb in (write_archive, list_cohort, download, make_masks):
            verb(make_stage(params, verb.__name__))
    workbooks = base / "own/archive"
    workbooks.mkdir(parents=True)
    for path in (base / "data/phantom").glob("*.xlsx"):
        shutil.copy(path, workbooks)
    truth = write_mama_mia(base / "data", base / "own/mama_mia")
    rename_masks(base / ARCHIVE)
    plant(base / ARCHIVE)
    write_random_bert(base / "bert")
    return Collection(base / ARCHIVE, base / "own", base / "bert", truth)


def write_mama_mia(data: Path, target: Path) -> dict[str, np.ndarray]:
    """Some patients' masks in MAMA-MIA's layout, numbered otherwise than here; all masks."""
    series = pd.read_csv(data / "cohort/series.csv")
    pre = series[series["phase"] == "pre"].set_index("patient")["series_uid"]
    (target / "segmentations/expert").mkdir(parents=True)
    rows = []
    for number, patient in enumerate(EXPERT, start=1):
        name = f"DUKE_{number:03d}"
        rows.append({"patient_id": name, "tcia_series_uid": pre[patient]})
        mask = data / f"masks/{patient}.nii.gz"
        shutil.copy(mask, target / f"segmentations/expert/{name.lower()}.nii.gz")
    table = target / "clinical_and_imaging_info.xlsx"
    pd.DataFrame(rows).to_excel(table, sheet_name="dataset_info", index=False)
    return read_masks(data)


def read_masks(data: Path) -> dict[str, np.ndarray]:
    """The masks of the stage by patient."""
    paths = sorted((data / "masks").glob("*.nii.gz"))
    return {path.name.split(".")[0]: np.asarray(nib.load(path).dataobj) for path in paths}


def rename_masks(archive: Path) -> None:
    """Name the segmentations as the AIMI annotations are named; one patient has none."""
    for path in archive.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        if dataset.Modality == "SEG" and dataset.PatientID == WITHOUT_MASK:
            path.unlink()
        elif dataset.Modality == "SEG":
            dataset.SeriesDescription = "AIMI breast-tumor radiologist 1 corrected segmentation"
            dataset.save_as(path)


def checkout_of(collection: Collection, base: Path, cohort: dict[str, str]) -> Checkout:
    """A checkout with the preset made smaller, a user's files in their places, and an archive."""
    root = base / "checkout"
    root.mkdir()
    checkout = create(root, base / "home", toy=False)
    (root / "params.yaml").write_text(preset_text("duke", root / "presets"))
    shutil.copytree(collection.own, root / "data", dirs_exist_ok=True)
    addresses = {f"cohort.{key}": value for key, value in cohort.items()}
    for key, value in (SMALLER | addresses | {"text.directory": str(collection.bert)}).items():
        checkout.set_param(key, value)
    return checkout


@pytest.fixture(scope="module")
def duke(
    collection: Collection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Checkout, Server]]:
    """The whole preset, finished, from an IDC that failed six times. Do not write there."""
    base = tmp_path_factory.mktemp("duke")
    with serve(S3Handler) as server:
        keys = offer_idc(server, collection.archive, base / "index.parquet")
        server.faults = [
            Fault("503", "list-type"),
            Fault("429", "dcm$", times=2),
            Fault("reset", "dcm$", times=2),
            Fault("cut", "dcm$"),
        ]
        place = {"address": keys["address"], "index": keys["index"], "index_version": ""}
        checkout = checkout_of(collection, base, place)
        checkout.snakemake("--cores", "2", **FAST)
        yield checkout, server


@pytest.fixture
def root(duke: tuple[Checkout, Server]) -> Path:
    return duke[0].root


def test_table_1_says_what_it_is_made_of(root: Path, collection: Collection) -> None:
    table = pd.read_csv(root / "reports/tables/table1.csv").set_index("method")
    assert list(table.index) == ["unet", "clip", "textbcs"]
    scores = ["dice_slice_mean", "miou_slice_mean", "dice_patient_mean", "params_m", "flops_g"]
    assert np.isfinite(table[scores].to_numpy()).all()
    # Against what the paper prints for Duke, since this cohort is no phantom to the pipeline.
    gap = table.loc["textbcs", "dice_slice_mean"] - 85.33
    assert table.loc["textbcs", "dice_minus_paper"] == pytest.approx(gap)
    assert np.isfinite(table.loc["unet", "miou_minus_paper"])

    test = pd.read_csv(root / "data/slices/test/slices.csv")
    sources = ", ".join(sorted(test["mask_source"].unique()))
    weights = hashlib.sha256((collection.bert / "pytorch_model.bin").read_bytes()).hexdigest()
    assert (root / ".cache/encoders" / weights / "model.safetensors").is_file(), "not converted"
    encoder = f"bioclinicalbert (weights of a local directory, sha256 {weights[:12]})"
    title = (root / "reports/tables/table1.md").read_text().splitlines()[0]
    assert "of the idc cohort" in title
    assert f"masks: {sources};" in title
    assert f"text encoder {encoder}" in title
    assert f"text encoder {encoder};" in (root / "reports/index.html").read_text()
    assert table.loc["textbcs", "text_encoder"] == encoder


def test_every_patient_is_accounted_for(root: Path, collection: Collection) -> None:
    masks = pd.read_csv(root / "data/masks/masks.csv", keep_default_na=False).set_index("patient")
    assert len(masks) == PATIENTS
    assert set(masks.index[masks["source"] == "expert"]) == set(EXPERT)
    assert (masks["source"] == "reviewed").sum() == PATIENTS - len(EXPERT) - 1
    assert masks.loc[WITHOUT_MASK, "reason"].startswith("no source has a mask: ")
    found = read_masks(root / "data")
    assert set(found) == set(collection.truth) - {WITHOUT_MASK}
    for patient, mask in found.items():
        np.testing.assert_array_equal(mask, collection.truth[patient])
    flow = (root / "reports/tables/flow.md").read_text()
    assert f"Flow: {PATIENTS} patients in, " in flow


def test_the_faults_left_nothing_behind(duke: tuple[Checkout, Server]) -> None:
    checkout, server = duke
    assert all(fault.times == 0 for fault in server.faults), "a fault did not happen"
    with chdir(checkout.root):
        assert nothing_left()
        assert raw_is_right(read_files(FILES))
    assert checkout.is_clean()


def test_no_canary_is_in_any_result(root: Path) -> None:
    raw = next((root / "data/raw").glob("Breast*/*/*.dcm")).read_bytes()
    assert all(canary.encode() in raw for canary in PLANTED), "the canaries were not planted"
    names = set()
    for folder in ("data", "results", "reports", "logs", ".snakemake", ".dvc"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and root / "data/raw" not in path.parents:
                content = path.read_bytes()
                names.add(path.name)
                assert_clean(
                    str(path), gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                )
    wanted = {"series.csv", "files.csv", "slices.safetensors", "index.html", "cohort.json"}
    assert wanted <= names, "not everything was looked at"


def test_the_same_masks_from_nbia(collection: Collection, root: Path, tmp_path: Path) -> None:
    """NBIA has the images only; MAMA-MIA's masks come from the same local directory."""
    images = tmp_path / "images"
    shutil.copytree(collection.archive, images)
    for path in images.rglob("*.dcm"):
        if pydicom.dcmread(path, specific_tags=["Modality"]).Modality == "SEG":
            path.unlink()
    with serve(NbiaHandler) as server:
        keys = offer_nbia(server, images)
        server.faults = [Fault("503", "getSeries"), Fault("reset", "getImage"), Fault("wrong MD5")]
        place = {key: keys[key] for key in ("kind", "address", "collection")}
        checkout = checkout_of(collection, tmp_path, place | {"index_version": ""})
        checkout.snakemake("--cores", "2", "results/receipts/masks.json", **FAST)
        assert all(fault.times == 0 for fault in server.faults), "a fault did not happen"
    with chdir(checkout.root):
        assert nothing_left()
        files = read_files(FILES)
    idc = read_files(root / FILES)
    assert set(files["sha256"]) == set(idc.loc[~idc["sha256"].isin(seg_hashes(root)), "sha256"])
    found, same = read_masks(checkout.root / "data"), read_masks(root / "data")
    assert set(found) == set(EXPERT)
    for patient, mask in found.items():
        np.testing.assert_array_equal(mask, same[patient])


def seg_hashes(root: Path) -> set[str]:
    """The sha256 of the fetched segmentations."""
    series = pd.read_csv(root / "data/cohort/series.csv")
    masks = series.loc[series["modality"] == "SEG", "series_uid"]
    files = read_files(root / FILES)
    return set(files.loc[files["series_uid"].isin(masks), "sha256"])
