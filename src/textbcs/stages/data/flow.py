"""The stage `flow`: who and what came in, was left out and why, and went out, as papers print it.

Nothing is counted twice and nothing gets lost: the sums are checked before the table is written.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import InputError, read_csv
from textbcs.dataset.split_table import SPLITS
from textbcs.intake.left_out import COLUMNS, summary
from textbcs.reporting.common.printed_tables import write_table
from textbcs.reporting.tables import flow_of_patients

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Write the flow table.

    Raises:
        InputError: the stages' tables are not of one run, so that the counts do not add up.
    """
    text = {"patient": str, "reason": str, "source": str, "excluded": str}
    patients = read_csv(stage.input("data/cohort/patients.csv"), ["patient", "excluded"], text)
    masks = read_csv(
        stage.input("data/masks/masks.csv"), ["patient", "source", "slices", "reason"], text
    )
    split = read_csv(stage.input("data/splits/split.csv"), ["patient", "split"], text)
    left_out = read_csv(stage.input("data/slices/excluded.csv"), ["patient", "reason"], text)
    slices = {
        name: read_csv(stage.input(f"data/slices/{name}/slices.csv"), ["patient", "kind"], text)
        for name in SPLITS
    }
    files = read_csv(stage.input("data/cohort/intake.csv"), COLUMNS, dict.fromkeys(COLUMNS, str))
    unused = summary(files.fillna(""))
    table = flow_of_patients.flow_table(patients, masks, split, slices, left_out, unused)
    fault = flow_of_patients.imbalance(table)
    if fault:
        raise InputError(
            f"the tables of cohort, masks, split and slices are not of one run: {fault}"
        )
    rows = flow_of_patients.printed_rows(table)
    title = flow_of_patients.title(table)
    headers = {name: flow_of_patients.HEADERS.get(name, name) for name in table.columns}
    write_table(stage, "flow", title, headers, rows, values=table)
