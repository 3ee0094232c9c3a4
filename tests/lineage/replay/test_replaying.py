"""Stages that are run again: attacks 101 to 108 and 114 to 117, in which every hash is right and a lie."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from audited import TABLE, named
from fabricated_lock import commit, write_lock
from sealed import change_receipt, seal

from textbcs.cli import main
from textbcs.lineage.audit.verify import Deep, verify
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.records.tree import load_tree
from textbcs.lineage.replay.comparing import Replay
from textbcs.lineage.replay.replaying import run_again
from textbcs.lineage.replay.selection import Choice, chosen

ROWS = "results/evaluation/unet-s1/slices.csv"
RUNNER = """
import sys
sys.path[:0] = {path!r}
import textbcs
from fabricated import run
from fabricated_stages import Recipe
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define, define_all
params = read_yaml("params.yaml")
definition = define(sys.argv[1], tuple(sys.argv[2:]), params)
recipe = Recipe(params=params)
run(definition, recipe, Makers(define_all(params)))
"""


@pytest.fixture
def runnable(tree: Path) -> Path:
    """The finished tree with a launcher that runs the fabricated stages."""
    Path("workflow").mkdir()
    Path("workflow/run.py").write_text(RUNNER.format(path=[one for one in sys.path if one]))
    Path("workflow/stage").write_text('exec "$TEXTBCS_PYTHON" workflow/run.py "$@"\n')
    commit("a launcher")
    return tree


def again(*names: str) -> dict[str, Replay]:
    """What came of running stages again, by address."""
    found = run_again(load_tree(load_graph()), Choice(names))
    return {one.address: one for one in found.replays}


def test_what_ran_runs_again_to_the_same_bytes(runnable: Path) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    found = again("split", "train@unet-1", "table1")
    assert [one.outcome for one in found.values()] == ["equal"] * 3, found
    assert found["train@unet-1"].outputs == 1
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert after.keys() - before.keys() <= {Path(".cache/audit/hashes.json")}
    assert {path: after[path] for path in before} == before


def edited(path: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    def edit() -> None:
        change(pd.read_csv(path)).to_csv(path, index=False)

    return edit


def invented(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(true_positive=table["true_positive"] + 1)


SEALED: dict[str, tuple[Callable[[], None], str, str, str]] = {
    "101 counts": (edited(ROWS, invented), "score", ROWS, "row 1, true_positive: '"),
    "102 a digit": (edited(TABLE, lambda t: t.assign(paper_dice=[85.33, 95.33])), "table1", TABLE,
                    "row 2, paper_dice: '95.33' here, '85.33' when it is run again"),
    "103 a row of no method": (edited(TABLE, lambda t: pd.concat([t, t.tail(1)])), "table1", TABLE,
                               "row 3: not written again"),
    "104 a dropped row": (edited(TABLE, lambda t: t.head(1)), "table1", TABLE, "row 2: is new"),
    "105 a patient less": (edited(ROWS, lambda t: t[t["patient"] != "P5"]), "score", ROWS, "row 4: is new"),
}  # fmt: skip


@pytest.mark.parametrize("attack", SEALED)
def test_sealed_content_is_not_written_again(attack: str, runnable: Path) -> None:
    edit, address, path, words = SEALED[attack]
    edit()
    seal(address)
    (found,) = again(address).values()
    assert (found.outcome, found.path) == ("different", path)
    assert found.detail.startswith(words)


def test_106_counts_that_are_said_to_come_from_another_device(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the maps nothing is computed again, since the receipt says `cuda`; their counts are."""
    edited(ROWS, invented)()
    seal("score")
    for run in ("unet-1", "unet-2", "textbcs-1", "textbcs-2"):
        change_receipt(f"predict@{run}", lambda facts: facts.update(device="cuda"))
    assert main(["audit", "replay", "score", "predict@unet-1"]) == 1
    said = capsys.readouterr().out
    assert (
        "different      score  results/evaluation/unet-s1/slices.csv row 1, true_positive" in said
    )
    assert "predict@unet-1: not run again, it ran on cuda" in said


def test_107_an_output_that_its_stage_does_not_write(runnable: Path) -> None:
    Path("data/masks/P9.nii.gz").write_bytes(b"mask P9")
    entry = {"path": "data/masks/P9.nii.gz", "sha256": "", "bytes": 0}
    change_receipt("masks", lambda facts: facts["outputs"].append(entry))
    seal("masks")
    (found,) = again("masks").values()
    assert (found.outcome, found.path) == ("different", "data/masks/P9.nii.gz")
    assert found.detail == "was not written when it was run again"


