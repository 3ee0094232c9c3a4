"""More planted faults: each names one node and one class, also where --deep looks at the same file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import fabricated
import pandas as pd
import pytest
from audited import named
from fabricated import build, edit_yaml, flip
from fabricated_lock import commit, write_lock
from fabricated_stages import Recipe, uid

from textbcs.base.io import write_json, write_text
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.records.stage_roles import LEARNS
from textbcs.settings.params import read_yaml

SLICES = "data/slices/{}/slices.csv"
SCORES = "results/evaluation/unet-s1/slices.csv"


def test_a_flipped_bit_in_a_cached_list_of_a_folder(tree: Path) -> None:
    lists = sorted(Path(".dvc/cache/files/md5").rglob("*.dir"))
    digest = hashlib.md5(lists[0].read_bytes(), usedforsecurity=False).hexdigest()
    flip(lists[0])
    report = verify()
    assert [(one.kind, one.path) for one in report.findings] == [("TAMPERED", str(lists[0]))]
    locked = read_yaml("dvc.lock")["stages"]
    makers = [
        name
        for name, one in locked.items()
        if any(out["md5"] == f"{digest}.dir" for out in one["outs"])
    ]
    assert [report.findings[0].node] == makers


def test_swapped_prompts_that_the_stage_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows changed places: each slice has the other patient's prompt, and every hash is right."""

    def swapped(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        columns = ["patient", "text"]
        table.loc[[0, 3], columns] = table.loc[[3, 0], columns].to_numpy()
        return table

    recipe = Recipe(edits={"data/prompts/test.csv": swapped})
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    report = verify()
    assert named(report) == [("LEAK", "prompts")]
    assert "patient P5 for a slice of P4" in report.findings[0].detail


def test_an_instance_in_two_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        table.loc[1, "sop_uid"] = uid("P4", 1)
        return table

    recipe = Recipe(edits={SLICES.format("train"): copied})
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    assert named(verify()) == [("LEAK", "slices")]


def with_stage(
    monkeypatch: pytest.MonkeyPatch, name: str, before: str = "table1", deps: tuple[str, ...] = ()
) -> None:
    """Add a stage without a matrix to the toy pipeline; what it reads is the recipe's."""

    def verb(stage: Any, recipe: Recipe) -> None:
        write_json(stage.output(f"results/{name}.json"), {"value": 0.5})

    monkeypatch.setitem(fabricated.VERBS, name, verb)
    stages: dict[str, Any] = {}
    for other, stage in fabricated.STAGES.items():
        if other == before:
            outs = [f"results/{name}.json"]
            stages[name] = {"params": [], "deps": list(deps), "outs": outs}
        stages[other] = stage
    monkeypatch.setattr(fabricated, "STAGES", stages)


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("search", SLICES.format("test")),
        ("calibrate", "data/prompts/test.csv"),
        ("calibrate_temperature", "results/predictions/unet-s1/probability.safetensors"),
        ("calibrate", "results/predictions/unet-s1/maps.safetensors"),
        ("select_weights", SCORES),
        ("threshold", "data/slices/test/slices.safetensors"),
    ],
)
def test_what_learns_or_selects_may_not_read_test(
    name: str, reads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_stage(monkeypatch, name)
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads={name: [reads]})))
    report = verify()
    assert named(report) == [("TEST-PEEK", name)]
    assert reads in report.findings[0].detail


def test_a_search_by_validation_is_no_peek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_stage(monkeypatch, "search")
    reads = {"search": [SLICES.format("val"), "results/runs/unet-s1/model.safetensors"]}
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads=reads)))
    assert named(verify()) == []


def test_a_temperature_from_validation_is_no_peek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage may read the folder of all maps; what it has read are those of validation."""
    with_stage(monkeypatch, "calibrate", deps=("results/predictions",))
    maps = "results/predictions/unet-s1/validation.safetensors"
    reads = {"calibrate": [SLICES.format("val"), maps]}
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads=reads)))
    assert named(verify()) == []


def test_a_selection_by_a_table_of_test_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads no test file, but what was computed on them, two stages further down."""
    with_stage(monkeypatch, "summary", before="table1")
    with_stage(monkeypatch, "select_method", before="table1")
    reads = {"summary": [SCORES], "select_method": ["results/summary.json"]}
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads=reads)))
    assert named(verify()) == [("TEST-PEEK", "select_method")]


def test_a_definition_that_would_let_training_peek(tree: Path) -> None:
    """Before anything has run with it."""
    edit_yaml("dvc.yaml", lambda file: file["stages"]["train"]["deps"].append("data/slices/test"))
    found = [one for one in named(verify()) if one[0] == "TEST-PEEK"]
    assert found == [
        ("TEST-PEEK", f"train@{one}") for one in ("unet-1", "unet-2", "textbcs-1", "textbcs-2")
    ]


def test_what_learns_goes_by_its_name() -> None:
    for name in (
        "train", "train_variant", "train_replicate", "pretrain", "search", "select", "calibrate",
        "temperature", "tune", "fit_prior", "threshold_choice", "text",
    ):  # fmt: skip
        assert LEARNS.fullmatch(name)
    for name in (
        "predict",
        "score",
        "statistics",
        "replicates",
        "text_probe",
        "text_worth",
        "trainer",
        "tables",
    ):
        assert not LEARNS.fullmatch(name)


def test_the_whole_chain_of_a_forged_split(tree: Path) -> None:
    """A patient moved in the file, its receipt and the lock: the stages below know the old one."""
    path, receipt = Path("data/splits/split.csv"), Path("results/receipts/split.json")
    path.write_text(path.read_text().replace("P2,train", "P2,test"))
    facts = json.loads(receipt.read_text())
    facts["outputs"][0] |= {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
    }
    receipt.write_text(json.dumps(facts))
    write_lock(only="split")
    commit("forged")
    report = verify()
    assert named(report) == [("STALE", "slices"), ("LEAK", "slices")]
    assert "patient P2 has slices in train, split.csv says test" in report.findings[1].detail


def test_a_paired_test_with_a_slice_less_for_every_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = {
        f"results/evaluation/unet-s{seed}/slices.csv": lambda table: table.drop(index=0)
        for seed in (1, 2)
    }
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(edits=edits)))
    assert named(verify()) == [
        ("DENOMINATOR", "score"),
        ("DENOMINATOR", "score"),
    ]


def test_an_added_cache_object_is_named_by_its_content(tree: Path) -> None:
    """An object whose name is not its md5 can be restored as anything."""
    write_text(".dvc/cache/files/md5/ab/" + "c" * 30, "other\n")
    assert named(verify()) == [("TAMPERED", "")]


@pytest.mark.parametrize(("address", "dep"), [("slices", "data/masks")])
def test_an_edited_folder_among_the_deps_of_the_lock(tree: Path, address: str, dep: str) -> None:
    """The stage has read all of the folder, so its md5 is known."""

    def change(lock: dict[str, Any]) -> None:
        entry = next(one for one in lock["stages"][address]["deps"] if one["path"] == dep)
        entry["md5"] = "0" * 32 + ".dir"

    edit_yaml("dvc.lock", change)
    assert named(verify()) == [("FORGED-LOCK", address)]
