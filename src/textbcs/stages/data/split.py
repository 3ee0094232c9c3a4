"""The patient-level split into train, val and test.

Reads `data/cohort/patients.csv` and `data/masks/masks.csv`; writes `data/splits/split.csv`.
A patient is in exactly one split. The split is drawn after eligibility (a patient without a usable
mask is in none) and stratified by facts that are known before any outcome. Patients whose mask comes
from a source of `masks.train_only` are added to train afterwards: nobody is scored on a weak mask.
"""

from collections import Counter
from typing import TYPE_CHECKING

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.dataset.split_table import SPLITS
from textbcs.intake.counting import most_frequent
from textbcs.slices.splitting import draw_split

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Draw the split of all eligible patients (TextBCS §4.1: 7:1:2 at patient level)."""
    options = stage.params["split"]
    patients = read_csv(
        stage.input("data/cohort/patients.csv"), ["patient", "excluded", *options["stratify"]]
    )
    masks = read_csv(stage.input("data/masks/masks.csv"), ["patient", "source", "reason"])
    usable = set(masks.loc[masks["reason"].isna(), "patient"])
    eligible = patients[patients["excluded"].isna() & patients["patient"].isin(usable)]
    stage.seed = options["seed"]
    weak = set(masks.loc[masks["source"].isin(stage.params["masks"]["train_only"]), "patient"])
    try:
        table = draw_split(eligible, options["ratio"], options["stratify"], options["seed"], weak)
    except InputError as error:
        reasons = Counter([*patients["excluded"].dropna(), *masks["reason"].dropna()])
        why = f" (left out before: {most_frequent(reasons)})" if reasons else ""
        raise InputError(f"{error}{why}") from error
    write_csv(stage.output("data/splits/split.csv"), table)
    sizes = table["split"].value_counts()
    stage.log(", ".join(f"{name} {sizes.get(name, 0)}" for name in SPLITS) + " patients")
