"""`textbcs clean` on a mock tree: what stages wrote goes, what people put there stays."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from textbcs.base.io import InputError
from textbcs.commands.clean import clean, clean_leftovers, leftovers, written
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import define_all, read_stages

MADE = (
    "data/phantom/manifest.csv",
    "data/phantom/archive/1/1.dcm",
    "data/cohort/files.csv",
    "data/masks/a.nii.gz",
    "data/splits/split.csv",
    "data/slices/test/slices.csv",
    "data/slices/excluded.csv",
    "data/prompts/test.csv",
    "data/text/learn/embeddings.safetensors",
    "results/runs/unet-s1/model.safetensors",
    "results/runs/of_other_parameters-s9/model.safetensors",
    "results/receipts/train@unet-1.json",
    "results/runinfo/train@unet-1.json",
    "results/calibration/unet-s1.json",
    "results/statistics/means.csv",
    "logs/train@unet-1.log",
    ".snakemake/log/x",
)
FETCHED = ("data/raw/Breast_MRI_001/1.2/1.dcm", "data/quarantine/1.2/1.dcm")
OF_PEOPLE = (
    "data/README.md",
    "data/archive.dvc",
    "data/archive/Annotation_Boxes.xlsx",
    "data/own/dicom/1.dcm",
    "data/own/masks.dvc",
    "data/mama_mia/segmentations/a.nii.gz",
    "data/readers.xlsx",
    "data/phantom/notes.txt",
    "results/README.md",
    "results/notes.txt",
    "reports/tables/table1.csv",
    "params.yaml",
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dvc.yaml").symlink_to(Path("dvc.yaml").resolve())
    for name in (*MADE, *FETCHED, *OF_PEOPLE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(tree: Path) -> set[str]:
    inside = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    return inside - {"dvc.yaml"}


def test_only_what_the_stages_wrote_goes(tree: Path) -> None:
    before = files(tree)
    planned = clean(dry_run=True)
    assert files(tree) == before
    done = clean()
    assert files(tree) == {*FETCHED, *OF_PEOPLE}
    assert done[:-1] == planned[:-1]
    assert "results/runs  0.0 MB" in done
    assert not (tree / "data/cohort").exists(), "folders that are left empty go too"
    assert clean()[-1].startswith("0 deleted")


def test_what_was_fetched_goes_only_when_asked_for(tree: Path) -> None:
    lines = clean(raw=True)
    assert [line.split()[0] for line in lines[:-1]] == ["data/raw", "data/quarantine"]
    assert files(tree) == {*MADE, *OF_PEOPLE}


def test_a_link_goes_and_what_it_points_to_stays(tree: Path) -> None:
    elsewhere = tree / "data/own/slices"
    (tree / "data/slices/test").rename(elsewhere)
    (tree / "data/slices/test").symlink_to(elsewhere)
    (tree / "data/raw").rename(tree / "disk")
    (tree / "data/raw").symlink_to(tree / "disk")
    clean()
    assert clean(raw=True)[0] == "data/raw  a link, what it points to stays"
    assert list((tree / "disk").iterdir())
    assert (elsewhere / "slices.csv").read_text() == "12345"
    assert not (tree / "data/slices").exists()


def test_what_cannot_be_deleted_is_named_with_its_folder(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "1.2.dcm")

    monkeypatch.setattr(shutil, "rmtree", refused)
    with pytest.raises(InputError, match=r"^data/raw: cannot be deleted: Permission denied$"):
        clean(raw=True)


def test_outside_of_a_checkout_nothing_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="dvc.yaml"):
        clean(raw=True)
    assert (tmp_path / "data/raw").is_dir()


OF_SEED_9 = (
    "results/runs/unet-s9/model.safetensors",
    "results/predictions/unet-s9/maps.safetensors",
    "results/receipts/train@unet-9.json",
    "results/runinfo/train@unet-9.json",
)
OF_OTHERS = (
    "results/pretrained/of_another_recipe/encoder.safetensors",
    "results/search/of_another_recipe/choice.json",
    "results/robustness/of_another_recipe-s1/slices.csv",
    "results/receipts/evaluate@unet-1.json",
    "results/receipts/robustness_figures.json",
)
DECLARED = (
    "results/runs/unet-s1/model.safetensors",
    "results/predictions/unet-s1/maps.safetensors",
    "results/predictions/empty-s0/maps.safetensors",
    "results/evaluation/unet-s9/slices.csv",
    "results/receipts/train@unet-1.json",
    "results/receipts/score.json",
    "results/runinfo/train@unet-1.json",
    "data/text/learn/prompts.csv",
    "reports/tables/table1.csv",
)
A_PERSONS = (
    "results/notes.txt",
    "results/runs/notes.txt",
    "results/runs/.kept-s9/model.safetensors",
    "results/runs/old runs/unet-s9/model.safetensors",
    "results/receipts/of my own.json",
    "results/receipts/train@unet-9.json.dvc",
    "data/raw/x-s9/1.dcm",
    "data/quarantine/x-s9/1.dcm",
    "data/own/x-s9/1.dcm",
    "x-s9/model.safetensors",
)


@pytest.fixture
def smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny preset, after a run that had other parameters too."""
    for name in ("dvc.yaml", "workflow"):
        (tmp_path / name).symlink_to(Path(name).resolve())
    YAML(typ="safe").dump(read_preset("tiny"), tmp_path / "params.yaml")
    for name in (*OF_SEED_9, *OF_OTHERS, *DECLARED, *A_PERSONS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_leftovers_are_what_no_stage_declares_with_these_parameters(smaller: Path) -> None:
    before = files(smaller)
    planned = clean_leftovers(dry_run=True)
    assert files(smaller) == before
    assert "results/runs/unet-s9  0.0 MB" in planned
    assert planned[-1] == "9 would be deleted, 0.00 GB"
    assert clean_leftovers()[:-1] == planned[:-1]
    assert files(smaller) == before - {*OF_SEED_9, *OF_OTHERS}
    assert not (smaller / "results/robustness").exists(), "folders that are left empty go too"
    assert clean_leftovers() == ["0 deleted, 0.00 GB"]


def test_an_output_in_a_folder_of_matrix_values_goes_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"train": {"matrix": {"seed": [1, 2]}, "outs": ["results/s${item.seed}/model.bin"]}}
    for seed in (1, 2, 3):
        (tmp_path / f"results/s{seed}").mkdir(parents=True)
        (tmp_path / f"results/s{seed}/model.bin").touch()
    monkeypatch.chdir(tmp_path)
    assert leftovers({}, stages) == [Path("results/s3/model.bin")]


@pytest.mark.parametrize("preset", ["phantom", "duke", "tiny"])
def test_every_output_of_every_stage_is_covered(preset: str) -> None:
    listed = [*written(read_stages()), "reports"]
    for definition in define_all(read_preset(preset)).values():
        for output in definition.outputs:
            assert any(f"{output}/".startswith(f"{name}/") for name in listed), output
    assert not {"data", "results", "data/raw", "data/archive"} & set(listed)


def test_make_deletes_by_the_command_alone() -> None:
    lines = Path("Makefile").read_text().splitlines()
    deleting = [line for line in lines if line.startswith("\t") and "rm -rf" in line]
    assert deleting == ["\trm -rf $(VENV)-lock"]
    assert "\t$(BIN)/textbcs clean" in lines
