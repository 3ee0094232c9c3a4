"""A deep audit of the fabricated tree: which file is blamed where several are looked at."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from audited import TABLE, named
from fabricated import build, run
from fabricated_lock import write_lock
from fabricated_stages import Recipe

from textbcs.lineage.audit.summary import Report
from textbcs.lineage.audit.verify import Deep, verify
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define_all

SCORES = "results/evaluation/unet-s1/slices.csv"


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Report]:
    """A deep audit; the fabricated tree has no network to predict with."""
    monkeypatch.setattr("textbcs.lineage.audit.predictions.check_predictions", lambda *_: [])
    return lambda: verify(deep=Deep())


def test_a_deep_audit_names_an_edited_cell_once(tree: Path, deep: Callable[[], Report]) -> None:
    table = pd.read_csv(TABLE)
    table.loc[0, "dice_slice_mean"] += 0.01
    table.to_csv(TABLE, index=False)
    report = deep()
    assert named(report) == [("TAMPERED", "table1")]
    assert any(TABLE in text for text in report.remarks)


def test_a_deep_audit_does_not_blame_a_table_for_edited_scores(
    tree: Path, deep: Callable[[], Report]
) -> None:
    table = pd.read_csv(SCORES)
    table["dice"] += 0.01
    table.to_csv(SCORES, index=False)
    assert named(deep()) == [("TAMPERED", "score")]


def test_a_deep_audit_does_not_blame_a_table_for_a_later_run(
    tree: Path, deep: Callable[[], Report]
) -> None:
    """The scores are of other maps than the table's: it is stale, and nothing more."""
    recipe = Recipe(weights={"predict@unet-1": 7})
    definitions = define_all(read_yaml("params.yaml"))
    for address in ("predict@unet-1", "score"):
        run(definitions[address], recipe, Makers(definitions))
        write_lock(only=address)
    assert named(deep()) == [("STALE", "table1")]


def test_a_deep_audit_counts_a_runs_rows_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: Callable[[], Report]
) -> None:
    """The stage wrote a better Dice than its maps have; no hash shows it, and the table adds up."""
    recipe = Recipe(edits={SCORES: lambda table: table.assign(dice=table["dice"] / 2)})
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    report = deep()
    assert [(one.kind, one.node, one.path) for one in report.findings] == [
        ("TAMPERED", "score", SCORES)
    ]
    assert "its pixel counts give other scores: dice of P4-z0" in report.findings[0].detail


def test_a_stage_that_counts_tables_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: Callable[[], Report]
) -> None:
    """Number of seeds: no hash shows it."""
    recipe = Recipe(edits={TABLE: lambda table: table.assign(seeds=[2, 3])})
    monkeypatch.chdir(build(tmp_path / "tree", recipe))
    report = deep()
    assert named(report) == [("TAMPERED", "table1")]
    assert "row textbcs, seeds: '3', rows give 2.0" in report.findings[0].detail
