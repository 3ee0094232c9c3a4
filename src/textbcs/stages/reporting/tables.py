"""The stage `tables`: Tables 2 to 4, the trivial rows and the claims table, the paper's values beside ours.

Beside them what the paper lacks: how far the seed alone moves a score, who learns at all, whose
probabilities mean what they say, and whether vacuity falls with data. Scores of another cohort than the
paper's are never subtracted from its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv, read_json
from textbcs.base.variants import BASE
from textbcs.evaluation.statistics import ablation_rows
from textbcs.evaluation.statistics.ablation_rows import ablation_names
from textbcs.evaluation.statistics.runs import fraction_names, read_runs
from textbcs.reporting.common import notes as notes_below
from textbcs.reporting.common import probability_names
from textbcs.reporting.common.labels import (
    comparable_headers,
    is_duke,
    paper,
    seed_spread,
    subject,
)
from textbcs.reporting.common.printed_tables import write_table
from textbcs.reporting.tables import ablation, calibration_notes, claims, paired_tests, trivial_rows
from textbcs.reporting.tables import calibration as calibration_table
from textbcs.reporting.tables import measures as measures_table
from textbcs.reporting.tables import seeds as seeds_table
from textbcs.reporting.tables import stability as stability_table
from textbcs.reporting.tables.claims_findings import findings

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

NO_VARIANTS = (
    "Not run: no variants are trained (tables.variants), so there is nothing to compare with."
)
STATISTICS, UNCERTAINTY = Path("results/statistics"), Path("results/uncertainty")


@dataclass(frozen=True)
class _Tables:
    """What all tables of the stage share.

    Attributes:
        stage: that writes them.
        about: what they are of, behind each title.
        labels: printed names of the methods.
        once: sentences on seeds, below every table of scores.
    """

    stage: "Stage"
    about: str
    labels: Mapping[str, str]
    once: Sequence[str]

    def write(
        self,
        name: str,
        title: str,
        headers: Mapping[str, str],
        rows: Sequence[Mapping[str, Any]],
        notes: Sequence[str] = (),
        seeds: bool = True,
    ) -> None:
        """Write one table; `seeds`: with the sentences on seeds below it."""
        shown = comparable_headers(headers, is_duke(self.stage.params))
        shared = self.once if seeds else ()
        whole = f"{title}{'' if title.endswith('?') else '.'} {self.about}"
        write_table(self.stage, name, whole, shown, rows, notes, shared)

    @property
    def methods(self) -> tuple[str, list[str], Mapping[str, str]]:
        """The tested method, all methods in the order of Table 1, and their printed names."""
        rows = self.stage.params["tables"]
        return BASE, rows["table1"], self.labels


def run(stage: "Stage") -> None:
    """Write the fourteen tables."""
    params, printed = stage.params, paper()
    every = [
        run for rows in ("table1", "variants", "for_use") for run in read_runs(stage, rows=rows)
    ]
    runs = ablation_rows.by_name(every)
    stage.seed = params["evaluation"]["bootstrap"]["seed"]
    comparisons = read_csv(stage.input(STATISTICS / "comparisons.csv"))
    spread = seed_spread(stage)
    tables = _Tables(
        stage,
        subject(params, runs[BASE][0].slices),
        {name: entry["label"] for name, entry in printed["table1"].items()},
        notes_below.seed_notes(params["seeds"], spread),
    )
    two = ablation.table2_rows(params, runs, printed["table2"])
    choice = read_json(stage.input(f"results/search/{BASE}/choice.json"))
    notes = notes_below.ablation_notes(params, runs, choice)
    nothing = [] if params["tables"]["variants"] else [NO_VARIANTS]
    tables.write("table2", "Table 2. Ablation", ablation.TABLE2, two, [*nothing, *notes])
    three = ablation.table3_rows(params, runs, _validation(stage, runs), printed["table3"])
    title = "Table 3. Loss weights, the other one at 0.01"
    tables.write("table3", title, ablation.TABLE3, three, [*nothing, *ablation.better_cells(three)])
    _write_tests(tables, comparisons)
    _write_seeds(tables, runs, spread)
    _write_trivial(tables)
    _write_measures(tables)
    _write_subgroups(tables)
    _write_stability(tables)
    found = findings(stage, runs, comparisons, three, printed)
    duke = is_duke(params)
    rows = claims.claim_rows(printed["claims"], found, duke)
    headers = claims.HEADERS if duke else claims.WITHOUT_VERDICT
    tables.write("claims", "The paper's claims", headers, rows, claims.NOTES)
    _write_probabilities(tables)
    _write_fractions(tables)


def _write_tests(tables: _Tables, comparisons: "pd.DataFrame") -> None:
    """Table 4, and the same by metric."""
    four = paired_tests.table4_rows(comparisons, tables.labels, paper()["table4"])
    notes = [paired_tests.EFFECTS, *paired_tests.disagreements(four)]
    title = "Table 4. TextBCS against each other method, Dice"
    tables.write("table4", title, paired_tests.HEADERS, four, notes)
    metrics = paired_tests.metric_rows(comparisons, tables.labels)
    title = "Table 4 by metric: TextBCS against each other method"
    notes = paired_tests.metric_notes(metrics)
    tables.write("table4_metrics", title, paired_tests.METRICS, metrics, notes)


def _write_seeds(tables: _Tables, runs: ablation_rows.Runs, spread: Mapping[str, Any]) -> None:
    """How far the seed alone moves a score; of more seeds than the other tables."""
    params = tables.stage.params
    headers, rows, notes = seeds_table.seed_table(
        spread,
        params["seeds"],
        BASE,
        params["replicates"]["methods"],
        tables.labels,
    )
    about = subject({**params, "seeds": spread["seeds"]}, runs[BASE][0].slices)
    every = replace(tables, about=about)
    every.write("seeds", "How far the seed alone moves Dice", headers, rows, notes, seeds=False)


def _write_trivial(tables: _Tables) -> None:
    """Who learns at all."""
    params = tables.stage.params
    own = _own_rows(params)
    learnt = trivial_rows.trivial_rows(
        read_csv(tables.stage.input(STATISTICS / "trivial.csv")),
        [*params["tables"]["table1"], *own],
        {**tables.labels, **{name: f"{name} (our own, in no family of tests)" for name in own}},
    )
    title, notes = "Against rows that no network made", trivial_rows.verdicts(learnt)
    tables.write("trivial", title, trivial_rows.HEADERS, learnt, notes, seeds=False)


def _write_measures(tables: _Tables) -> None:
    """What overlap does not say."""
    stage = tables.stage
    means = read_csv(stage.input(STATISTICS / "means.csv"), ["method", "measure", "value"])
    headers, rows, notes = measures_table.measure_table(means, *tables.methods, _pixel_mm(stage))
    smallest = stage.params["slices"]["minimum_component_mm2"]
    covered = stage.params["evaluation"]["lesions"]["minimum_covered"]
    notes.append(measures_table.size_rules(smallest, covered))
    tables.write("measures", "Boundaries, lesions, false alarms", headers, rows, notes)


def _write_subgroups(tables: _Tables) -> None:
    """Dice by subgroup, and the differences."""
    subgroups = read_csv(tables.stage.input(STATISTICS / "subgroups.csv"))
    ours = tables.labels.get(BASE, BASE)
    title = f"Dice by subgroup, mean over the patients in it, {ours}'s with its 95 % interval"
    made = measures_table.subgroup_table(subgroups, *tables.methods)
    tables.write("subgroups", title, *made)
    title = f"{ours} minus each other method by subgroup, 95 % interval"
    made = measures_table.gap_table(subgroups, *tables.methods)
    tables.write("subgroup_differences", title, *made)


def _write_stability(tables: _Tables) -> None:
    """How firm the ranking is."""
    ranks, variance = (
        read_csv(tables.stage.input(STATISTICS / f"{name}.csv")) for name in ("ranks", "variance")
    )
    made = stability_table.stability_table(ranks, variance, *tables.methods)
    tables.write("stability", "How firm the ranking is", *made)


def _pixel_mm(stage: "Stage") -> tuple[float, float]:
    """The least and the greatest side of a pixel of the test slices' DICOM grids."""
    sides = ["native_spacing_row_mm", "native_spacing_col_mm"]
    spacing = read_csv(stage.input("data/slices/test/slices.csv"), sides)[sides].to_numpy()
    return float(spacing.min()), float(spacing.max())


