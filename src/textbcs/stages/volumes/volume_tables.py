"""The stage `volume_tables`: whole volumes, the detector of wrong prompts, and what prompts give away.

Reads `results/volume_scores/`, `results/prompt_check/`, `results/prompt_leak/` and
`data/volumes/agreement.csv`; writes five tables, each in its four forms.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv
from textbcs.base.variants import examined_methods, volume_methods
from textbcs.reporting.common.labels import cohort_words, label
from textbcs.reporting.common.notes import ONE_TRAINING
from textbcs.reporting.common.printed_tables import write_table
from textbcs.reporting.volumes import (
    agreement_with_the_case,
    compared_sources,
    given_away,
    scores_by_prompt,
    wrong_words,
)
from textbcs.reporting.volumes.scores_by_prompt import Scores
from textbcs.reporting.volumes.scores_notes import score_notes

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

SCORES, CHECKS = Path("results/volume_scores"), Path("results/prompt_check")
LEAK, AGREEMENT = Path("results/prompt_leak/leak.csv"), Path("data/volumes/agreement.csv")


def run(stage: "Stage") -> None:
    """Write the five tables.

    Raises:
        InputError: an input is missing or damaged.
    """
    patients = _scores(stage)
    about = (
        f"Every slice of the {patients} test patients of the {cohort_words(stage.params['cohort'])}"
    )
    _differences(stage, about)
    _detector(stage, about)
    _leak(stage)
    _agreement(stage)


def _scores(stage: "Stage") -> int:
    """The scores by network and prompt; the number of test patients."""
    params = stage.params
    tolerances = params["evaluation"]["nsd_tolerances_mm"]
    tables = {
        name: read_csv(stage.input(SCORES / f"{name}.csv"), scores_by_prompt.KEYS[:2])
        for name in ("points", "patients", "means", "mamamia")
    }
    values = scores_by_prompt.score_values(Scores(**tables), volume_methods(params), tolerances)
    patients = int(tables["patients"]["patient"].nunique())
    write_table(
        stage,
        "volumes",
        f"Whole volumes: every slice of the {patients} test patients of the "
        f"{cohort_words(params['cohort'])}, by network and prompt; means over patients",
        scores_by_prompt.headers(tolerances, len(params["seeds"])),
        scores_by_prompt.printed_rows(values, tolerances),
        score_notes(params, values),
        [ONE_TRAINING],
        values=_frame(values),
    )
    return patients


def _differences(stage: "Stage", about: str) -> None:
    tolerances = stage.params["evaluation"]["nsd_tolerances_mm"]
    table = read_csv(stage.input(SCORES / "comparisons.csv"), ["method", "source", "metric"])
    values = compared_sources.difference_values(table, tolerances)
    write_table(
        stage,
        "volume_differences",
        f"Whole volumes, one network and prompt minus another. {about}",
        compared_sources.headers(tolerances, len(stage.params["seeds"])),
        compared_sources.difference_rows(values),
        compared_sources.difference_notes(values),
        [ONE_TRAINING],
        values=_frame(values) if values else None,
    )


def _detector(stage: "Stage", about: str) -> None:
    """The detector of each network that has one, of the first seed."""
    seed = stage.params["seeds"][0]
    found: dict[str, dict[str, pd.DataFrame]] = {"detection": {}, "rates": {}}
    for method in examined_methods(stage.params):
        for name, tables in found.items():
            path = CHECKS / f"{method}-s{seed}" / f"{name}.csv"
            tables[method] = read_csv(stage.input(path), ["slot"])
    values = wrong_words.detection_values(**found)
    several = len(stage.params["seeds"]) > 1
    write_table(
        stage,
        "prompt_check",
        f"Is a word of the prompt wrong? {about}" + (f"; seed {seed}" if several else ""),
        wrong_words.HEADERS,
        wrong_words.detection_rows(values),
        wrong_words.NOTES,
        [ONE_TRAINING],
        values=_frame(values) if values else None,
    )


def _leak(stage: "Stage") -> None:
    values = given_away.leak_values(read_csv(stage.input(LEAK), ["source", "attribute"]))
    write_table(
        stage,
        "prompt_leak",
        "What a prompt gives away without the image, by its source and word; test patients",
        given_away.HEADERS,
        given_away.leak_rows(values),
        given_away.NOTES,
        values=_frame(values) if values else None,
    )


def _agreement(stage: "Stage") -> None:
    table = read_csv(stage.input(AGREEMENT), ["split", "source", "attribute"])
    values = agreement_with_the_case.agreement_values(table)
    first = label(stage.params["volumes"]["first_pass"])
    write_table(
        stage,
        "prompt_agreement",
        f"Prompts that no reader wrote against the case's own; automatic: off the masks of {first}",
        agreement_with_the_case.HEADERS,
        agreement_with_the_case.agreement_rows(values),
        agreement_with_the_case.NOTES,
        values=_frame(values) if values else None,
    )


def _frame(values: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(values)
