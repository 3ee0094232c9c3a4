"""The stage `text_worth`: what the text is worth, and how far automatic prompts agree with the given ones.

Read from each method's rows under other prompts and from what the prompt alone predicts.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import read_csv
from textbcs.evaluation.statistics.agreement import agreement
from textbcs.evaluation.statistics.prompt_effects import alarm_values, over_seeds, text_worth
from textbcs.evaluation.statistics.robustness_rows import pooled, read_tables
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.reporting.common.labels import label
from textbcs.reporting.common.printed_tables import write_table
from textbcs.reporting.tables import worth_of_text

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

PRIOR = Path("results/evaluation/prior-s0/slices.csv")


def run(stage: "Stage") -> None:
    """Write the table of all quantities and methods, and the automatic prompts' agreement."""
    bootstrap = stage.params["evaluation"]["bootstrap"]
    stage.seed = bootstrap["seed"]
    paraphrases, tables = read_paraphrases(), read_tables(stage)
    prior = read_csv(stage.input(PRIOR), ["slice_id", "patient", "kind", "dice"])
    worth = {}
    for method, runs in tables.items():
        alarms = over_seeds([alarm_values(run) for run in runs])
        worth[method] = text_worth(pooled(runs, paraphrases), alarms, prior, bootstrap)
    agreed = agreement(next(iter(tables.values()))[0], bootstrap)
    sides = str(stage.params["cohort"]["sides"])
    if sides == "none":
        worth = {method: worth_of_text.without_sides(found) for method, found in worth.items()}
        agreed = agreed[agreed["attribute"] != "location"]
    write_table(
        stage,
        "text_worth",
        worth_of_text.title(stage.params, worth),
        {"quantity": "Quantity", **{method: label(method) for method in worth}},
        worth_of_text.printed_rows(worth, paraphrases),
        worth_of_text.notes(worth, sides),
        values=worth_of_text.long_table(worth, paraphrases),
    )
    first_pass = label(stage.params["robustness"]["first_pass"])
    write_table(
        stage,
        "automatic_prompts",
        f"Automatic prompts ({first_pass}'s masks, the given prompts' rules) against the given ones",
        worth_of_text.AGREEMENT,
        worth_of_text.agreement_rows(agreed),
        values=agreed,
    )