def _write_probabilities(tables: _Tables) -> None:
    """Calibration, and what uncertainty finds."""
    params = tables.stage.params
    called = probability_names.names(params)
    scores, differences = (
        read_csv(tables.stage.input(UNCERTAINTY / f"{name}.csv"), ["measure"])
        for name in ("scores", "differences")
    )
    table, pairs = calibration_table.by_key(scores), calibration_notes.by_pair(differences)
    tables.write(
        "calibration",
        "Calibration: do the probabilities mean what they say?",
        calibration_table.CALIBRATION,
        calibration_table.calibration_rows(table, called),
        calibration_notes.calibration_notes(table, pairs, called, params),
        seeds=False,
    )
    tables.write(
        "uncertainty",
        "Does uncertainty find the errors?",
        calibration_table.UNCERTAINTY,
        calibration_table.uncertainty_rows(table, called),
        calibration_notes.uncertainty_notes(table, pairs, called, params),
        seeds=False,
    )


def _write_fractions(tables: _Tables) -> None:
    """Vacuity by share of the training patients; without rows where none was trained on a share."""
    stage = tables.stage
    rows, notes = [], [calibration_table.NOT_RUN]
    if fraction_names(stage.params):
        table = read_csv(stage.input(UNCERTAINTY / "fractions.csv"), ["fraction", "patient"])
        bootstrap = stage.params["evaluation"]["bootstrap"]
        rows = calibration_table.fraction_rows(table, bootstrap)
        notes = calibration_table.fraction_notes(table, bootstrap)
    title = "Does vacuity fall as data grow?"
    tables.write("fractions", title, calibration_table.FRACTIONS, rows, notes, seeds=False)


def _own_rows(params: Mapping[str, Any]) -> list[str]:
    """Variants that are a row of their own: neither of the ablation nor of the loss weights' sweep."""
    others = {name for _, _, name in ablation_rows.sweep_names(params)}
    others |= set(ablation_names(params).values())
    rows = [*params["tables"]["variants"], *params["tables"]["for_use"]]
    return [name for name in rows if name not in others]


def _validation(stage: "Stage", runs: ablation_rows.Runs) -> dict[str, float]:
    """The sweep's variants by their best Dice on validation, see `best_validation`."""
    names = {name for _, _, name in ablation_rows.sweep_names(stage.params)}
    return ablation_rows.best_validation(
        {
            name: [
                read_csv(stage.input(f"results/runs/{run.name}/history.csv"), ["validation_dice"])
                for run in runs[name]
            ]
            for name in sorted(names)
        }
    )
