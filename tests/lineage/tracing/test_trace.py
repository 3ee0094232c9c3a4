"""From any cell back to the DICOM instances that the fabricated tree was made of."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest
from fabricated import flip
from fabricated_stages import PATIENTS, slice_ids, uid

from textbcs.base.io import InputError, sha256_file, write_json
from textbcs.cli import main
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.records.show import as_dot, as_tree
from textbcs.lineage.tracing import cells
from textbcs.lineage.tracing.trace import trace_cell, trace_file

TABLE = "reports/tables/table1.csv"


def instances(split: str, tumour_only: bool = False) -> set[str]:
    """SOPInstanceUIDs of a split's slices, from the recipe of the tree and from no table."""
    return {
        uid(one[:2], int(one[-1]))
        for one in slice_ids(split)
        if not (tumour_only and split == "test" and one.endswith("z2"))
    }


def reached(trace: dict, role: str) -> set[str]:
    """SOPInstanceUIDs that a trace ends at in one role."""
    return {sop for one in trace["dicom"] if one["role"] == role for sop in one["sop_uids"]}


def test_a_score_goes_back_to_its_slices_and_their_instances(tree: Path) -> None:
    trace = trace_cell(load_graph(), "table1", "unet", "dice_slice_mean")
    assert trace["recomputed"] == float(trace["value"])
    assert trace["stages"][0]["address"] == "table1"
    assert {row["slice_id"] for row in trace["slices"]} == {
        one for one in slice_ids("test") if not one.endswith("z2")
    }
    assert reached(trace, "scored") == instances("test", tumour_only=True)
    assert reached(trace, "learned from") == instances("train") | instances("val")
    for series in trace["dicom"]:
        assert series["doi"] == "10.7937/TCIA.e3sv-re93"
        assert series["licence"] == "CC BY-NC 4.0"
        assert series["series_uid"] == uid(series["patient"])


def test_a_slice_names_prompt_mask_split_and_raw_file(tree: Path) -> None:
    trace = trace_cell(load_graph(), "table1", "textbcs", "dice_patient_mean")
    row = next(one for one in trace["slices"] if one["slice_id"] == "P4-z1")
    assert row["prompt"] == {
        "row": 3, "text": "location left P4", "source": "mask", "borrowed_from": None
    }  # fmt: skip
    assert row["mask"] == {"source": "expert", "origin": uid("seg", "P4")}
    assert row["split"] == PATIENTS["P4"]
    assert row["sop_uid"] == uid("P4", 1)
    assert sha256_file(Path("data/raw") / row["file"]["path"]) == row["file"]["sha256"]
    assert set(row["scores"]) == {f"results/evaluation/textbcs-s{s}/slices.csv" for s in (1, 2)}


def test_a_training_has_its_parameters_seed_and_commit(tree: Path) -> None:
    trace = trace_cell(load_graph(), "table1", "unet", "dice_slice_mean")
    stages = {stage["address"]: stage for stage in trace["stages"]}
    train = stages["train@unet-1"]
    assert (train["seed"], train["params"]["methods.unet.width"]) == (1, 4)
    assert train["commit"]
    assert train["uncommitted"] == []
    assert set(stages) >= {
        "train@unet-2",
        "predict@unet-2",
        "score",
        "slices",
        "split",
        "masks",
        "cohort",
    }
    assert not any("textbcs" in address for address in stages)


def test_any_cell_ends_at_instances(tree: Path) -> None:
    table = pd.read_csv(TABLE)
    every = [(row, column) for row in table["method"] for column in table.columns]
    for row, column in random.Random(3).sample(every, 6):
        trace = trace_cell(load_graph(), TABLE, row, column)
        assert reached(trace, "scored") <= instances("test")
        assert reached(trace, "scored") >= instances("test", tumour_only=True)


@pytest.mark.parametrize(
    ("path", "role", "splits"),
    [
        ("results/runs/unet-s2/model.safetensors", "learned from", ("train", "val")),
        ("results/predictions/unet-s2/probability.safetensors", "scored", ("test",)),
        ("results/evaluation/unet-s2/slices.csv", "scored", ("test",)),
        ("data/prompts/val.csv", "read", ("train", "val", "test")),
    ],
)
def test_any_file(tree: Path, path: str, role: str, splits: tuple[str, ...]) -> None:
    trace = trace_file(load_graph(), path)
    assert reached(trace, role) == set().union(*(instances(split) for split in splits))


def test_a_raw_file(tree: Path) -> None:
    path = f"data/raw/P2/{uid('P2')}/{uid('P2', 1)}.dcm"
    trace = trace_file(load_graph(), path)
    assert reached(trace, "listed") == {uid("P2", 1)}


