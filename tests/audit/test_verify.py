"""One planted fault a test: the audit names exactly that node and class, and a clean tree is silent."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fabricated import Recipe, build, commit, edit_yaml, flip, uid, write_lock

from textbcs.io import write_text
from textbcs.lineage.checks.runs import is_test
from textbcs.lineage.findings import CLASSES
from textbcs.lineage.graph import load_graph
from textbcs.lineage.trace import trace_file
from textbcs.lineage.verify import Report, as_json, as_text, verify

TABLE = "reports/tables/table1.csv"
MODEL = "results/runs/unet-s1/model.safetensors"
PREDICTIONS = "results/evaluation/textbcs-s2/predictions.safetensors"


def named(report: Report) -> list[tuple[str, str]]:
    """Class and node of each finding."""
    return [(one.kind, one.node) for one in report.findings]


def test_a_clean_tree_is_silent(tree: Path) -> None:
    report = verify()
    assert report.findings == []
    assert report.remarks == []
    assert as_text(report)[-1] == "clean: every file is what its receipt says"
    assert as_json(report)["clean"] is True


@pytest.mark.parametrize(
    ("path", "node"),
    [
        (TABLE, "table1"),
        (MODEL, "train@unet-1"),
        (PREDICTIONS, "evaluate@textbcs-2"),
        ("data/slices/test/slices.safetensors", "slices"),
        ("results/receipts/train@unet-1.json", "train@unet-1"),
    ],
)
def test_one_flipped_bit(tree: Path, path: str, node: str) -> None:
    flip(path, 200 if path.endswith(".json") else -1)
    report = verify()
    assert named(report) == [("TAMPERED", node)]
    assert report.findings[0].path == path


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
        ("results/evaluation/unet-s1/other.csv", ""),
        ("results/evaluation/best-s1/slices.csv", ""),
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
    assert set(named(verify())) >= {("ORPHAN", "train@textbcs-2"), ("ORPHAN", "evaluate@unet-2")}


def test_users_own_files_are_no_orphans(tree: Path) -> None:
    for path in ("data/archive/more.csv", "data/notes.md", "reports/prompts_template/a.csv"):
        write_text(path, "mine\n")
    write_text("results/runinfo/other.json", "{}")
    assert verify().findings == []


def test_edited_parameters_are_stale(tree: Path) -> None:
    edit_yaml("params.yaml", lambda params: params["methods"]["unet"].update(width=16))
    report = verify()
    assert named(report) == [("STALE", "train@unet-1"), ("STALE", "train@unet-2")]
    assert "methods.unet.width: 4 -> 16" in report.findings[0].detail


def test_a_new_output_in_the_definition_is_stale(tree: Path) -> None:
    edit_yaml("dvc.yaml", lambda file: file["stages"]["split"]["outs"].append("data/splits/b.csv"))
    assert named(verify()) == [("STALE", "split")]


def test_an_input_from_outside_has_changed(tree: Path) -> None:
    write_text("data/archive/boxes.csv", "patient\nP2\n")
    assert named(verify()) == [("STALE", "cohort")]


def test_edited_code_is_stale(tree: Path) -> None:
    write_text("src/textbcs/models/unet.py", "# edited\n")
    report = verify()
    assert [kind for kind, _ in named(report)] == ["STALE"] * 8
    assert report.findings[0].node == "train@unet-1"


def test_a_rerun_above_without_the_stage_below(tree: Path) -> None:
    """Only the direct reader is stale; an upstream re-run with equal outputs changes nothing."""
    from fabricated import run

    from textbcs.definition import Makers, define_all
    from textbcs.params import read_yaml

    recipe = Recipe()
    definitions = define_all(read_yaml("params.yaml"))
    run(definitions["split"], recipe, Makers(definitions))
    assert verify().findings == []
    recipe.weights["train@unet-1"] = 5
    run(definitions["train@unet-1"], recipe, Makers(definitions))
    write_lock(only="train@unet-1")
    assert named(verify()) == [("STALE", "evaluate@unet-1")]


def set_locked(address: str, section: str, path: str, md5: str) -> Callable[[dict], None]:
    """An edit of one md5 in dvc.lock."""

    def change(lock: dict) -> None:
        entry = next(one for one in lock["stages"][address][section] if one["path"] == path)
        entry["md5"] = md5

    return change


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("outs", MODEL),
        ("outs", "results/receipts/train@unet-1.json"),
        ("deps", "data/prompts/train.csv"),
    ],
)
def test_an_edited_lock(tree: Path, section: str, path: str) -> None:
    edit_yaml("dvc.lock", set_locked("train@unet-1", section, path, "0" * 32))
    report = verify()
    assert named(report) == [("FORGED-LOCK", "train@unet-1")]
    assert report.findings[0].path == "dvc.lock"


def test_an_edited_folder_in_the_lock(tree: Path) -> None:
    edit_yaml("dvc.lock", set_locked("masks", "outs", "data/masks", "0" * 32 + ".dir"))
    assert named(verify()) == [("FORGED-LOCK", "masks")]


def test_an_edited_parameter_in_the_lock(tree: Path) -> None:
    def change(lock: dict) -> None:
        lock["stages"]["split"]["params"]["params.yaml"]["split"]["seed"] = 18

    edit_yaml("dvc.lock", change)
    report = verify()
    assert named(report) == [("FORGED-LOCK", "split")]
    assert "split.seed: 17 -> 18" in report.findings[0].detail


def test_an_entry_taken_out_of_the_lock(tree: Path) -> None:
    edit_yaml("dvc.lock", lambda lock: lock["stages"].pop("table1"))
    assert named(verify()) == [("FORGED-LOCK", "table1")]


def test_dvc_commit_after_a_change_of_a_parameter(tree: Path) -> None:
    """`dvc commit -f` writes into the lock what there is now; nothing has run."""
    edit_yaml("params.yaml", lambda params: params["split"].update(seed=18))
    write_lock()
    assert named(verify()) == [("FORGED-LOCK", "split")]


def test_dvc_commit_after_a_change_of_code(tree: Path) -> None:
    write_text("src/textbcs/cohort.py", "# edited\n")
    write_lock()
    commit("forged")
    assert named(verify()) == [
        ("FORGED-LOCK", "cohort"),
        ("FORGED-LOCK", "download"),
        ("FORGED-LOCK", "masks"),
    ]


def test_code_that_is_in_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ran with an edited module that was then put back: only the receipts still know."""
    root = build(tmp_path / "tree")
    monkeypatch.chdir(root)
    path = Path("results/receipts/split.json")
    receipt = json.loads(path.read_text())
    receipt["code"]["src/textbcs/slices.py"] = "1" * 64
    path.write_text(json.dumps(receipt))
    write_lock()
    found = named(verify())
    assert ("UNKNOWN-CODE", "split") in found
    assert {node for _, node in found} == {"split"}


