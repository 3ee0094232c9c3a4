"""Stage `prompts`: a prompt for every slice, derived from its mask or written by people, and for every case.

Reads `data/slices` and, with `prompts.source: table` or `report`, the table that `prompts.table` names;
writes `data/prompts/{train,val,test}.csv`, `patients.csv`, the prompts of whole cases, which are derived from
the masks whatever the source, `train_patients.csv`, those of training patients alone, and the size thresholds
that were fitted on train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv, records, write_csv, write_json
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.dataset.prompt_table import COLUMNS
from textbcs.dataset.slice_store import CASES, read_slices
from textbcs.dataset.split_table import SPLITS, TRAIN
from textbcs.prompts.cases import PATIENTS, TRAIN_PATIENTS, case_prompt
from textbcs.prompts.derive import Lesions, derive_prompt, measure_lesions, size_thresholds
from textbcs.prompts.radiology_reports import read_report
from textbcs.prompts.reader_tables import (
    KEYS,
    WORDS,
    Joined,
    Problem,
    join,
    read_rows,
    read_table,
    read_words,
)
from textbcs.slices.case_lesions import Case
from textbcs.slices.laterality import NO_SIDES

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

Measured = list[tuple[dict[str, Any], Lesions | None]]


def run(stage: "Stage") -> None:
    """Write every slice's prompt, with size classes fitted on train.

    Raises:
        InputError: a tumour slice without countable lesion, or a table with problems: every one is
            logged, the error sums them up.
    """
    rules = stage.params["prompts"]
    smallest = stage.params["slices"]["minimum_component_mm2"]
    measured = {split: _measure(stage, split, smallest) for split in SPLITS}
    train = [lesions.area_mm2 for _, lesions in measured["train"] if lesions is not None]
    thresholds = size_thresholds(train)
    if rules["source"] == "derive":
        source = "mask"
        own = {split: derived(rows, thresholds, rules) for split, rows in measured.items()}
    else:
        source = str(rules["source"])
        slices = [row for rows in measured.values() for row, _ in rows]
        written = _written(stage, slices, thresholds)
        own = dict.fromkeys(SPLITS, written)
    cases = read_csv(stage.input(CASES), ["split", "patient"], dtype={"patient": str, "side": str})
    volumes = size_thresholds(cases["volume_mm3"][cases["split"] == TRAIN].tolist())
    write_json(
        stage.output("data/prompts/thresholds.json"),
        {
            "fitted_on": "train",
            "slices": len(train),
            "small_up_to_mm2": thresholds[0],
            "medium_up_to_mm2": thresholds[1],
            "case_small_up_to_mm3": volumes[0],
            "case_medium_up_to_mm3": volumes[1],
        },
    )
    table = case_table(records(cases), volumes, rules)
    write_csv(stage.output(PATIENTS), table)
    # What learns reads these alone.
    write_csv(stage.output(TRAIN_PATIENTS), table[table["split"] == TRAIN])
    for split, rows in measured.items():
        table = prompt_table([row for row, _ in rows], own[split], source)
        write_csv(stage.output(f"data/prompts/{split}.csv"), table)
        stage.log(f"{split}: {len(table)} prompts, {table['text'].nunique()} distinct")


def case_table(
    rows: Sequence[Mapping[str, Any]], thresholds: tuple[float, float], rules: Mapping[str, Any]
) -> "pd.DataFrame":
    """The prompt of every case.

    Args:
        rows: `split, patient` and the facts of a `Case`.
        thresholds: tertiles of the largest lesion's volume in mm³.
        rules: the parameters of `prompts`.
    """
    import pandas as pd

    lines = []
    for row in rows:
        facts = {one.name: row[one.name] for one in fields(Case)}
        side = facts["side"] if isinstance(facts["side"], str) else ""  # NaN: no sides
        prompt = case_prompt(Case(**{**facts, "side": side}), thresholds, rules)
        words = [getattr(prompt, slot) for slot in VOCABULARY]
        lines.append([row["split"], row["patient"], *words, prompt.text])
    return pd.DataFrame(lines, columns=["split", "patient", *VOCABULARY, "text"])


def _measure(stage: "Stage", split: str, minimum_component_mm2: float) -> Measured:
    """Each slice's row and the facts of its lesions (None on tumour-free slices)."""
    shard = read_slices(stage, split)
    rows = []
    for row, mask in zip(records(shard.table), shard.masks, strict=True):
        spacing = (row["spacing_row_mm"], row["spacing_col_mm"])
        rows.append((row, measure_lesions(mask, spacing, minimum_component_mm2)))
    return rows


