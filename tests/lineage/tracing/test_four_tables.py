"""All four tables in one fabricated tree: every cell is traced to DICOM, every computed cell is checked."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fabricated
import fabricated_stages
import numpy as np
import pandas as pd
import pytest
from fabricated import STAGES, build
from fabricated_stages import PARAMS, PATIENTS, VERBS, Edit, Recipe, slice_ids, uid

from textbcs.base.io import read_csv
from textbcs.cli import main
from textbcs.evaluation.statistics import ablation_rows
from textbcs.evaluation.statistics.comparisons import compare
from textbcs.evaluation.statistics.runs import by_method, read_runs
from textbcs.lineage.audit.verify import Deep, verify
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.tracing import cells
from textbcs.lineage.tracing.trace import trace_cell
from textbcs.reporting.tables import ablation, paired_tests
from textbcs.stage.receipt import Stage

NETWORK = {"svli": True, "evidential": True}
LOSS = {"lambda_evidence": 0.01, "lambda_alignment": 0.01}
VARIANTS: dict[str, Any] = {
    "ablation_none": {"network": {"svli": False, "evidential": False}},
    "ablation_svli": {"network": {"evidential": False}},
    "evidence_e0": {"loss": {"lambda_evidence": 1.0}},
}
EVALUATION = {
    "threshold": 0.5,
    "bootstrap": {"resamples": 99, "seed": 31},
    "permutation": {"resamples": 99, "seed": 37},
}
TABLES = ("table1", "table2", "table3", "table4", "table4_metrics")
METRICS = "reports/tables/table4_metrics.csv"


def statistics(stage: Stage, recipe: Recipe) -> None:
    runs = by_method(read_runs(stage))
    table = compare(runs, "textbcs", ["dice", "iou"], stage.params["evaluation"])
    recipe.table(stage, "results/statistics/comparisons.csv", table)


def tables(stage: Stage, recipe: Recipe) -> None:
    runs = ablation_rows.by_name([*read_runs(stage), *read_runs(stage, rows="variants")])
    compared = read_csv(stage.input("results/statistics/comparisons.csv"))
    histories = {
        name: [
            read_csv(stage.input(f"results/runs/{name}-s{seed}/history.csv"))
            for seed in stage.params["seeds"]
        ]
        for name in runs
    }
    best = ablation_rows.best_validation(histories)
    rows = (
        ablation.table2_rows(stage.params, runs, []),
        ablation.table3_rows(stage.params, runs, best, {}),
        paired_tests.table4_rows(compared, {}, {}),
    )
    for number, own in enumerate(rows, start=2):
        recipe.table(stage, f"reports/tables/table{number}.csv", pd.DataFrame(own))
    recipe.table(stage, METRICS, pd.DataFrame(paired_tests.metric_rows(compared, {})))


def train(stage: Stage, recipe: Recipe, method: str, seed: str) -> None:
    fabricated_stages.train(stage, recipe, method, seed)
    generator = np.random.default_rng(list(f"{method}{seed}".encode()))
    table = pd.DataFrame({"validation_dice": generator.random(3)})
    recipe.table(stage, f"results/runs/{method}-s{seed}/history.csv", table)


def stages() -> dict[str, Any]:
    """The toy pipeline with the proposed method's variants and Tables 2 to 4."""
    found = json.loads(json.dumps(STAGES))
    found["train"]["outs"].append(f"results/runs/{fabricated.RUN}/history.csv")
    score, last = found.pop("score"), found.pop("table1")
    for name in ("train", "predict"):
        own = json.loads(json.dumps(found[name]))
        own["matrix"]["method"] = "${tables.variants}"
        own["params"] = ["training", "variants.${item.method}"]
        found[f"{name}_variant"] = own
    found["score"] = score
    found["statistics"] = {
        "params": ["tables", "seeds", "evaluation"],
        "deps": ["results/evaluation"],
        "outs": ["results/statistics/comparisons.csv"],
    }
    found["tables"] = {
        "params": ["tables", "seeds", "evaluation", "variants", "methods.textbcs"],
        "deps": ["results/evaluation", "results/runs", "results/statistics"],
        "outs": [*(f"reports/tables/table{number}.csv" for number in (2, 3, 4)), METRICS],
    }
    return {**found, "table1": last}


