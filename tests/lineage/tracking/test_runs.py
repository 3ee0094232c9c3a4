"""Runs: phases, parameters, tags, and the numbers of every form of output."""

import json
import math
from pathlib import Path

import pytest
from finished import SLICES, Tree, runinfo

from textbcs.base import kernels
from textbcs.base.io import InputError
from textbcs.lineage.tracking.measures import measures
from textbcs.lineage.tracking.runs import OTHER, Run, describe, phase_of
from textbcs.lineage.tracking.sources import find_sources
from textbcs.settings.params import read_yaml


def run(address: str) -> Run:
    return next(describe(one) for one in find_sources()[0] if one.receipt.address == address)


def test_every_stage_has_a_phase() -> None:
    """A new stage needs a line in PHASES, or it is shown under OTHER."""
    assert [name for name in read_yaml("dvc.yaml")["stages"] if phase_of(name, ()) == OTHER] == []


def test_the_ablation_and_the_sweep_have_experiments_of_their_own() -> None:
    variants = read_yaml("params.yaml")["tables"]["variants"]
    phases = {name: phase_of("train_variant", ("train_variant", name, "1")) for name in variants}
    assert {name: phases[name] for name in ("ablation_none", "evidence_e3", "alignment_e0")} == {
        "ablation_none": "ablation",
        "evidence_e3": "sweep",
        "alignment_e0": "sweep",
    }
    assert phase_of("train_variant", ("train_variant", "textbcs_plus", "1")) == "variants"
    assert phase_of("train", ("train", "unet", "1")) == "training"
    assert phase_of("a_new_stage", ()) == OTHER


def test_a_training(finished: Tree) -> None:
    found = run("train@unet-1")
    path, facts = runinfo("train@unet-1")
    assert (found.experiment, found.name) == ("training", "train@unet-1")
    assert found.params == {
        "training.epochs": "2",
        "training.optimizer": "adamw",
        "training.gates": "[1,null]",
    }
    assert set(found.metrics) == {
        ("learning_rate", 0.5, 1),
        ("learning_rate", 0.25, 2),
        ("loss", 2.25, 1),
        ("loss", 1.5, 2),
        ("validation_dice", 0.75, 2),
        ("cpu_seconds", facts["cpu_seconds"], 0),
    }
    assert found.tags["receipt"] == facts["receipt"]
    assert {name: found.tags[name] for name in ("stage", "seed", "method", "cohort", "device")} == {
        "stage": "train",
        "seed": "1",
        "method": "unet",
        "cohort": "phantom",
        "device": kernels.device(),
    }
    path.write_text(
        json.dumps(
            facts | {"commit": "c0ffee", "uncommitted": [], "ended": "2026-01-02T03:04:05+00:00"}
        )
    )
    found = run("train@unet-1")
    assert found.tags["commit"] == found.tags["mlflow.source.git.commit"] == "c0ffee"
    assert found.tags["uncommitted"] == "nothing"
    assert found.ended == 1767323045000


def test_what_is_not_known_is_no_tag(finished: Tree) -> None:
    runinfo("cohort")[0].unlink()
    tags = run("cohort").tags
    assert not {"commit", "uncommitted", "seed", "method", "left_out"} & set(tags)
    Path("reports/figures/overview.png").unlink()
    assert run("report").tags["left_out"] == "reports/figures/overview.png"


def test_a_report_has_its_pictures(finished: Tree) -> None:
    assert run("report").artifacts == ("reports/figures/overview.png",)
    assert run("train@unet-1").artifacts == ()


def test_a_search_is_a_curve_over_its_points(finished: Tree) -> None:
    found = [point for point in run("search@unet").metrics if point[0] != "cpu_seconds"]
    assert found == [
        ("learning_rate", 0.1, 0),
        ("grid.learning_rate", 0.1, 1),
        ("grid.batch_size", 8.0, 1),
        ("grid.validation_dice", 0.5, 1),
        ("grid.learning_rate", 0.2, 2),
        ("grid.batch_size", 8.0, 2),
        ("grid.validation_dice", 0.25, 2),
    ]


def test_scores_are_the_tables_aggregates(finished: Tree) -> None:
    found = {name: value for name, value, _ in run("predict@unet-1").metrics}
    # By hand: slices 0.5, 1 and 0; patients 0.75 and 0; pixels 2 * 12 / (2 * 12 + 12).
    assert found["dice_slice_mean"] == 0.5
    assert found["dice_patient_mean"] == 0.375
    assert found["dice_pooled"] == pytest.approx(24 / 36)
    assert found["lesion_recall_pooled"] == pytest.approx(2 / 3)


def test_numbers_of_several_files_have_the_files_name(tmp_path: Path) -> None:
    nested = {"raw": {"ece": 0.5, "bins": [1, 2], "head": "x", "whole": True, "none": None}}
    (tmp_path / "unet-s1.json").write_text(json.dumps(nested))
    (tmp_path / "odd-s1.json").write_text('{"value": 1e999, "count": 3}')
    names = [str(tmp_path / f"{name}.json") for name in ("unet-s1", "odd-s1")]
    assert list(measures(names)) == [("unet-s1.raw.ece", 0.5, 0), ("odd-s1.count", 3.0, 0)]
    assert list(measures(names[:1])) == [("raw.ece", 0.5, 0)]
    (tmp_path / "odd-s1.json").write_text('{"value": NaN}')  # no stage writes it
    with pytest.raises(InputError, match="NaN is no number of JSON"):
        list(measures(names))


def test_slices_of_several_runs_have_the_runs_name(tmp_path: Path) -> None:
    paths = [tmp_path / name / "slices.csv" for name in ("empty-s0", "prior-s0")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(SLICES)
    found = {name: value for name, value, _ in measures([str(path) for path in paths])}
    assert found["empty-s0.dice_slice_mean"] == found["prior-s0.dice_slice_mean"] == 0.5
    assert all(math.isfinite(value) for value in found.values())