def derived(
    rows: Measured, thresholds: tuple[float, float], rules: Mapping[str, Any]
) -> dict[str, Prompt]:
    """The prompt of each tumour slice from its own mask, by slice_id.

    Args:
        rows: slice rows (`slice_id, kind, side`) with their lesions.
        thresholds: tertiles of area in mm².
        rules: the parameters of `prompts`.

    Raises:
        InputError: a tumour slice has no countable lesion.
    """
    own: dict[str, Prompt] = {}
    for row, lesions in rows:
        if row["kind"] == "tumour":
            if lesions is None:
                raise InputError(
                    f"slice {row['slice_id']}: no lesion reaches slices.minimum_component_mm2; "
                    "run the stage slices again"
                )
            side = row["side"] if isinstance(row["side"], str) else ""  # NaN: no sides
            own[row["slice_id"]] = derive_prompt(lesions, side, thresholds, rules)
    return own


def _written(
    stage: "Stage", slices: Sequence[Mapping[str, Any]], thresholds: tuple[float, float]
) -> dict[str, Prompt]:
    """The prompts of the table that people wrote; every problem is logged before the stage stops.

    Where nothing has a side, what the table says of sides is left out.
    """
    rules = stage.params["prompts"]
    path = stage.input(rules["table"])
    joined = read_written(path, rules["source"], slices, thresholds, rules["allow_inconsistent"])
    for problem in joined.allowed:
        stage.log(f"allowed: {path} {problem}")
    if joined.problems:
        for problem in joined.problems:
            stage.log(f"{path} {problem}")
        count = len(joined.problems)
        raise InputError(
            f"{path}: {count} problem{'s' if count > 1 else ''}, each on a line above; the first: "
            f"{joined.problems[0]}"
        )
    if stage.params["cohort"]["sides"] != NO_SIDES:
        return joined.prompts
    sided = sum(bool(prompt.location) for prompt in joined.prompts.values())
    if sided:
        stage.log(f"{path}: {sided} prompts name a side; cohort.sides is none, so it is left out")
    return {name: replace(prompt, location="") for name, prompt in joined.prompts.items()}


def read_written(
    path: Path,
    source: str,
    slices: Sequence[Mapping[str, Any]],
    thresholds: tuple[float, float],
    allow_inconsistent: bool,
) -> Joined:
    """Read a table of prompts (`source` = table) or of reports (report) and join it with slices."""
    if source == "report":
        table = read_table(path, [(*KEYS, "report")])
        rows, problems = read_rows(table, lambda row: read_report(row["report"], thresholds))
    else:
        table = read_table(path, WORDS)
        rows, problems = read_rows(table, read_words)
    joined = join(rows, slices, allow_inconsistent, whole_patients=source == "report")
    found = sorted(problems + joined.problems, key=_by_row)
    return Joined(joined.prompts, found, joined.allowed)


def _by_row(problem: Problem) -> tuple[bool, int, str]:
    return problem.row is None, problem.row or 0, problem.text


def prompt_table(
    rows: Sequence[Mapping[str, Any]], own: Mapping[str, Prompt], source: str
) -> "pd.DataFrame":
    """Prompts of one split's slices.

    A tumour slice gets its own prompt. A tumour-free slice has no attributes; it borrows the prompt of
    the same patient's nearest tumour slice, and `borrowed_from` names it.

    Args:
        rows: slice rows (`slice_id, patient, kind, z_index`).
        own: the prompt of every tumour slice.
        source: where they come from.

    Raises:
        InputError: a tumour-free slice has nothing to borrow.
    """
    import pandas as pd

    tumour = [row for row in rows if row["kind"] == "tumour"]
    lines = []
    for row in rows:
        lender = row if row["kind"] == "tumour" else _nearest(row, tumour)
        prompt = own[lender["slice_id"]]
        borrowed = "" if lender is row else lender["slice_id"]
        words = [getattr(prompt, slot) for slot in VOCABULARY]
        lines.append([row["slice_id"], row["patient"], *words, prompt.text, source, borrowed])
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _nearest(row: Mapping[str, Any], tumour: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The same patient's tumour slice nearest in z; the lower one of two equally near."""
    same = [other for other in tumour if other["patient"] == row["patient"]]
    if not same:
        raise InputError(
            f"slice {row['slice_id']}: its patient has no tumour slice to borrow a prompt from"
        )
    return min(same, key=lambda other: (abs(other["z_index"] - row["z_index"]), other["z_index"]))
