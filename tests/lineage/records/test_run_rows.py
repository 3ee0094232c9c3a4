"""One run's rows rest on its own maps, though one stage has read those of all."""

from pathlib import Path

import pytest

from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.records.run_rows import rows_of, stands_behind

SLICES, PROMPTS = (f"results/evaluation/svli-s1/{name}.csv" for name in ("slices", "prompts"))


@pytest.mark.parametrize(
    ("path", "slices", "prompts"),
    [
        ("results/predictions/svli-s1/probability.safetensors", True, False),
        ("results/predictions/svli-s1", True, False),  # a folder, as dvc.lock has it
        ("results/predictions/svli-s11/probability.safetensors", False, False),
        ("results/predictions/unet-s1/probability.safetensors", False, False),
        ("results/robustness/svli-s1/answers.csv", False, True),
        ("results/robustness/lvit-s1/answers.csv", False, False),
        ("results/predictions", True, True),
        ("data/slices/test/slices.csv", True, True),
    ],
)
def test_what_stands_behind_rows(path: str, slices: bool, prompts: bool) -> None:
    assert (stands_behind(path, SLICES), stands_behind(path, PROMPTS)) == (slices, prompts)
    assert stands_behind(path, "results/calibration/ablation.json")  # of other files all counts


def test_which_files_are_rows() -> None:
    assert (rows_of(SLICES), rows_of(PROMPTS)) == (SLICES, PROMPTS)
    assert rows_of("results/evaluation") == rows_of("reports/tables/table1.csv") == ""


def test_the_chain_above_one_runs_rows(tree: Path) -> None:
    graph = load_graph()
    score = graph.receipts["score"]
    rows = score.output("results/evaluation/unet-s1/slices.csv")
    assert rows is not None
    above = graph.upstream([rows])
    assert {"predict@unet-1", "train@unet-1", "slices"} <= set(above)
    assert not {"predict@unet-2", "predict@textbcs-1", "train@textbcs-1"} & set(above)
    assert above["score"].outputs == (rows,)
    assert {item.path for item in above["score"].inputs} == {
        "data/slices/test/slices.csv",
        "data/slices/test/slices.safetensors",
        "results/predictions/unet-s1/probability.safetensors",
    }
    # Whoever rests on all rows rests on all runs.
    assert set(graph.upstream(graph.receipts["table1"].inputs)) >= {
        f"predict@{run}" for run in ("unet-1", "unet-2", "textbcs-1", "textbcs-2")
    }
