"""Faults that a stage itself commits: every receipt is right, and yet the result is wrong."""

from collections.abc import Callable
from pathlib import Path

import fabricated
import pandas as pd
import pytest
from audited import named
from fabricated import build
from fabricated_stages import PARAMS, Recipe, uid

from textbcs.base.io import write_json
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.records.stage_roles import is_test
from textbcs.stage.receipt import Stage


def row(column: str, number: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """An edit of one cell of a table."""

    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        table.loc[number, column] = value
        return table

    return edit


def drop(number: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """An edit that leaves out a row."""
    return lambda table: table.drop(index=number)


def doubled(table: pd.DataFrame) -> pd.DataFrame:
    """A patient in two splits, under a name with a blank."""
    return pd.concat([table, pd.DataFrame({"patient": [" p1"], "split": ["test"]})])


OTHER_KERNELS = "cpu x86_64, its own"
SLICES = "data/slices/{}/slices.csv"
EVALUATED = "results/evaluation/unet-s2/slices.csv"
COMMITTED = {
    "device": (
        Recipe(devices={"train@unet-1": OTHER_KERNELS}),
        [("MIXED-DEVICE", "table1")],
    ),
    "predicted elsewhere": (
        Recipe(devices={"predict@textbcs-2": OTHER_KERNELS}),
        [("MIXED-DEVICE", "table1")],
    ),
    "one seed twice": (
        Recipe(seeds={"train@unet-2": 1}),
        [("CONTRADICTION", "train@unet-2"), ("SEED-REUSE", "train@unet-2")],
    ),
    "one training twice": (
        Recipe(weights={"train@textbcs-1": 7, "train@textbcs-2": 7}),
        [("SEED-REUSE", "train@textbcs-2")],
    ),
    "training on test": (
        Recipe(reads={"train": ["data/slices/test/slices.csv"]}),
        [("TEST-PEEK", f"train@{run}") for run in ("unet-1", "unet-2", "textbcs-1", "textbcs-2")],
    ),
    "patient in two splits": (
        Recipe(edits={"data/splits/split.csv": doubled}),
        [("LEAK", "split")],
    ),
    "slices of a train patient in test": (
        Recipe(edits={SLICES.format("test"): row("patient", 0, "P1")}),
        [("LEAK", "slices"), ("COUNTS", "flow")],  # she is counted in both
    ),
    "series in two splits": (
        Recipe(edits={SLICES.format("val"): row("series_uid", 0, uid("P1"))}),
        [("LEAK", "slices")],
    ),
    "study in two splits": (
        Recipe(edits={"data/cohort/series.csv": row("study_uid", 4, uid("study", "P1"))}),
        [("LEAK", "cohort")],
    ),
    "frame of reference in two splits": (
        Recipe(edits={"data/cohort/series.csv": row("frame_of_reference_uid", 2, uid("frame", "P4"))}),
        [("LEAK", "cohort")],
    ),
    "image in two splits": (Recipe(images={"P4-z0": "P2-z1"}), [("LEAK", "slices")]),
    "image in two splits, one pixel changed": (
        Recipe(images={"P4-z0": "P2-z1"}, nudged=("P4-z0",)), [("LEAK", "slices")],
    ),
    "prompt of another patient": (
        Recipe(edits={"data/prompts/test.csv": row("borrowed_from", 2, "P5-z1")}),
        [("LEAK", "prompts")],
    ),
    "prompt of another split": (
        Recipe(edits={"data/prompts/train.csv": row("slice_id", 0, "P4-z0")}),
        [("LEAK", "prompts")],
    ),
    "a slice less": (Recipe(edits={EVALUATED: drop(1)}), [("DENOMINATOR", "score")]),
    "flow": (
        Recipe(edits={"reports/tables/flow.csv": row("tumour_slices", 2, 3)}),
        [("COUNTS", "flow")],
    ),
    "flow without a patient": (
        Recipe(edits={"reports/tables/flow.csv": row("patients", 0, 6)}),
        [("COUNTS", "flow")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", COMMITTED)
def test_a_fault_that_a_stage_commits(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every receipt is right, dvc.lock agrees, and yet the result is wrong."""
    recipe, wanted = COMMITTED[fault]
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    assert named(verify()) == wanted


@pytest.fixture
def repeated(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """A recipe of a tree in which TextBCS is trained once more with seed 3, and its scores are summed up."""
    stages, matrix = {}, {"method": "${again.methods}", "seed": "${again.seeds}"}
    for name, stage in fabricated.STAGES.items():
        if name == "table1":
            files = ["results/evaluation"], ["results/statistics/replicates.json"]
            stages["replicates"] = {"params": [], "deps": files[0], "outs": files[1]}
        stages[name] = stage
        if name in ("train", "predict"):
            stages[f"{name}_replicate"] = {**stage, "matrix": matrix}

    def replicates(stage: Stage, recipe: Recipe) -> None:
        for seed in (1, 2, 3):
            stage.input(f"results/evaluation/textbcs-s{seed}/slices.csv")
        write_json(stage.output("results/statistics/replicates.json"), {})

    monkeypatch.setattr(fabricated, "STAGES", stages)
    monkeypatch.setitem(fabricated.VERBS, "replicates", replicates)
    for name in ("train", "predict"):
        monkeypatch.setitem(fabricated.VERBS, f"{name}_replicate", fabricated.VERBS[name])
    return lambda **faults: Recipe(
        params={**PARAMS, "again": {"methods": ["textbcs"], "seeds": [3]}}, **faults
    )


@pytest.mark.parametrize(
    ("faults", "wanted"),
    [
        ({}, []),
        (
            {"seeds": {"train_replicate@textbcs-3": 2}},
            [
                ("CONTRADICTION", "train_replicate@textbcs-3"),
                ("SEED-REUSE", "train_replicate@textbcs-3"),
            ],
        ),
        (
            {"weights": {"train_replicate@textbcs-3": 7, "train@textbcs-1": 7}},
            [("SEED-REUSE", "train_replicate@textbcs-3")],
        ),
        (
            {"devices": {"train_replicate@textbcs-3": OTHER_KERNELS}},
            [("MIXED-DEVICE", "replicates")],
        ),
        (
            {"devices": {"predict_replicate@textbcs-3": OTHER_KERNELS}},
            [("MIXED-DEVICE", "replicates")],
        ),
    ],
)
def test_a_replicate_is_held_against_the_trainings_that_it_repeats(
    repeated: Callable[..., Recipe],
    faults: dict[str, dict[str, object]],
    wanted: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(build(tmp_path / "tree", repeated(**faults)))
    assert named(verify()) == wanted


def test_a_run_that_a_table_does_not_compare_mixes_nothing_there(
    repeated: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are written by one stage, and `replicates` reads those of TextBCS alone."""
    recipe = repeated(devices={"predict@unet-1": OTHER_KERNELS})
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    report = verify()
    assert named(report) == [("MIXED-DEVICE", "table1")]
    assert "also" not in report.findings[0].detail


@pytest.mark.parametrize("reader", ["predict", "score"])
def test_a_selection_stage_with_any_name_may_not_peek(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an evaluation rests on was learned or chosen, whatever its stage is called."""

    def quantile(stage: object, recipe: Recipe) -> None:
        write_json(stage.output("results/quantile.json"), {"value": 0.5})  # type: ignore[attr-defined]

    monkeypatch.setitem(fabricated.VERBS, "quantile", quantile)
    stages = {}
    for name, stage in fabricated.STAGES.items():
        if name == "predict":
            stages["quantile"] = {"params": [], "deps": [], "outs": ["results/quantile.json"]}
        stages[name] = stage
    monkeypatch.setattr(fabricated, "STAGES", stages)
    reads = {"quantile": [SLICES.format("test")], reader: ["results/quantile.json"]}
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads=reads)))
    assert named(verify()) == [("TEST-PEEK", "quantile")]


def test_what_belongs_to_the_test_split() -> None:
    """The parts, what was computed on them, and a folder that holds such a part."""
    for path in (
        "data/slices/test/slices.csv",
        "data/slices",
        "data/prompts",
        "data/text/probe/prompts.csv",
        "results/predictions/unet-s1/maps.safetensors",
        "results/predictions/unet-s1/probability.safetensors",
        "results/robustness/svli-s1/answers.csv",
        "results/evaluation/unet-s1/slices.csv",
        "results",
    ):
        assert is_test(path)
    for path in (
        "results/predictions/unet-s1/validation.safetensors",
        "data/slices/train",
        "data/slices/testing",
        "data/prompts/train.csv",
        "results/runs",
    ):
        assert not is_test(path)
