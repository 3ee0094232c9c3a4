"""docs/tutorials/own_data.md: its commands and edits, on phantom patients that bear nothing of Duke's names.

The oracle is the pipeline itself: the same patients as a Duke-like archive give the same slices.
"""

import re
import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from checkout import SOURCE, create
from PIL import Image
from ruamel.yaml import YAML

from textbcs.archives.incoming import RAW
from textbcs.base.io import read_csv, records
from textbcs.cli import main
from textbcs.cohort.cohort_tables import read_files, read_series_table
from textbcs.dataset.slice_store import read_shard
from textbcs.dataset.split_table import SPLITS
from textbcs.imaging.dicom import read_series
from textbcs.imaging.geometry import to_ras
from textbcs.settings.params import fault_of, read_yaml
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage
from textbcs.stages.data.cohort import run as list_cohort
from textbcs.stages.data.download import run as download
from textbcs.stages.data.flow import run as write_flow
from textbcs.stages.data.masks import run as make_masks
from textbcs.stages.data.phantom import run as write_archive
from textbcs.stages.data.prompts import run as make_prompts
from textbcs.stages.data.slices import run as extract_slices
from textbcs.stages.data.split import run as make_split

DOC = (SOURCE / "docs/tutorials/own_data.md").read_text(encoding="utf-8")
NAMES = {"pre": "dyn native", "post1": "dyn contrast, 1 min", "": "T1 fat-saturated"}
DICOM, SEG, NIFTI = (
    "DICOM series with NIfTI masks",
    "DICOM series with DICOM SEG masks",
    "NIfTI volumes with NIfTI masks",
)
IMAGES = "2-D images with masks (PNG, JPEG, TIFF, BMP)"
AFTER_DOWNLOAD = (make_masks, make_split, extract_slices, write_flow, make_prompts)


@dataclass(frozen=True)
class Own:
    """A folder with `data/own`, and the slices that the same patients give under Duke's names."""

    root: Path
    slices: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]
    texts: dict[tuple[str, int], str]


def run_stages(params: dict[str, Any], *verbs: Callable[[Stage], None]) -> None:
    folders = ("data", "reports", "results")
    for verb in verbs:
        verb(Stage(Definition(verb.__name__, (), folders, folders), params, [verb.__name__]))


def tumour_slices() -> tuple[dict[Any, Any], dict[Any, Any]]:
    """(patient, z) -> image and mask, and -> prompt, over all splits of the working folder."""
    slices, texts = {}, {}
    for split in SPLITS:
        folder = Path("data/slices") / split
        shard = read_shard(folder / "slices.csv", folder / "slices.safetensors")
        said = dict(read_csv(f"data/prompts/{split}.csv")[["slice_id", "text"]].to_numpy())
        for row, image, mask in zip(records(shard.table), shard.images, shard.masks, strict=True):
            if row["kind"] == "tumour":
                key = (row["patient"][-3:], row["z_index"])
                slices[key], texts[key] = (image, mask), said[row["slice_id"]]
    return slices, texts


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    """Phantom patients 001, 002, ... as a hospital may have them: own names, no order, no workbook."""
    root = tmp_path_factory.mktemp("own")
    params = read_preset("tiny", SOURCE / "presets")
    params["cohort"] |= {"phases": ["pre", "post1"]}
    with chdir(root):
        run_stages(params, write_archive, list_cohort, download, *AFTER_DOWNLOAD)
        slices, texts = tumour_slices()
        phases = dict(read_series_table()[["series_uid", "phase"]].to_numpy())
        for number, path in enumerate(sorted(Path("data/phantom/archive").rglob("*.dcm"))):
            _hospital_file(path, phases, Path(f"data/own/dicom/{number % 7}/{number * 7919}"))
        for path in Path("data/masks").glob("*.nii.gz"):
            target = Path("data/own/masks") / path.name.removeprefix("Breast_MRI_")
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
        for (patient, uid), files in read_files().groupby(["patient", "series_uid"]):
            if phases[uid] in ("pre", "post1"):
                name = f"case_000{0 if phases[uid] == 'pre' else 1}.nii.gz"
                _nifti(files["path"], Path("data/own/nifti") / patient[-3:] / name)
        for path in Path().iterdir():
            for folder in path.iterdir():
                if folder.name != "own":
                    shutil.rmtree(folder)
    return Own(root, slices, texts)


def _hospital_file(path: Path, phases: dict[str, str], target: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.PatientID = dataset.PatientID.removeprefix("Breast_MRI_")
    is_mask = dataset.Modality == "SEG"
    dataset.SeriesDescription = (
        "drawn by hand" if is_mask else NAMES[phases[dataset.SeriesInstanceUID]]
    )
    del dataset.SeriesNumber
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target)


def _nifti(paths: Any, target: Path) -> None:
    """A series as a NIfTI with axes along R, A, S, which is not how the pipeline holds it."""
    volume = read_series([RAW / path for path in paths], 0.05).volume
    array = np.asarray(volume.array, np.float32).transpose(2, 1, 0)
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, to_ras(volume.affine)))
    target.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, target)


def section(heading: str) -> str:
    return DOC.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def edits(heading: str) -> dict[str, Any]:
    """The edits of params.yaml below a heading of the page."""
    match = re.search(r"```yaml\n(.*?)```", section(heading), re.DOTALL)
    assert match
    return dict(YAML(typ="safe").load(match[1]))


