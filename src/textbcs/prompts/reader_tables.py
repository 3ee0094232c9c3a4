"""A table that people filled in, joined with the slices: every fault of it reported at once.

A row is a slice: `patient_id`, `slice` (its InstanceNumber, which every DICOM viewer shows), and either
the four attributes or a `text` in the paper's grammar. Words are data: they are compared with the
vocabulary, never executed, and never become part of a path.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, PromptError, number_word, parse
from textbcs.intake.own_tables import read_own_table
from textbcs.intake.spelling import short, unknown_names

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("patient_id", "slice")
# Of a table of words, the columns of which one set must be there.
WORDS = ((*KEYS, *VOCABULARY), (*KEYS, "text"))
_FEW = 2  # so many patients without any row are still a line each
# A row's words, or what is wrong with it.
Reader = Callable[[Mapping[str, str]], Prompt]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a table; `row` counts from 1 with the header, None where no row is there."""

    row: int | None
    text: str

    def __str__(self) -> str:
        return self.text if self.row is None else f"row {self.row}: {self.text}"


@dataclass(frozen=True)
class Row:
    """A row of the table; `prompt` is None where its words have a fault of their own.

    `slice` is "" where a row speaks for all tumour slices of its patient.
    """

    number: int
    patient: str
    slice: str
    prompt: Prompt | None


@dataclass(frozen=True)
class Joined:
    """The prompts by slice_id, all problems, and the contradictions that were allowed."""

    prompts: dict[str, Prompt]
    problems: list[Problem]
    allowed: list[Problem]


def read_table(path: Path, columns: Sequence[Sequence[str]]) -> "pd.DataFrame":
    """Read a table that a person made, CSV or XLSX, every cell as text.

    Args:
        path: the table.
        columns: sets of columns of which it must have at least one complete.

    Returns:
        As `intake.own_tables.read_own_table`, with the columns of these sets that are there.

    Raises:
        InputError: no readable table, or none of the sets.
    """
    shared = [name for name in columns[0] if all(name in wanted for wanted in columns)]
    others = dict.fromkeys(name for wanted in columns for name in wanted if name not in shared)
    table = read_own_table(path, shared, list(others))
    if not any(set(wanted) <= set(table.columns) for wanted in columns):
        wished = " or ".join(", ".join(wanted) for wanted in columns)
        there = ", ".join(table.columns)
        raise InputError(f"{path}: columns must hold {wished}; of these it has {there}")
    return table


def read_words(row: Mapping[str, str]) -> Prompt:
    """A prompt from a row's four attributes, or its `text`, or both where they agree.

    Case does not matter, and a number may be written in digits.

    Raises:
        PromptError: a word or text outside the grammar, or two statements that differ.
    """
    words = [row.get(slot, "").lower() for slot in VOCABULARY]
    said = parse(row["text"].lower()) if row.get("text") else None
    if not any(words):
        if said is None:
            raise PromptError("no attribute and no text")
        return said
    if re.fullmatch(r"\d{1,3}([.,]0+)?", words[3]):
        words[3] = number_word(int(re.split("[.,]", words[3])[0]))
    prompt = Prompt(*words)
    if said is not None and said != prompt:
        raise PromptError(f"text {said.text!r} contradicts the columns {prompt.text!r}")
    return prompt


def read_rows(table: "pd.DataFrame", reader: Reader) -> tuple[list[Row], list[Problem]]:
    """Read every row's words; a faulty one stays a row, so that its slice does not count as missing."""
    rows, problems = [], []
    for number, cells in zip(table.index, table.to_dict("records"), strict=True):
        row = {str(key): str(value) for key, value in cells.items()}
        prompt = None
        try:
            prompt = reader(row)
        except PromptError as error:
            problems.append(Problem(int(number), " ".join(str(error).split())))
        place = re.sub(r"^0+(?=\d)|[.,]0+$", "", row["slice"])  # 7, whether it says 007 or 7.0
        rows.append(Row(int(number), row["patient_id"], place, prompt))
    return rows, problems


