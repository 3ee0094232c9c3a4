"""Two revisions of the fabricated tree: the cells that differ, and the stage where it began."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fabricated import edit_yaml, run
from fabricated_lock import commit, write_lock
from fabricated_stages import Recipe

from textbcs.base import kernels
from textbcs.base.io import InputError, write_text
from textbcs.cli import main
from textbcs.lineage.comparison.diff import Change, diff
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define_all

TABLE = "reports/tables/table1.csv"
OTHER = {"predict@unet-1": 3}  # other maps than before, so other scores


def rerun(recipe: Recipe, *stages: str) -> None:
    """Run stages again, as the engines would, and commit."""
    recipe.params = dict(read_yaml("params.yaml"))
    definitions = define_all(recipe.params)
    for definition in definitions.values():
        if definition.stage in stages or definition.address in stages:
            run(definition, recipe, Makers(definitions))
    write_lock()
    commit("second")


def keys(changes: list[Change]) -> set[tuple[str, str]]:
    """Row and column of every changed cell."""
    return {(one.row, one.column) for one in changes}


def test_nothing_differs_from_itself(tree: Path) -> None:
    assert diff("HEAD") == ([], [])
    assert diff("HEAD", "HEAD") == ([], [])


def test_a_parameter_is_named_with_both_values(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["methods"]["unet"].update(width=16))
    recipe = Recipe(weights={"train@unet-1": 1, "train@unet-2": 2, **OTHER})
    rerun(
        recipe,
        "train@unet-1",
        "train@unet-2",
        "predict@unet-1",
        "predict@unet-2",
        "score",
        "table1",
    )
    changes, remarks = diff("HEAD~1", "HEAD")
    assert keys(changes) == {("unet", "dice_slice_mean"), ("unet", "dice_patient_mean")}
    for change in changes:
        cause = change.causes[0]
        assert cause.stage == "train@unet-1"
        assert cause.reasons == ("parameters methods.unet.width: 4 -> 16",)
    assert remarks == []


def test_code_is_named(tree: Path) -> None:
    write_text("src/textbcs/models/unet.py", "# better\n")
    rerun(Recipe(weights=OTHER), "train", "predict", "score", "table1")
    changes, _ = diff("HEAD~1", "HEAD")
    assert keys(changes) == {("unet", "dice_slice_mean"), ("unet", "dice_patient_mean")}
    # Training gave the same weights, so it is no cause.
    assert {change.causes[0].stage for change in changes} == {"predict@unet-1"}
    assert changes[0].causes[0].reasons == ("code src/textbcs/models",)


def test_the_first_cause_is_the_most_upstream_one(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["split"].update(seed=18))
    edit_yaml("params.yaml", lambda params: params["training"].update(epochs=3))
    recipe = Recipe(
        edits={"data/splits/split.csv": lambda table: table.iloc[::-1]},
        images={"P1-z0": "P1-z1", "P4-z0": "P4-z1"},
        weights={"train@unet-1": 1, **OTHER},
    )
    rerun(recipe, "split", "slices", "flow", "prompts", "train", "predict", "score", "table1")
    causes = diff("HEAD~1", "HEAD")[0][0].causes
    assert [one.stage for one in causes] == ["split", "train@unet-1"]
    assert causes[0].reasons == ("parameters split.seed: 17 -> 18",)


def test_another_device_is_a_cause(tree: Path) -> None:
    recipe = Recipe(devices={"predict@unet-1": "cuda"}, weights=OTHER)
    rerun(recipe, "predict@unet-1", "score", "table1")
    reasons = diff("HEAD~1", "HEAD")[0][0].causes[0].reasons
    assert reasons == (f"device {kernels.device()} -> cuda",)


def test_one_run_is_no_cause_of_another_ones_scores(tree: Path) -> None:
    """One stage makes the rows of both; each cell has the cause of its own run."""
    recipe = Recipe(weights={"train@textbcs-2": 5, "predict@textbcs-2": 6, **OTHER})
    rerun(recipe, "train@textbcs-2", "predict@unet-1", "predict@textbcs-2", "score", "table1")
    causes = {one.row: [cause.stage for cause in one.causes] for one in diff("HEAD~1", "HEAD")[0]}
    assert causes == {"unet": ["predict@unet-1"], "textbcs": ["train@textbcs-2"]}
    # Without the lists of folders in DVC's cache both may be the cause of either.
    for path in Path(".dvc/cache").rglob("*.dir"):
        path.unlink()
    for one in diff("HEAD~1", "HEAD")[0]:
        assert {cause.stage for cause in one.causes} == {"predict@unet-1", "train@textbcs-2"}


def test_what_cannot_be_explained_is_said(tree: Path) -> None:
    rerun(Recipe(weights=OTHER), "predict@unet-1", "score", "table1")
    cause = diff("HEAD~1", "HEAD")[0][0].causes[0]
    assert cause.stage == "predict@unet-1"
    assert cause.reasons == ("the same inputs, code and parameters gave another output",)


def test_an_edit_by_hand_in_the_working_folder(tree: Path) -> None:
    table = pd.read_csv(TABLE)
    table.loc[1, "dice_slice_mean"] = 99.0
    table.to_csv(TABLE, index=False)
    changes, _ = diff("HEAD")
    assert [(one.row, one.column, one.new, one.causes) for one in changes] == [
        ("textbcs", "dice_slice_mean", "99.0", ())
    ]


def test_a_new_row_is_a_change_of_its_cells(tree: Path) -> None:
    recipe = Recipe(edits={TABLE: lambda table: table.iloc[:1]})
    rerun(recipe, "table1")
    changes, _ = diff("HEAD", "HEAD~1")
    assert {one.row for one in changes} == {"textbcs"}
    assert {one.old for one in changes} == {"(absent)"}


def test_without_the_cache_the_lock_still_tells(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["methods"]["unet"].update(width=16))
    recipe = Recipe(weights={"train@unet-1": 1, **OTHER})
    rerun(recipe, "train", "predict", "score", "table1")
    shutil.rmtree(".dvc/cache")
    changes, remarks = diff("HEAD~1", "HEAD")
    assert changes[0].causes[0].stage == "train@unet-1"
    assert len(remarks) == 2
    assert "receipts are not in DVC's cache" in remarks[0]


def test_an_experiment_is_found_by_its_name(tree: Path) -> None:
    rerun(Recipe(weights=OTHER), "predict@unet-1", "score", "table1")
    for command in (
        ["update-ref", "refs/exps/ab/cdef/muted-fox", "HEAD"],
        ["reset", "-q", "--hard", "HEAD~1"],
    ):
        subprocess.run(["git", *command], check=True)
    assert diff("HEAD", "muted-fox")[0]
    with pytest.raises(InputError, match="muted-ox: neither a git revision nor one DVC experiment"):
        diff("HEAD", "muted-ox")


def test_a_revision_without_results(tree: Path) -> None:
    first = subprocess.run(
        ["git", "rev-list", "--max-parents=0", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with pytest.raises(InputError, match=r"has no dvc\.lock"):
        diff(first)


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_the_command(
    tree: Path, extra: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: Callable
) -> None:
    rerun(Recipe(weights=OTHER), "predict@unet-1", "score", "table1")
    assert main(["audit", "diff", "HEAD~1", *extra]) == 0
    printed = capsys.readouterr().out
    if extra:
        assert json.loads(printed)["changes"][0]["row"] == "unet"
    else:
        assert "predict@unet-1: the same inputs" in printed
        assert printed.endswith("2 cells differ\n")
