"""The prompt tables `data/prompts/{train,val,test}.csv`: how every later stage reads one.

A row is a slice.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError, read_csv, records
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, PromptError, parse

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("slice_id", "patient", *VOCABULARY, "text", "source", "borrowed_from")


def read_prompts(path: str | Path) -> "pd.DataFrame":
    """Read a prompt table and check every row.

    Raises:
        InputError: columns are missing, a slice occurs twice, a text breaks the grammar or disagrees
            with the row's own attributes; the message names file and row.
    """
    table = read_csv(path, COLUMNS)
    repeated = table["slice_id"][table["slice_id"].duplicated()]
    if len(repeated):
        raise InputError(
            f"{path} row {repeated.index[0] + 2}: slice {repeated.iloc[0]} occurs twice; keep one"
        )
    for index, row in enumerate(records(table)):
        try:
            words = Prompt(*(_word(row[slot]) for slot in VOCABULARY))
            said = parse(str(row["text"]))
        except PromptError as error:
            raise InputError(f"{path} row {index + 2}: {error}") from error
        if said != words:
            raise InputError(
                f"{path} row {index + 2}: text {said.text!r} contradicts its columns {words.text!r}"
            )
    return table


def _word(cell: object) -> str:
    """The word of a cell; an empty one is read as NaN."""
    return cell if isinstance(cell, str) else ""


def texts_of(path: str | Path, slice_ids: Iterable[str]) -> list[str]:
    """The prompt of each slice, in the slices' order, from a prompt table.

    Raises:
        InputError: the table is damaged (`read_prompts`), or a slice has no row in it.
    """
    known = {str(row["slice_id"]): str(row["text"]) for row in records(read_prompts(path))}
    wanted = [str(slice_id) for slice_id in slice_ids]
    missing = [slice_id for slice_id in wanted if slice_id not in known]
    if missing:
        raise InputError(f"{path}: slice {missing[0]} has no prompt; run the stage prompts again")
    return [known[slice_id] for slice_id in wanted]