def join(
    rows: Iterable[Row],
    slices: Sequence[Mapping[str, Any]],
    allow_inconsistent: bool,
    whole_patients: bool = False,
) -> Joined:
    """Give every tumour slice the prompt of its row.

    Args:
        rows: what `read_rows` gave.
        slices: `slice_id, patient, instance_number, kind, side` of all splits.
        allow_inconsistent: a prompt may name another side than the mask lies on.
        whole_patients: a row without `slice` speaks for all slices of its patient that have no own.

    Returns:
        Prompts, and as problems: unknown patients and slices, rows for tumour-free slices, several
        rows for one slice, slices without a row, and sides that contradict the mask.
    """
    known = {(str(s["patient"]), str(s["instance_number"])): s for s in slices}
    of: dict[str, list[Mapping[str, Any]]] = {}
    for one in slices:
        of.setdefault(str(one["patient"]), []).append(one)
    taken: dict[str, Row] = {}
    general: dict[str, Row] = {}
    problems = []
    strangers: dict[str, int] = {}
    for row in rows:
        found = known.get((row.patient, row.slice))
        if row.patient not in of:
            strangers.setdefault(row.patient, row.number)
        elif whole_patients and not row.slice and row.patient not in general:
            general[row.patient] = row
        elif found is not None and found["kind"] == "tumour" and found["slice_id"] not in taken:
            taken[found["slice_id"]] = row
        else:
            first = general.get(row.patient) if not row.slice else None
            if found is not None:
                first = taken.get(found["slice_id"])
            problems.append(_misplaced(row, found, of[row.patient], first))
    problems += [
        Problem(strangers[name], f"patient {words}")
        for name, words in unknown_names(strangers, of).items()
    ]
    return _collect(taken, general, slices, problems, allow_inconsistent)


def _misplaced(
    row: Row,
    found: Mapping[str, Any] | None,
    of: Sequence[Mapping[str, Any]],
    first: Row | None,
) -> Problem:
    """Why a row of a known patient gives no slice a prompt.

    Args:
        row: the row.
        found: its slice; None where there is none.
        of: all slices of its patient.
        first: the row that has its place already.
    """
    where = f"patient {short(row.patient)} slice {short(row.slice)}"
    if first is not None:
        return Problem(row.number, f"{where} is in row {first.number} already; keep one")
    if found is not None:
        return Problem(row.number, f"{where} is tumour-free and takes no prompt")
    near = sorted(int(one["instance_number"]) for one in of)
    return Problem(row.number, f"{where} is not cut; she has {_spans(near)}")


def _collect(
    taken: Mapping[str, Row],
    general: Mapping[str, Row],
    slices: Sequence[Mapping[str, Any]],
    problems: list[Problem],
    allow_inconsistent: bool,
) -> Joined:
    """The prompts of all tumour slices; what is missing and what contradicts the mask."""
    prompts: dict[str, Prompt] = {}
    contradictions = []
    missing: dict[str, list[int]] = {}
    wanted: dict[str, int] = {}
    for one in slices:
        if one["kind"] != "tumour":
            continue
        patient, side = str(one["patient"]), one["side"]
        wanted[patient] = wanted.get(patient, 0) + 1
        row = taken.get(one["slice_id"], general.get(patient))
        if row is None:
            missing.setdefault(patient, []).append(int(one["instance_number"]))
        elif row.prompt is not None:
            prompts[one["slice_id"]] = row.prompt
            # Where nothing has a side (`cohort.sides: none`), nothing is on the wrong one.
            if isinstance(side, str) and side and row.prompt.location != side:
                where = f"patient {patient} slice {one['instance_number']}"
                stated = f"location {row.prompt.location}" if row.prompt.location else "no location"
                said = f"{where}: {stated}, but the mask lies {side}"
                contradictions.append(Problem(row.number, said))
    problems += _without_row(missing, wanted)
    if allow_inconsistent:
        return Joined(prompts, problems, contradictions)
    return Joined(prompts, problems + contradictions, [])


def _without_row(missing: Mapping[str, list[int]], wanted: Mapping[str, int]) -> Iterable[Problem]:
    """The slices without a row: a line for each patient, one for all who have no row at all."""
    empty = [patient for patient, numbers in missing.items() if len(numbers) == wanted[patient]]
    if len(empty) > _FEW:
        yield Problem(None, f"patient {empty[0]} and {len(empty) - 1} more patients have no row")
    for patient, numbers in missing.items():
        if len(empty) <= _FEW or patient not in empty:
            several = "slice {} has" if len(numbers) == 1 else "slices {} have"
            said = several.format(_spans(sorted(numbers)))
            yield Problem(None, f"patient {patient} {said} no row")


def _spans(numbers: Sequence[int]) -> str:
    """Rising numbers in words: 3-7, 9."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
