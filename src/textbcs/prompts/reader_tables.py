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

from textbcs.base.io import OWN_FILE, InputError, existing
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, PromptError, number_word, parse

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("patient_id", "slice")
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
    """Read a `.csv` (comma or semicolon) or the first sheet of an `.xlsx`, every cell as text.

    Args:
        path: the table.
        columns: sets of columns of which it must have at least one complete.

    Returns:
        Its cells, stripped; missing ones are "". The index is the row number, the header being row 1;
        rows without any content are left out.

    Raises:
        InputError: no readable table, or none of the sets.
    """
    import pandas as pd

    try:
        if path.suffix.lower() == ".xlsx":
            table = pd.read_excel(existing(path, OWN_FILE), dtype=str)
        else:
            text = existing(path, OWN_FILE).read_text(encoding="utf-8-sig")
            header = text.split("\n", 1)[0]
            separator = ";" if ";" in header and "," not in header else ","
            table = pd.read_csv(
                path, dtype=str, sep=separator, encoding="utf-8-sig", skip_blank_lines=False
            )
    except (ValueError, KeyError, OSError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a readable table ({error}); save it as UTF-8 CSV") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    if not any(set(wanted) <= set(table.columns) for wanted in columns):
        wished = " or ".join(", ".join(wanted) for wanted in columns)
        raise InputError(f"{path}: columns must hold {wished}; it has {', '.join(table.columns)}")
    if table.columns.duplicated().any():
        raise InputError(
            f"{path}: column {table.columns[table.columns.duplicated()][0]!r} occurs twice"
        )
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index = pd.RangeIndex(2, len(table) + 2)
    filled: pd.DataFrame = table[(table != "").any(axis=1)]
    return filled


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
    if re.fullmatch(r"\d{1,3}(\.0)?", words[3]):
        words[3] = number_word(int(float(words[3])))
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
        place = re.sub(r"\.0$", "", row["slice"])  # a number that a spreadsheet stored with a point
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
    for row in rows:
        where = f"patient {_short(row.patient)} slice {_short(row.slice)}"
        found = known.get((row.patient, row.slice))
        if row.patient not in of:
            problems.append(
                Problem(row.number, f"patient {_short(row.patient)} is not in the cohort")
            )
        elif whole_patients and not row.slice and row.patient not in general:
            general[row.patient] = row
        elif found is None:
            near = sorted(int(s["instance_number"]) for s in of[row.patient])
            problems.append(Problem(row.number, f"{where} is not cut; she has {_spans(near)}"))
        elif found["kind"] != "tumour":
            problems.append(Problem(row.number, f"{where} is tumour-free and takes no prompt"))
        elif found["slice_id"] in taken:
            first = taken[found["slice_id"]].number
            problems.append(Problem(row.number, f"{where} is in row {first} already; keep one"))
        else:
            taken[found["slice_id"]] = row
    return _collect(taken, general, slices, problems, allow_inconsistent)


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
    for one in slices:
        if one["kind"] != "tumour":
            continue
        where = f"patient {one['patient']} slice {one['instance_number']}"
        row = taken.get(one["slice_id"], general.get(str(one["patient"])))
        if row is None:
            problems.append(Problem(None, f"{where} has no row"))
        elif row.prompt is not None:
            prompts[one["slice_id"]] = row.prompt
            if row.prompt.location != one["side"]:
                said = f"{where}: location {row.prompt.location}, but the mask lies {one['side']}"
                contradictions.append(Problem(row.number, said))
    if allow_inconsistent:
        return Joined(prompts, problems, contradictions)
    return Joined(prompts, problems + contradictions, [])


def _short(text: str) -> str:
    """A cell as it is shown: one short quoted line."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _spans(numbers: Sequence[int]) -> str:
    """Rising numbers in words: 3-7, 9."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