def test_108_an_output_that_is_kept_from_the_receipt(runnable: Path) -> None:
    Path("data/masks/P2.nii.gz").unlink()

    def kept(facts: dict[str, Any]) -> None:
        facts["outputs"] = [one for one in facts["outputs"] if "P2" not in one["path"]]

    change_receipt("masks", kept)
    seal("masks")
    (found,) = again("masks").values()
    assert (found.outcome, found.path) == ("different", "data/masks/P2.nii.gz")


def dropped(facts: dict[str, Any]) -> None:
    facts["inputs"] = [one for one in facts["inputs"] if "patients" not in one["path"]]


SAYS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "114 an input that is kept from the receipt": (
        dropped, "does not name data/cohort/patients.csv, which is read when it is run again"),
    "115 other kernels": (lambda facts: facts.update(kernels={}), "says otherwise of kernels: {}"),
    "116 another seed": (lambda facts: facts.update(seed=5), "says otherwise of seed: 5"),
}  # fmt: skip


@pytest.mark.parametrize("attack", SAYS)
def test_what_a_receipt_says_of_its_run_is_compared_too(attack: str, runnable: Path) -> None:
    change, words = SAYS[attack]
    change_receipt("split", change)
    (found,) = again("split").values()
    assert (found.outcome, found.path) == ("different", "results/receipts/split.json")
    assert found.detail == words


def test_117_a_launcher_that_is_in_no_commit(runnable: Path) -> None:
    """It could put the recorded files in place of running the stage."""
    assert verify().findings == []
    Path("workflow/stage").write_text("cp -r recorded/. .\n")
    found = [(one.kind, one.path) for one in verify().findings]
    assert found == [("UNKNOWN-CODE", "workflow/stage")]


def test_what_cannot_be_run_again_says_why(runnable: Path) -> None:
    Path("src/textbcs/slices.py").write_text("# other\n")
    Path("data/cohort/files.csv").unlink()
    Path("data/archive/boxes.csv").write_text("patient\nP2\n")
    details = {name: one.detail for name, one in again("split", "masks", "cohort").items()}
    assert details["split"].startswith("it ran other code than lies here; git checkout ")
    assert "its input data/cohort/files.csv is not here" in details["masks"]
    assert "its input data/archive/boxes.csv is not here as its receipt says" in details["cohort"]


def test_a_stage_that_fails_is_not_replayable(runnable: Path) -> None:
    Path("workflow/stage").write_text("echo error: no network >&2; exit 2\n")
    (found,) = again("split").values()
    assert (found.outcome, found.detail) == ("not replayable", "it ends with 2: error: no network")


def test_the_commands_exit_code_and_its_json(
    runnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "replay", "split", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(one["address"], one["outcome"]) for one in said["stages"]] == [("split", "equal")]
    assert main(["audit", "replay", "nothing"]) == 2
    change_receipt("table1", lambda facts: facts.update(device="cpu aarch64"))
    assert main(["audit", "replay", "split", "table1"]) == 1  # who asks for a stage wants it to run
    assert "ran 1 of 2 stages again" in capsys.readouterr().out


def test_a_deep_audit_runs_again_what_trains_nothing(
    runnable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textbcs.lineage.audit.predictions.check_predictions", lambda *_: [])
    edited(TABLE, lambda t: t.assign(paper_dice=[85.33, 95.33]))()
    seal("table1")
    write_lock()
    report = verify(deep=Deep(seed=1))
    assert named(report) == [("REPLAY", "table1")]
    assert report.judged.replayed == 12
    assert "4 trainings were not run again (--trainings N)" in report.judged.left_out


def test_a_deep_audit_of_some_stages_says_what_was_not_drawn(
    runnable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textbcs.lineage.audit.predictions.check_predictions", lambda *_: [])
    report = verify(deep=Deep(seed=1, stages=2))
    assert report.judged.replayed == 2
    assert "11 stages that train nothing were not drawn to run again" in report.judged.left_out


def test_a_sample_is_drawn_by_its_seed_alone(tree: Path) -> None:
    graph = load_graph()

    def drawn(seed: int, **what: Any) -> list[str]:
        return [one.address for one in chosen(graph, Choice(**what), seed)]

    assert drawn(1, sample=3) == drawn(1, sample=3)
    assert len({tuple(drawn(seed, sample=3)) for seed in range(20)}) > 10
    assert len(drawn(1, sample=3)) == 3
    assert not any(name.startswith("train") for name in drawn(1))
    assert len(drawn(1)) == 13
    assert sum(name.startswith("train@") for name in drawn(1, trainings=2)) == 2
    assert drawn(1, trainings=99) == [one.address for one in graph.active()]
    assert (
        run_again(load_tree(graph), Choice(("flow",))).seed
        != run_again(load_tree(graph), Choice(("flow",))).seed
    )
