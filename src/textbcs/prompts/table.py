"""The prompt tables: one row per slice, per split.

Reads `data/slices/{train,val,test}`; writes `data/prompts/{train,val,test}.csv` and the size
thresholds that were fitted on train. `read_prompts` is how every later stage reads such a table.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.io import InputError, read_csv, records, write_csv, write_json
from textbcs.prompts.derive import Lesions, derive_prompt, measure_lesions, size_thresholds
from textbcs.prompts.grammar import VOCABULARY, Prompt, PromptError, parse
from textbcs.slices.splits import SPLITS
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

COLUMNS = ("slice_id", "patient", *VOCABULARY, "text", "source", "borrowed_from")


def make_prompts(stage: "Stage") -> None:
    """Derive every slice's prompt from its mask, with size classes fitted on train."""
    rules = stage.params["prompts"]
    smallest = stage.params["slices"]["minimum_component_mm2"]
    measured = {split: _measure(stage, split, smallest) for split in SPLITS}
    train = [lesions.area_mm2 for _, lesions in measured["train"] if lesions is not None]
    thresholds = size_thresholds(train)
    write_json(
        stage.output("data/prompts/thresholds.json"),
        {
            "fitted_on": "train",
            "slices": len(train),
            "small_up_to_mm2": thresholds[0],
            "medium_up_to_mm2": thresholds[1],
        },
    )
    for split, rows in measured.items():
        table = prompt_table(rows, thresholds, rules)
        write_csv(stage.output(f"data/prompts/{split}.csv"), table)
        stage.log(f"{split}: {len(table)} prompts, {table['text'].nunique()} distinct")


def _measure(
    stage: "Stage", split: str, minimum_component_mm2: float
) -> list[tuple[dict[str, Any], Lesions | None]]:
    """Each slice's row and the facts of its lesions (None on tumour-free slices)."""
    shard = read_slices(stage, split)
    rows = []
    for row, mask in zip(records(shard.table), shard.masks, strict=True):
        spacing = (row["spacing_row_mm"], row["spacing_col_mm"])
        rows.append((row, measure_lesions(mask, spacing, minimum_component_mm2)))
    return rows


def prompt_table(
    rows: list[tuple[dict[str, Any], Lesions | None]],
    thresholds: tuple[float, float],
    rules: Mapping[str, Any],
) -> "pd.DataFrame":
    """Prompts of one split's slices.

    A tumour slice gets the prompt of its own mask. A tumour-free slice has no attributes; it borrows
    the prompt of the same patient's nearest tumour slice, and `borrowed_from` names it.

    Args:
        rows: slice rows (`slice_id, patient, kind, side, z_index`) with their lesions.
        thresholds: tertiles of area in mm².
        rules: the parameters of `prompts`.

    Raises:
        InputError: a tumour slice has no countable lesion, or a tumour-free slice nothing to borrow.
    """
    import pandas as pd

    own: dict[str, Prompt] = {}
    for row, lesions in rows:
        if row["kind"] == "tumour":
            if lesions is None:
                raise InputError(
                    f"slice {row['slice_id']}: no lesion reaches slices.minimum_component_mm2; "
                    "run the stage slices again"
                )
            own[row["slice_id"]] = derive_prompt(lesions, row["side"], thresholds, rules)
    tumour = [row for row, _ in rows if row["kind"] == "tumour"]
    lines = []
    for row, _ in rows:
        lender = row if row["kind"] == "tumour" else _nearest(row, tumour)
        prompt = own[lender["slice_id"]]
        borrowed = "" if lender is row else lender["slice_id"]
        words = [getattr(prompt, slot) for slot in VOCABULARY]
        lines.append([row["slice_id"], row["patient"], *words, prompt.text, "mask", borrowed])
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _nearest(row: Mapping[str, Any], tumour: list[dict[str, Any]]) -> dict[str, Any]:
    """The same patient's tumour slice nearest in z; the lower one of two equally near."""
    same = [other for other in tumour if other["patient"] == row["patient"]]
    if not same:
        raise InputError(
            f"slice {row['slice_id']}: its patient has no tumour slice to borrow a prompt from"
        )
    return min(same, key=lambda other: (abs(other["z_index"] - row["z_index"]), other["z_index"]))


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
            words = Prompt(*(str(row[slot]) for slot in VOCABULARY))
            said = parse(str(row["text"]))
        except PromptError as error:
            raise InputError(f"{path} row {index + 2}: {error}") from error
        if said != words:
            raise InputError(
                f"{path} row {index + 2}: text {said.text!r} contradicts its columns {words.text!r}"
            )
    return table
