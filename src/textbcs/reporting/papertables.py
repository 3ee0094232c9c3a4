"""The stage `tables`: Tables 2 to 4, the trivial rows and the claims table, the paper's values beside ours.

Beside them what the paper lacks: how far the seed alone moves a score, who learns at all, whose
probabilities can be believed, and whether vacuity falls with data. Reads the test slices' spacing, the
evaluated runs of Table 1 and of the variants, the training curves, `results/statistics/`,
`results/uncertainty/`, the learning rate that was chosen for the proposed method, and what decides the
claims (`claimsources.py`); writes `reports/tables/table{2,3,4}`, `table4_metrics`, `seeds`, `trivial`,
`measures`, `subgroups`, `subgroup_differences`, `stability`, `claims`, `calibration`, `uncertainty` and
`fractions`, each as CSV, Markdown and LaTeX. Scores of another cohort than the paper's are never subtracted
from its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.runs import EVALUATION, fraction_names, read_runs
from textbcs.evaluation.switches import ablation_names
from textbcs.io import read_csv, read_json, write_csv, write_text
from textbcs.models.variants import BASE
from textbcs.reporting import (
    ablation,
    believed,
    believednotes,
    claims,
    measured,
    remarks,
    seedtable,
    stabilitytable,
    testtable,
    trivialtable,
)
from textbcs.reporting.claimsources import findings
from textbcs.reporting.render import latex_table, markdown_table
from textbcs.reporting.runs import (
    NOT_COMPARABLE,
    is_duke,
    paper,
    prune,
    run_names,
    seed_spread,
    subject,
)

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

TABLES = Path("reports/tables")
STATISTICS, UNCERTAINTY = Path("results/statistics"), Path("results/uncertainty")


def write_tables(stage: "Stage") -> None:
    """Write the fourteen tables."""
    params = stage.params
    prune(EVALUATION, run_names(params))
    printed = paper()
    runs = ablation.by_name([*read_runs(stage), *read_runs(stage, rows="variants")])
    stage.seed = params["evaluation"]["bootstrap"]["seed"]
    comparisons = read_csv(stage.input(STATISTICS / "comparisons.csv"))
    labels = {name: entry["label"] for name, entry in printed["table1"].items()}
    two = ablation.table2_rows(params, runs, printed["table2"])
    three = ablation.table3_rows(params, runs, _validation(stage, runs), printed["table3"])
    about = subject(params, runs[BASE][0].slices)
    spread = seed_spread(stage)
    once = remarks.seed_notes(params["seeds"], spread)
    choice = read_json(stage.input(f"results/search/{BASE}/choice.json"))
    notes = [*remarks.ablation_notes(params, runs, choice), *once]
    _write(stage, "table2", f"Table 2. Ablation. {about}", ablation.TABLE2, two, notes)
    _write(
        stage,
        "table3",
        f"Table 3. Loss weights, the other one at 0.01. {about}",
        ablation.TABLE3,
        three,
        [*ablation.better_cells(three), *once],
    )
    _write_tests(stage, about, comparisons, labels, once)
    _write_seeds(stage, runs, spread, labels)
    _write_evidence(stage, about, labels, once)
    found = findings(stage, runs, comparisons, three, printed)
    rows = claims.claim_rows(printed["claims"], found, is_duke(params))
    said = [*claims.NOTES, *once]
    _write(stage, "claims", f"The paper's claims. {about}", claims.HEADERS, rows, said)
    _write_doubts(stage, about)


def _write_tests(
    stage: "Stage",
    about: str,
    comparisons: "pd.DataFrame",
    labels: Mapping[str, str],
    once: Sequence[str],
) -> None:
    """Table 4, and the same by metric."""
    four = testtable.table4_rows(comparisons, labels, paper()["table4"])
    _write(
        stage,
        "table4",
        f"Table 4. TextBCS against each other method, Dice. {about}",
        testtable.HEADERS,
        four,
        [testtable.EFFECTS, *testtable.disagreements(four), *once],
    )
    metrics = testtable.metric_rows(comparisons, labels)
    title = f"Table 4 by metric: TextBCS against each other method. {about}"
    notes = [*testtable.metric_notes(metrics), *once]
    _write(stage, "table4_metrics", title, testtable.METRICS, metrics, notes)


def _write_seeds(
    stage: "Stage", runs: ablation.Runs, spread: Mapping[str, Any], labels: Mapping[str, str]
) -> None:
    """How far the seed alone moves a score."""
    params = stage.params
    headers, rows, notes = seedtable.seed_table(
        spread,
        params["seeds"],
        params["tables"]["reference"],
        params["replicates"]["methods"],
        labels,
    )
    about = subject({**params, "seeds": spread["seeds"]}, runs[BASE][0].slices)
    _write(stage, "seeds", f"How far the seed alone moves Dice. {about}", headers, rows, notes)


def _write_evidence(
    stage: "Stage", about: str, labels: Mapping[str, str], once: Sequence[str]
) -> None:
    """Who learns at all, what overlap does not say, and Dice by subgroup."""
    tables = stage.params["tables"]
    own = _own_rows(stage.params)
    learnt = trivialtable.trivial_rows(
        read_csv(stage.input(STATISTICS / "trivial.csv")),
        [*tables["table1"], *own],
        {**labels, **{name: f"{name} (our own, in no family of tests)" for name in own}},
    )
    title = f"Against rows that no network made. {about}"
    notes = trivialtable.verdicts(learnt)
    _write(stage, "trivial", title, trivialtable.HEADERS, learnt, notes)
    means = read_csv(stage.input(STATISTICS / "means.csv"), ["method", "measure", "value"])
    headers, rows, notes = measured.measure_table(
        means, tables["reference"], tables["table1"], labels, _pixel_mm(stage)
    )
    smallest = stage.params["slices"]["minimum_component_mm2"]
    covered = stage.params["evaluation"]["lesions"]["minimum_covered"]
    notes += [measured.size_rules(smallest, covered), *once]
    _write(stage, "measures", f"Boundaries, lesions, false alarms. {about}", headers, rows, notes)
    subgroups = read_csv(stage.input(STATISTICS / "subgroups.csv"))
    ours = labels.get(tables["reference"], tables["reference"])
    for name, made, title in (
        (
            "subgroups",
            measured.subgroup_table,
            f"Dice by subgroup, mean over the patients in it, {ours}'s with its 95 % interval",
        ),
        (
            "subgroup_differences",
            measured.gap_table,
            f"{ours} minus each other method by subgroup, 95 % interval",
        ),
    ):
        headers, rows, notes = made(subgroups, tables["reference"], tables["table1"], labels)
        _write(stage, name, f"{title}. {about}", headers, rows, [*notes, *once])
    headers, rows, notes = stabilitytable.stability_table(
        read_csv(stage.input(STATISTICS / "ranks.csv")),
        read_csv(stage.input(STATISTICS / "variance.csv")),
        tables["reference"],
        tables["table1"],
        labels,
    )
    title = f"How firm the ranking is. {about}"
    _write(stage, "stability", title, headers, rows, [*notes, *once])


def _pixel_mm(stage: "Stage") -> tuple[float, float]:
    """The least and the greatest side of a pixel of the test slices' DICOM grids."""
    sides = ["native_spacing_row_mm", "native_spacing_col_mm"]
    spacing = read_csv(stage.input("data/slices/test/slices.csv"), sides)[sides].to_numpy()
    return float(spacing.min()), float(spacing.max())