def commands() -> list[str]:
    """The page's commands, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", section("Steps"), re.DOTALL)
    return [line.strip() for block in blocks for line in block.strip().splitlines()]


@pytest.mark.parametrize("way", [DICOM, SEG, NIFTI])
def test_every_way_gives_the_slices_of_the_same_patients(
    way: str, own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = read_preset("own", SOURCE / "presets")
    for name, changes in edits(way).items():
        params[name] |= changes
    params["slices"] |= read_preset("tiny", SOURCE / "presets")["slices"]
    assert fault_of(params) is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data/own").symlink_to(own.root / "data/own")
    monkeypatch.chdir(tmp_path)
    run_stages(params, list_cohort, download)
    shutil.rmtree(RAW / "003")  # is restored
    run_stages(params, *AFTER_DOWNLOAD)
    slices, texts = tumour_slices()
    assert slices.keys() == own.slices.keys()
    assert len(slices) > 20
    for key, (image, mask) in slices.items():
        np.testing.assert_array_equal(mask, own.slices[key][1])
        # NIfTI stores its affine in float32
        np.testing.assert_allclose(image, own.slices[key][0], atol=2e-3 if way == NIFTI else 0)
    # size classes are fitted on another train split
    without_size = [re.sub("size [a-z]+", "", text) for text in texts.values()]
    assert without_size == [re.sub("size [a-z]+", "", own.texts[key]) for key in texts]
    table = read_csv("data/slices/train/slices.csv")
    if way == NIFTI:
        assert table["sop_uid"].isna().all()
        assert (table["instance_number"] == table["z_index"] + 1).all()
    else:
        assert table["sop_uid"].notna().all()


def import_page_images(own: Own, spacing: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The largest slice of each patient as PNGs, brought in by the page's commands.

    Returns:
        Image and mask by patient.
    """
    largest = {
        patient: max(
            (pair for (name, _), pair in own.slices.items() if name == patient),
            key=lambda pair: int(pair[1].sum()),
        )
        for patient in {name for name, _ in own.slices}
    }
    for number, (patient, (image, mask)) in enumerate(sorted(largest.items())):
        bits = 65535 if number % 2 else 255
        _png(f"images/{patient}.png", np.rint(image.astype(np.float64) * bits), bits)
        _png(f"drawn/{patient}_mask.png", mask * (number % 3 == 0 or 255), 255)
    match = re.search(r"```sh\n(.*?)```", section(IMAGES), re.DOTALL)
    assert match
    for line in match[1].strip().splitlines():
        words = line.replace("--spacing 0.5", f"--spacing {spacing}").split()
        assert words[0] == ".venv/bin/textbcs"
        assert main(words[1:]) == 0
    return largest


@pytest.mark.parametrize("sides", ["patient", "image", "none"])
def test_images_become_volumes_of_one_slice(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sides: str
) -> None:
    """The command of the page: PNGs of one slice of each patient give that slice back."""
    monkeypatch.chdir(tmp_path)
    largest = import_page_images(own, "7.0")
    params = read_preset("own_first", SOURCE / "presets")
    for name, changes in edits(IMAGES).items():
        params[name] |= changes
    params["cohort"]["sides"] = sides
    params["slices"] |= read_preset("tiny", SOURCE / "presets")["slices"]
    params["slices"] |= {"clip_percentiles": [0.0, 100.0], "minimum_lesion_mm2": 50.0}
    assert fault_of(params) is None
    run_stages(params, list_cohort, download, *AFTER_DOWNLOAD)
    slices, texts = tumour_slices()
    assert slices.keys() == {(patient, 0) for patient in largest}
    for (patient, _), (image, mask) in slices.items():
        np.testing.assert_array_equal(mask, largest[patient][1])
        seen = largest[patient][0].astype(np.float32)
        stretched = (seen - seen.min()) / (seen.max() - seen.min())
        np.testing.assert_allclose(image, stretched, atol=0.01)
        greater = np.flatnonzero(mask.any(axis=0)).mean() > mask.shape[1] / 2
        told = {"patient": greater, "image": not greater}
        side = f"location {'left' if told[sides] else 'right'}; " if sides in told else ""
        assert texts[patient, 0].startswith(f"{side}shape ")


def _png(name: str, pixels: np.ndarray, greatest: int) -> None:
    path = Path("data/own") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint16 if greatest > 255 else np.uint8)).save(path)


@pytest.mark.dag
def test_the_commands_of_the_page(own: Own, tmp_path: Path) -> None:
    (tmp_path / "origin").mkdir()
    checkout = create(tmp_path / "origin", tmp_path / "home", toy=False)
    (checkout.root / "data/own").symlink_to(own.root / "data/own")
    first, *others = commands()
    assert first.endswith("textbcs use own_first")
    own_code = {"PYTHONPATH": str(checkout.root / "src")}  # not the one that is installed
    checkout.run("sh", "-c", first, **own_code)
    for name, changes in edits(DICOM).items():
        for key, value in changes.items():
            if read_yaml(checkout.root / "params.yaml")[name][key] != value:
                checkout.set_param(f"{name}.{key}", value)
    printed = [checkout.run("sh", "-c", command, **own_code).stdout for command in others]
    patients = len(list((own.root / "data/own/masks").iterdir()))
    assert any(f"to fetch  {patients} patients, {patients} series" in text for text in printed)
    assert f"{patients} patients in" in (checkout.root / "reports/tables/flow.md").read_text()
    assert (checkout.root / "data/prompts/test.csv").is_file()
