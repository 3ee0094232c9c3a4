"""The files of an evaluation: tables, text and page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.io import InputError, write_csv, write_json, write_text
from textbcs.reporting.common.volume_cases import Case, Reading
from textbcs.reporting.volumes.shown_cases import chosen_patients
from textbcs.slices.resize import clip_to_unit
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish
from textbcs.validation.evaluation import MARK, Evaluation, told
from textbcs.validation.evaluation_page import evaluation_page
from textbcs.validation.patient_files import PatientResult, read_masks
from textbcs.validation.score_tables import LEAST, Tables, markdown, score_tables

if TYPE_CHECKING:
    import pandas as pd

PATIENTS, LEFT_OUT, PAGE, TEXT = "patients.csv", "left_out.csv", "evaluation.html", "evaluation.md"


def write_evaluation(
    task: Evaluation, results: Sequence[PatientResult], failed: Mapping[str, str], out: Path
) -> Tables:
    """Write tables, text, page and, last, `evaluation.json`.

    Args:
        task: what was evaluated.
        results: of the patients.
        failed: patients without a result, and why.
        out: the folder of the evaluation.

    Raises:
        InputError: there is no result at all, or what was kept is damaged.
    """
    import pandas as pd

    if not results:
        raise InputError(f"{out}: no patient could be evaluated; {next(iter(failed.values()), '')}")
    patients = patient_table(results)
    tables = score_tables(patients, task.how)
    left_out = {**task.cohort.without, **failed}
    notes = _notes(task, results, left_out)
    write_csv(out / PATIENTS, patients)
    rows = [{"patient": name, "reason": reason} for name, reason in sorted(left_out.items())]
    write_csv(out / LEFT_OUT, pd.DataFrame(rows, columns=["patient", "reason"]))
    for name, table in vars(tables).items():
        write_csv(out / f"{name}.csv", table)
    write_text(out / TEXT, markdown(tables, task.how, notes))
    page = evaluation_page(
        tables, task.how, notes, _facts(task, results), _cases(task, results, out)
    )
    write_text(out / PAGE, page)
    counts = {"patients": len(results), "left_out": len(left_out)}
    write_json(out / MARK, told(task, finished=True) | counts)
    return tables


def patient_table(results: Sequence[PatientResult]) -> "pd.DataFrame":
    """A row per model, source and patient: who, what was asked, what groups her, and the scores."""
    import pandas as pd

    rows = [
        {"model": row["model"], "source": row["source"], "patient": one.name, **one.facts, **row}
        for one in results
        for row in one.rows
    ]
    order = {(row["model"], row["source"]): place for place, row in enumerate(results[0].rows)}
    rows.sort(key=lambda row: (order[row["model"], row["source"]], row["patient"]))
    return pd.DataFrame(rows)


def _facts(task: Evaluation, results: Sequence[PatientResult]) -> dict[str, str]:
    models = {f"Model {label}": f"package {one.sha256}" for label, one in task.models.items()}
    return {**models, "Patients": str(len(results)), "Left out": f"see {LEFT_OUT}"}


def _notes(
    task: Evaluation, results: Sequence[PatientResult], left_out: Mapping[str, str]
) -> list[str]:
    """What the numbers mean, a sentence each."""
    notes = [
        f"{len(results)} patients; {len(left_out)} left out ({LEFT_OUT} says why).",
        "Patients are resampled for the intervals; each trained network is held fixed. How far another "
        "training lies is not in them.",
        f"A group of fewer than {LEAST} patients is no evidence: nothing is given of it. Intervals are not "
        "corrected for the number of groups.",
        f"Lesions and false components have at least {task.rules.minimum_mm3:g} mm³; a lesion counts as "
        f"found where at least {task.rules.minimum_covered:.0%} of it is marked. Size classes are those of "
        "the first model's package.",
        "Scores say something of other patients only if none of these was trained on, and if their masks "
        "were not drawn from an outline of the same model.",
    ]
    if task.prompts.given is not None or task.prompts.reports is not None:
        notes.append(
            "Who has no prompt of her own is asked with the automatic one; a prompt that was written with "
            "the mask in view gives some of it away."
        )
    return notes


def _cases(task: Evaluation, results: Sequence[PatientResult], out: Path) -> Iterator[Case]:
    """The worst, the median and the best patient, as the viewer takes them."""
    dice = {one.name: float(one.rows[0]["dice"]) for one in results}
    chosen = chosen_patients({name: value for name, value in dice.items() if value == value})
    of, subjects = (
        {one.name: one for one in results},
        {one.name: one for one in task.cohort.subjects},
    )
    masks = {name: read_masks(out, name, len(of[name].rows)) for name in chosen}
    # Packages that are shown phases of different grids cannot be shown on one image.
    places = [
        place
        for place in range(len(results[0].rows))
        if all(one.found[place].shape == one.reference.shape for one in masks.values())
    ]
    for name, rule in chosen.items():
        study = read_study(find_study(subjects[name].study, Wish.of(task.first)))
        unit = clip_to_unit(study.patient.intensity, task.first.slices["clip_percentiles"])
        readings = [_reading(of[name].rows[place], masks[name].found[place]) for place in places]
        yield Case(
            name, rule, np.round(255 * unit).astype(np.uint8), masks[name].reference, readings
        )


def _reading(row: Mapping[str, Any], mask: Any) -> Reading:
    dice = float(row["dice"])
    return Reading(
        f"{row['model']}, prompts: {row['source']}",
        str(row["prompt"]),
        mask,
        None if dice != dice else dice,
        int(row["false_components"]),
        float(row["false_ml"]),
    )