def _write_doubts(stage: "Stage", about: str) -> None:
    """The tables of calibration, of uncertainty, and of vacuity by share of the training patients."""
    called = believed.names(stage.params)
    scores = believed.by_key(read_csv(stage.input(UNCERTAINTY / "scores.csv"), ["measure"]))
    pairs = believednotes.by_pair(
        read_csv(stage.input(UNCERTAINTY / "differences.csv"), ["measure"])
    )
    title = f"What evidential learning has to face: calibration. {about}"
    rows = believed.calibration_rows(scores, called)
    notes = believednotes.calibration_notes(scores, pairs, called, stage.params)
    _write(stage, "calibration", title, believed.CALIBRATION, rows, notes)
    title = f"Does uncertainty find the errors? {about}"
    rows = believed.uncertainty_rows(scores, called)
    notes = believednotes.uncertainty_notes(scores, pairs, called, stage.params)
    _write(stage, "uncertainty", title, believed.UNCERTAINTY, rows, notes)
    title = f"Does vacuity fall as data grow? {about}"
    rows, notes = [], [believed.NOT_RUN]
    if fraction_names(stage.params):
        table = read_csv(stage.input(UNCERTAINTY / "fractions.csv"), ["fraction", "patient"])
        bootstrap = stage.params["evaluation"]["bootstrap"]
        rows = believed.fraction_rows(table, bootstrap)
        notes = believed.fraction_notes(table, bootstrap)
    _write(stage, "fractions", title, believed.FRACTIONS, rows, notes)


def _own_rows(params: Mapping[str, Any]) -> list[str]:
    """Variants that are a row of their own: neither of the ablation nor of the loss weights' sweep."""
    others = {name for _, _, name in ablation.sweep_names(params)}
    others |= set(ablation_names(params).values())
    return [name for name in params["tables"]["variants"] if name not in others]


def _validation(stage: "Stage", runs: ablation.Runs) -> dict[str, float]:
    """The sweep's variants by their best Dice on validation, see `best_validation`."""
    names = {name for _, _, name in ablation.sweep_names(stage.params)}
    return ablation.best_validation(
        {
            name: [
                read_csv(stage.input(f"results/runs/{run.name}/history.csv"), ["validation_dice"])
                for run in runs[name]
            ]
            for name in sorted(names)
        }
    )


def _write(
    stage: "Stage",
    name: str,
    title: str,
    headers: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
) -> None:
    """Write one table in its three formats, sentences below it."""
    import pandas as pd

    shown = dict(headers)
    if not is_duke(stage.params):
        shown = {
            key: f"{text} ({NOT_COMPARABLE})" if key.startswith("paper_") else text
            for key, text in headers.items()
            if key != "verdict" or name != "claims"
        }
    columns = None if rows else list(headers)
    write_csv(stage.output(TABLES / f"{name}.csv"), pd.DataFrame(list(rows), columns=columns))
    for form, made in (("md", markdown_table), ("tex", latex_table)):
        write_text(stage.output(TABLES / f"{name}.{form}"), made(title, shown, rows, notes))
