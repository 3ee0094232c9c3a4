"""Stages become rules: wildcards from a matrix, inputs from DVC's verdict."""

from pathlib import Path

import pytest
from reported import REPORTED
from snakemake.io import get_flag_value, is_flagged
from stages import TRIGGER, StageRule, Stages, output
from stale import Pipeline, StageFacts

from textbcs.base.io import InputError
from textbcs.settings.params import read_yaml

DEFINITION = """
stages:
  slices: {cmd: x, outs: [data/slices]}
  train:
    matrix: {method: [unet, unet-pp], seed: [1, 2]}
    cmd: x
    outs:
      - runs/${item.method}-s${item.seed}/model.bin
      - receipts/train@${item.method}-${item.seed}.json
  table: {cmd: x, outs: [table.csv: {cache: false}]}
"""

Graph = dict[str, StageFacts]

RUNS = [(method, seed) for method in ("unet", "unet-pp") for seed in ("1", "2")]


def facts(outs: list[str], deps: list[str], upstream: list[str]) -> StageFacts:
    uncached = frozenset(out for out in outs if out == "table.csv")
    return StageFacts(tuple(outs), uncached, tuple(deps), frozenset(upstream))


@pytest.fixture
def graph() -> Graph:
    trainings = {
        f"train@{method}-{seed}": facts(
            [f"runs/{method}-s{seed}/model.bin", f"receipts/train@{method}-{seed}.json"],
            ["data/slices/train.csv", "src/train.py"],
            ["slices"],
        )
        for method, seed in RUNS
    }
    return {
        "slices": facts(["data/slices"], [], []),
        **trainings,
        "table": facts(["table.csv"], ["runs"], list(trainings)),
    }


def rules(here: Path, pipeline: Pipeline) -> dict[str, StageRule]:
    (here / "dvc.yaml").write_text(DEFINITION)
    return {rule.name: rule for rule in Stages(pipeline).all()}


def test_a_matrix_becomes_wildcards_that_match_only_its_values(here: Path, graph: Graph) -> None:
    train = rules(here, Pipeline(graph))["train"]
    assert train.outputs == [
        r"runs/{method,unet|unet\-pp}-s{seed,1|2}/model.bin",
        r"receipts/train@{method,unet|unet\-pp}-{seed,1|2}.json",
    ]
    assert train.log == "logs/train/{method}-{seed}.log"
    for method, seed in RUNS:
        wildcards = {"method": method, "seed": seed}
        assert train.address(wildcards) == f"train@{method}-{seed}"


def test_inputs_are_what_other_stages_make(here: Path, graph: Graph) -> None:
    """A file in a folder waits for the folder; a folder waits for all that lies in it; code for nothing."""
    made = rules(here, Pipeline(graph))
    train = made["train"].inputs({"method": "unet", "seed": "1"})
    assert [str(path) for path in train] == ["data/slices"]
    table = made["table"].inputs({})
    assert sorted(table) == sorted(f"runs/{method}-s{seed}/model.bin" for method, seed in RUNS)


def test_only_a_stale_stage_and_those_below_it_look_at_file_times(here: Path, graph: Graph) -> None:
    made = rules(here, Pipeline(graph, stale=frozenset({"train@unet-2"})))
    train = made["train"]
    fresh = train.inputs({"method": "unet", "seed": "1"})
    stale = train.inputs({"method": "unet", "seed": "2"})
    assert all(is_flagged(path, "ancient") for path in fresh)
    assert not any(is_flagged(path, "ancient") for path in stale)
    assert TRIGGER in stale
    assert TRIGGER not in fresh
    below = made["table"].inputs({})
    assert not any(is_flagged(path, "ancient") for path in below)
    assert TRIGGER not in below


def test_where_nobody_knows_file_times_decide(here: Path, graph: Graph) -> None:
    train = rules(here, Pipeline(graph, stale=None))["train"]
    seen = train.inputs({"method": "unet", "seed": "1"})
    assert not any(is_flagged(path, "ancient") for path in seen)
    assert TRIGGER not in seen


def test_folders_and_uncached_files_are_flagged(here: Path, graph: Graph) -> None:
    made = rules(here, Pipeline(graph))
    assert is_flagged(made["slices"].outputs[0], "directory")
    assert is_flagged(made["table"].outputs[0], "update")
    assert not is_flagged(made["train"].outputs[0], "update")


def test_every_stage_is_one_rule_in_the_order_of_the_definition(here: Path, graph: Graph) -> None:
    assert list(rules(here, Pipeline(graph))) == ["slices", "train", "table"]


def test_outs_that_do_not_follow_from_their_templates_are_refused(here: Path, graph: Graph) -> None:
    graph["train@unet-1"] = facts(["elsewhere.bin", "receipts/train@unet-1.json"], [], ["slices"])
    with pytest.raises(InputError, match="outs of train@unet-1 do not follow"):
        rules(here, Pipeline(graph))


def test_the_pipeline_is_for_what_nothing_else_reads(here: Path, graph: Graph) -> None:
    (here / "dvc.yaml").write_text(DEFINITION)
    assert Stages(Pipeline(graph)).final() == ["table.csv"]


ROOT = Path(__file__).resolve().parents[2]


def test_what_people_read_is_in_the_report_with_a_caption() -> None:
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    outs = {
        out if isinstance(out, str) else next(iter(out))
        for stage in stages.values()
        for out in stage["outs"]
    }
    shown = set(REPORTED) & outs
    figures = {out for out in outs if out.startswith("reports/figures/") and out.endswith(".png")}
    assert figures | {"reports/index.html"} <= shown
    assert {f"reports/tables/{name}.csv" for name in ("table1", "table4", "claims")} <= shown
    for path in shown:
        flagged = output(path, uncached=True)
        found = get_flag_value(flagged, "report")
        assert is_flagged(flagged, "update")
        assert (ROOT / found.caption).is_file()
        assert found.category in {"Page", "Figures", "Tables"}
        assert all(found.labels.values())


def test_what_programs_read_is_not_in_the_report() -> None:
    for path in ("reports/figures/forest.csv", "results/statistics/means.csv", "data/slices"):
        assert not is_flagged(output(path, uncached=True), "report")
