"""The stage `table1`: every method's overlap and complexity, the paper's printed values beside ours.

Writes Table 1, TextBCS's differences to each other row, and the complexity table, each in four forms, and
three scores once more in `reports/metrics/`, for `dvc metrics`. The paper's scores are subtracted from
ours only where the cohort is Duke.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_json, records, write_json
from textbcs.evaluation.statistics.runs import Run, read_runs
from textbcs.reporting.common.labels import (
    encoder_label,
    is_duke,
    label,
    paper,
    seed_spread,
    subject,
)
from textbcs.reporting.common.notes import seed_notes
from textbcs.reporting.common.printed_tables import write_table
from textbcs.reporting.tables import overlap
from textbcs.reporting.tables.complexity_columns import HEADERS, NOTE, complexity_row

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

COMPLEXITY = Path("results/complexity")
METRICS = Path("reports/metrics")


def run(stage: "Stage") -> None:
    """Write the three tables and the scores of `dvc metrics`."""
    methods = stage.params["tables"]["table1"]
    runs = read_runs(stage)
    complexity = {m: read_json(stage.input(COMPLEXITY / f"{m}.json")) for m in methods}
    bootstrap = stage.params["evaluation"]["bootstrap"]
    stage.seed = bootstrap["seed"]
    rows = _overlap_rows(stage, runs, complexity)
    gaps = overlap.differences(runs, bootstrap)
    once = seed_notes(stage.params["seeds"], seed_spread(stage))
    about = subject(stage.params, runs[0].slices, free=True)
    write_table(
        stage,
        "table1",
        f"Table 1. {about}; text encoder {encoder_label(stage)}",
        overlap.column_headers(rows, is_duke(stage.params), stage.params["cohort"]["kind"]),
        rows,
        overlap.table1_notes(rows, records(gaps)),
        once,
    )
    write_table(
        stage,
        "table1_differences",
        "Dice of TextBCS minus that of each other method: mean over patients, with 95 % interval",
        overlap.DIFFERENCES,
        [row | {"subtrahend": label(row["subtrahend"])} for row in records(gaps)],
        shared=once,
        values=gaps,
    )
    for score, values in overlap.tracked_scores(rows).items():
        write_json(stage.output(METRICS / f"{score}.json"), values)
    counted = [complexity_row(m, complexity[m], paper()["table1"].get(m, {})) for m in methods]
    title = "Complexity at the published size, one image of three channels"
    write_table(stage, "complexity", title, HEADERS, counted, [NOTE])


def _overlap_rows(
    stage: "Stage", runs: Sequence[Run], complexity: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of Table 1, with what each method starts from and which text encoder it reads with."""
    bootstrap, duke = stage.params["evaluation"]["bootstrap"], is_duke(stage.params)
    rows = [
        overlap.table1_row(m, [run for run in runs if run.method == m], counted, bootstrap, duke)
        for m, counted in complexity.items()
    ]
    encoder = encoder_label(stage)
    for row in rows:
        counted = complexity[row["method"]]
        row["first_weights"] = overlap.first_weights(counted["initial"])
        row["text_encoder"] = encoder if counted["reads_text"] else ""
    return rows