def test_a_changed_file_on_the_way_is_marked(tree: Path) -> None:
    flip("results/runs/unet-s1/model.safetensors")
    text = "\n".join(as_tree(trace_cell(load_graph(), "table1", "unet", "dice_slice_mean")))
    assert "[changed]" in text
    assert "train@textbcs" not in text


def test_a_table_may_say_itself_which_runs_are_behind_a_row(tree: Path) -> None:
    receipt = load_graph().receipts["table1"]
    row = {"method": "best", "note": ""}
    assert len(cells.sources(receipt, TABLE, row, "note")) == 4  # nobody knows: all that it read
    said = "results/evaluation/unet-s2/slices.csv"
    write_json("reports/tables/table1.cells.json", {"rows": {"best": [said]}})
    assert [item.path for item in cells.sources(receipt, TABLE, row, "note")] == [said]


def test_a_row_is_found_by_as_many_columns_as_it_takes() -> None:
    rows = [("textbcs", "evidence", "0.1"), ("textbcs", "alignment", "0.1"), ("unet", "", "")]
    table = pd.DataFrame(rows, columns=["run", "weight", "value"])
    assert cells.find_row(table, "t", "UNet") == 2
    assert cells.find_row(table, "t", "textbcs alignment") == 1
    assert cells.find_row(table, "t", "1") == 0
    assert cells.find_row(table, "t", "#2") == 1
    with pytest.raises(InputError, match="no single row 'textbcs'"):
        cells.find_row(table, "t", "textbcs")
    with pytest.raises(InputError, match="t: has no row"):
        cells.find_row(table.iloc[:0], "t", "1")


def test_what_is_not_there_is_one_line(tree: Path) -> None:
    graph = load_graph()
    with pytest.raises(
        InputError, match=r"no stage has written it; there are reports/tables/flow\.csv"
    ):
        trace_cell(graph, "table9", "unet", "x")
    with pytest.raises(InputError, match="no column 'x'; there are method"):
        trace_cell(graph, "table1", "unet", "x")
    with pytest.raises(InputError, match="no single row 'unett'; there are 1 unet, 2 textbcs"):
        trace_cell(graph, "table1", "unett", "seeds")
    with pytest.raises(InputError, match="no receipt names it"):
        trace_file(graph, "README.md")


@pytest.mark.parametrize(
    "name",
    ["table1", "table1.csv", "./reports/tables/table1.csv", "reports//tables/table1.csv", ""],
)
def test_a_table_is_found_by_its_name_or_any_path_to_it(tree: Path, name: str) -> None:
    name = name or str(Path(TABLE).resolve())
    assert trace_file(load_graph(), name)["target"] == TABLE
    cell = trace_cell(load_graph(), name, "unet", "dice_slice_mean")
    assert (cell["target"], cell["cell"]["row"]) == (TABLE, "unet")


def test_a_cell_is_one_of_a_csv(tree: Path) -> None:
    with pytest.raises(InputError, match="model.safetensors: has no cells; name the table's .csv"):
        trace_cell(load_graph(), "results/runs/unet-s1/model.safetensors", "unet", "seeds")


def test_where_nothing_has_run_there_is_nothing_to_trace(tree: Path) -> None:
    for receipt in Path("results/receipts").glob("*.json"):
        receipt.unlink()
    for trace in (["table1"], ["table1", "--row", "unet", "--col", "seeds"], ["nothing"]):
        assert main(["audit", "trace", *trace]) == 2
    with pytest.raises(InputError, match="no receipt here; run snakemake"):
        trace_file(load_graph(), "table1")


def test_the_command(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["audit", "trace", "table1", "--row", "UNET", "--col", "dice_slice_mean"]
    assert main(command) == 0
    assert f"SOP instance {uid('P4', 0)}" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cell"] == {
        "row": "unet",
        "column": "dice_slice_mean",
    }
    assert main(["audit", "trace", "table1", "--row", "unet"]) == 2


def test_the_graph_is_graphviz(tree: Path) -> None:
    """Every edge joins two declared nodes, and the target reaches every series."""
    text = as_dot(trace_cell(load_graph(), "table1", "unet", "dice_slice_mean"))
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph lineage {", "}")
    nodes = {line.strip().rsplit(" [shape", 1)[0] for line in lines if "[shape" in line}
    edges = [line.strip(" ;").split(" -> ") for line in lines if " -> " in line]
    assert {name for edge in edges for name in edge} <= nodes
    target = next(name for name in nodes if name.startswith('"reports/tables/table1.csv'))
    seen, queue = {target}, [target]
    while queue:
        here = queue.pop()
        fresh = {two for one, two in edges if one == here} - seen
        seen |= fresh
        queue += fresh
    assert sum("urn:oid:" in name for name in seen) == len(PATIENTS)