def test_code_that_was_run_before_it_was_committed(tree: Path) -> None:
    from fabricated import run

    from textbcs.definition import Makers, define_all
    from textbcs.params import read_yaml

    write_text("src/textbcs/models/textbcs.py", "# better\n")
    definitions = define_all(read_yaml("params.yaml"))
    for definition in definitions.values():
        if definition.stage in ("train", "evaluate"):
            run(definition, Recipe(), Makers(definitions))
    write_lock()
    report = verify()
    assert named(report) == [("UNKNOWN-CODE", "train@unet-1")]
    assert report.findings[0].path == "src/textbcs/models/textbcs.py"
    commit("better")
    assert verify().findings == []
    # And after the next edit, the old version is still known from the history.
    write_text("src/textbcs/models/textbcs.py", "# even better\n")
    commit("even better")
    assert {kind for kind, _ in named(verify())} == {"STALE"}


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


SLICES = "data/slices/{}/slices.csv"
EVALUATED = "results/evaluation/unet-s2/slices.csv"
COMMITTED = {
    "device": (
        Recipe(devices={"train@unet-1": "cuda NVIDIA H100"}),
        [("MIXED-DEVICE", "table1")],
    ),
    "evaluated elsewhere": (
        Recipe(devices={"evaluate@textbcs-2": "cuda NVIDIA H100"}),
        [("MIXED-DEVICE", "table1")],
    ),
    "one seed twice": (Recipe(seeds={"train@unet-2": 1}), [("SEED-REUSE", "train@unet-2")]),
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
    "prompt of another patient": (
        Recipe(edits={"data/prompts/test.csv": row("borrowed_from", 2, "P5-z1")}),
        [("LEAK", "prompts")],
    ),
    "prompt of another split": (
        Recipe(edits={"data/prompts/train.csv": row("slice_id", 0, "P4-z0")}),
        [("LEAK", "prompts")],
    ),
    "a slice less": (Recipe(edits={EVALUATED: drop(1)}), [("DENOMINATOR", "evaluate@unet-2")]),
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


def test_a_selection_stage_with_any_name_may_not_peek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an evaluation rests on was learned or chosen, whatever its stage is called."""
    import fabricated

    def quantile(stage: object, recipe: Recipe) -> None:
        fabricated.write_json(stage.output("results/quantile.json"), {"value": 0.5})  # type: ignore[attr-defined]

    monkeypatch.setitem(fabricated.VERBS, "quantile", quantile)
    stages = {}
    for name, stage in fabricated.STAGES.items():
        if name == "evaluate":
            stages["quantile"] = {"params": [], "deps": [], "outs": ["results/quantile.json"]}
        stages[name] = stage
    monkeypatch.setattr(fabricated, "STAGES", stages)
    reads = {"quantile": [SLICES.format("test")], "evaluate": ["results/quantile.json"]}
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(reads=reads)))
    assert named(verify()) == [("TEST-PEEK", "quantile")]


def test_what_belongs_to_the_test_split() -> None:
    """The parts, what was computed on them, and a folder that holds such a part."""
    for path in (
        "data/slices/test/slices.csv",
        "data/slices",
        "data/prompts",
        "data/text/probe.csv",
    ):
        assert is_test(path)
    for path in ("results/evaluation/unet-s1/slices.csv", "results"):
        assert is_test(path)
    for path in (
        "data/slices/train",
        "data/slices/testing",
        "data/prompts/train.csv",
        "results/runs",
    ):
        assert not is_test(path)


def test_the_first_bad_node_comes_first(tree: Path) -> None:
    flip(TABLE)
    flip(MODEL)
    flip("data/masks/P1.nii.gz")
    report = verify()
    assert [one.node for one in report.findings] == ["masks", "train@unet-1", "table1"]
    assert as_json(report)["first_bad_node"] == "masks"
    assert as_text(report)[-1] == "3 TAMPERED; first bad node: masks"


def test_quick_trusts_size_and_time_and_the_full_audit_does_not(tree: Path) -> None:
    verify()
    trace_file(load_graph(), MODEL)  # hashes a few files, and must not forget the others
    first = verify(quick=True)
    assert (first.files, first.findings) == (0, [])
    flip(MODEL)  # same size, same time
    assert verify(quick=True).findings == []
    assert named(verify()) == [("TAMPERED", "train@unet-1")]
    assert named(verify(quick=True)) == [("TAMPERED", "train@unet-1")]


def test_quick_sees_what_was_written(tree: Path) -> None:
    verify()
    Path(MODEL).write_bytes(b"other")
    assert named(verify(quick=True)) == [("TAMPERED", "train@unet-1")]


def test_a_shallow_history_cannot_accuse(tree: Path) -> None:
    """What ran is in a commit that this clone does not have."""
    write_text("src/textbcs/cohort.py", "# later\n")
    commit("later")
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    write_text(".git/shallow", head)
    report = verify()
    assert {kind for kind, _ in named(report)} == {"STALE"}
    assert "the history is shallow: 1 module versions are not in it" in report.remarks


def test_without_git_the_rest_is_checked(tree: Path) -> None:
    shutil.rmtree(".git")
    report = verify()
    assert report.findings == []
    assert any("no git repository" in text for text in report.remarks)


def test_every_class_has_a_test() -> None:
    text = Path(__file__).read_text()
    assert all(f'"{kind}"' in text for kind in CLASSES)


def test_the_command_says_so_by_its_exit_code(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from textbcs.cli import main

    assert main(["audit", "verify"]) == 0
    flip(TABLE)
    assert main(["audit", "verify", "--json"]) == 1
    printed = capsys.readouterr().out
    report = json.loads(printed[printed.index("{") :])
    assert report["findings"][0]["node"] == "table1"