def recipe(edits: dict[str, Edit] | None = None) -> Recipe:
    """With two seeds, three methods and three variants."""
    params = json.loads(json.dumps(PARAMS))
    params["methods"] = {"unet": {"width": 4}, "lvit": {"width": 4}}
    params["methods"]["textbcs"] = {"network": NETWORK, "loss": LOSS}
    params["tables"] = {
        "table1": ["unet", "lvit", "textbcs"], "variants": list(VARIANTS)
    }  # fmt: skip
    params |= {"variants": VARIANTS, "evaluation": EVALUATION}
    return Recipe(edits=edits or {}, params=params)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Makes a finished tree whose stage `tables` or `statistics` errs, or none."""
    patch = pytest.MonkeyPatch()
    # Seven test patients, so that tests and limits say something.
    more = {f"P{number}": "test" for number in (6, 7, 8, 9)} | {"PA": "test"}
    patch.setattr(fabricated_stages, "PATIENTS", PATIENTS | more)
    patch.setattr(fabricated, "STAGES", stages())
    verbs = {"statistics": statistics, "tables": tables, "train": train, "train_variant": train}
    verbs["predict_variant"] = fabricated_stages.predict
    patch.setattr(fabricated, "VERBS", VERBS | verbs)
    patch.setattr("textbcs.lineage.audit.predictions.check_predictions", lambda *_: [])
    yield lambda edits=None: build(tmp_path_factory.mktemp("four") / "tree", recipe(edits))
    patch.undo()


@pytest.fixture(scope="module")
def finished(make: Callable[..., Path]) -> Path:
    """The tree without a fault."""
    return make()


def test_every_table_follows_from_its_rows(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    report = verify(deep=Deep())
    assert report.findings == []
    # Table 4: eight p values, difference, interval, two effects, counts and three verdicts, two methods.
    for words in ("table2 24 of 48", "table3 21 of 33", "table4 34 of 40", "metrics 52 of 68"):
        assert any(words in text for text in report.remarks), report.remarks


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("reports/tables/table2.csv", "gain"),
        ("reports/tables/table2.csv", "gain_interval"),
        ("reports/tables/table3.csv", "against_base"),
        ("reports/tables/table3.csv", "validation_dice"),
        ("reports/tables/table4.csv", "p_t_slice"),
        ("reports/tables/table4.csv", "holm_sign_flip"),
        ("reports/tables/table4.csv", "dz"),
        (METRICS, "win_share"),
        ("results/statistics/comparisons.csv", "cliffs_delta_low"),
        ("results/statistics/comparisons.csv", "p_wilcoxon"),
        ("results/statistics/comparisons.csv", "difference"),
        ("results/statistics/comparisons.csv", "disagree_holm"),
    ],
)
def test_a_stage_that_errs_in_one_column(
    path: str, column: str, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every hash, receipt and lock is right; what the statistics err in shows in the table."""

    def other(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        place = table[column].dropna().index[0]
        value = table.loc[place, column]
        if table[column].dtype == bool:
            table.loc[place, column] = not value
        elif isinstance(value, str):
            table.loc[place, column] = value.replace(value[-2], str((int(value[-2]) + 1) % 10))
        else:
            table.loc[place, column] = value + 0.05
        return table

    monkeypatch.chdir(make({path: other}))
    report = verify(deep=Deep())
    assert {(one.kind, one.node) for one in report.findings} == {("TAMPERED", "tables")}


def test_a_row_that_is_left_out(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make({"reports/tables/table4.csv": lambda table: table.iloc[1:]}))
    found = verify(deep=Deep()).findings
    assert [(one.kind, one.node) for one in found] == [("TAMPERED", "tables")]
    assert "row unet is missing" in found[0].detail


@pytest.mark.parametrize("seed", [3, 11, 29])
def test_any_cell_of_the_four_tables_ends_at_instances(
    seed: int, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve cells of each table, other ones with each seed, against the recipe of the tree."""
    monkeypatch.chdir(finished)
    graph, draw = load_graph(), random.Random(seed)
    every = {uid(one[:2], int(one[-1])) for one in slice_ids("test")}
    tumour = {uid(one[:2], int(one[-1])) for one in slice_ids("test") if not one.endswith("z2")}
    learned = {uid(one[:2], int(one[-1])) for name in ("train", "val") for one in slice_ids(name)}
    for name in TABLES:
        table = cells.read_table(f"reports/tables/{name}.csv")
        places = [(row, column) for row in range(len(table)) for column in table.columns]
        for row, column in draw.sample(places, 12):
            trace = trace_cell(graph, name, f"#{row + 1}", column)
            where = (name, row, column)
            reached = {
                role: {
                    sop for one in trace["dicom"] if one["role"] == role for sop in one["sop_uids"]
                }
                for role in ("scored", "learned from")
            }
            if column == "validation_dice":  # it was measured while learning
                assert not reached["scored"], where
            else:
                assert tumour <= reached["scored"] <= every, where
            assert reached["learned from"] == learned, where
            assert all(one["doi"] and one["licence"] for one in trace["dicom"]), where
            addresses = {stage["address"] for stage in trace["stages"]}
            assert {"split", "masks", "cohort", "download", "slices", "prompts"} <= addresses, where
            assert any(one.startswith("train") for one in addresses), where
            if name in ("table2", "table3"):
                run = table.loc[row, "run"]
                assert any(run in one for one in addresses), where


def test_a_gain_rests_on_the_run_that_it_is_held_against(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished)
    trace = trace_cell(load_graph(), "table2", "textbcs", "gain")
    addresses = {stage["address"] for stage in trace["stages"]}
    assert {"train_variant@ablation_none-1", "train@textbcs-2"} <= addresses
    assert "train@unet-1" not in addresses
    trace = trace_cell(load_graph(), "table4", "lvit", "difference_points")
    names = {Path(path).parent.name for row in trace["slices"] for path in row["scores"]}
    assert names == {"lvit-s1", "lvit-s2", "textbcs-s1", "textbcs-s2"}
    trace = trace_cell(load_graph(), "table4", "lvit", "holm_t_patient")
    addresses = {stage["address"] for stage in trace["stages"]}
    assert {"statistics", "train@unet-1", "train@lvit-1", "train@textbcs-1"} <= addresses
    command = ["audit", "trace", "table4", "--row", "lvit", "--col", "dz", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["dicom"]
