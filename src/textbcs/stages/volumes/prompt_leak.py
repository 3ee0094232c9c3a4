"""Stage `prompt_leak`: how much the prompts of each source tell of the mask before any image is seen.

Reads `data/slices`, `data/prompts` and `data/volumes/prompts.csv`; runs no network. Writes
`results/prompt_leak/leak.csv`, a row for each source and attribute (or all): Dice of the prompt-only prior
on the test slices with its interval, and the mutual information with facts of the mask on those of
validation and test; and `facts.csv`, the same information fact by fact (`evaluation/leak`). All sources are
held against the same tumour slices, those of the slice tables, so that their rows can be compared:

- `slice`: a slice's own prompt; `table` or `report_slice` where people wrote it (`prompts.source`);
- `patient`: the prompt of the whole case, as it is true;
- `automatic`, `report`: the case's prompt as a first pass or a report gives it. Only validation and test
  patients have such, so the prior learns from the true prompts of train cases.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import InputError, read_csv, records, write_csv
from textbcs.dataset.prompt_grammar import Prompt, PromptError, parse
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import read_slices
from textbcs.dataset.split_table import SPLITS
from textbcs.evaluation.leak.leak_rows import FACT, LEAK, Asked, leak_rows
from textbcs.evaluation.leak.mask_facts import fit_limits, measure

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from textbcs.stage.receipt import Stage

FOLDER = "results/prompt_leak"
CASES = "data/prompts/patients.csv"
FOUND = "data/volumes/prompts.csv"
_OF_A_SLICE = {"derive": "slice", "table": "table", "report": "report_slice"}
_FOUND_SOURCES = ("automatic", "report")

Prompts = Sequence[Prompt | None]


def run(stage: "Stage") -> None:
    """Write the rows of every source that there is.

    Raises:
        InputError: an input is missing or damaged, a slice has no prompt, or train or test hold no
            tumour slice.
    """
    import pandas as pd

    bootstrap = stage.params["evaluation"]["bootstrap"]
    stage.seed = bootstrap["seed"]
    slices = {split: _slices(stage, split) for split in SPLITS}
    leak, facts = [], []
    for source, prompts in _sources(stage, slices).items():
        train, val, test = (_asked(slices[split], prompts[split]) for split in SPLITS)
        limits = fit_limits(train.measured)
        rows, by_fact = leak_rows(source, [(train, test)], [val, test], limits, bootstrap)
        leak += rows
        facts += by_fact
        _, _, found, *_ = rows[0]
        stage.log(f"{source}: Dice {found:.3f} without an image")
    write_csv(stage.output(f"{FOLDER}/leak.csv"), pd.DataFrame(leak, columns=list(LEAK)))
    write_csv(stage.output(f"{FOLDER}/facts.csv"), pd.DataFrame(facts, columns=list(FACT)))


def _slices(stage: "Stage", split: str) -> Asked:
    """The tumour slices of a split with their own prompts."""
    shard = read_slices(stage, split)
    texts = texts_of(stage.input(f"data/prompts/{split}.csv"), shard.table["slice_id"])
    smallest = stage.params["slices"]["minimum_component_mm2"]
    kept, measured, patients, prompts = [], [], [], []
    for place, row in enumerate(records(shard.table)):
        if row["kind"] == "tumour":
            spacing = (row["spacing_row_mm"], row["spacing_col_mm"])
            measured.append(measure(shard.masks[place], spacing, row["midline_col"], smallest))
            patients.append(str(row["patient"]))
            prompts.append(parse(texts[place]))
            kept.append(place)
    if not kept and split != "val":
        raise InputError(
            f"data/slices/{split}: holds no tumour slice; enlarge the cohort or change the split"
        )
    return Asked(shard.masks[np.asarray(kept, dtype=np.int64)], measured, patients, prompts)


def _asked(slices: Asked, prompts: Prompts) -> Asked:
    return Asked(slices.masks, slices.measured, slices.patients, prompts)


def _sources(stage: "Stage", slices: Mapping[str, Asked]) -> dict[str, dict[str, Prompts]]:
    """The prompts of each source by split, one a slice."""
    own = _OF_A_SLICE[stage.params["prompts"]["source"]]
    path = stage.input(CASES)
    true = _prompts(path, read_csv(path, ["split", "patient", "text"]), slices)
    sources: dict[str, dict[str, Prompts]] = {
        own: {split: one.prompts for split, one in slices.items()},
        "patient": true,
    }
    path = stage.input(FOUND)
    table = read_csv(path, ["split", "patient", "source", "text"])
    for source in _FOUND_SOURCES:
        rows = table[table["source"] == source]
        if len(rows):
            held = {split: one for split, one in slices.items() if split != SPLITS[0]}
            sources[source] = {SPLITS[0]: true[SPLITS[0]], **_prompts(path, rows, held)}
    return sources


def _prompts(
    path: "Path", table: "pd.DataFrame", slices: Mapping[str, Asked]
) -> dict[str, Prompts]:
    """The prompt of each slice's patient, from a table with a row a patient.

    Without a row is whoever's lesions are all too small to describe her case: there is nothing to say.

    Raises:
        InputError: a text breaks the grammar.
    """
    known: dict[str, Prompt | None] = {}
    for index, row in zip(table.index, records(table), strict=True):
        text = row["text"] if isinstance(row["text"], str) else ""  # NaN: nothing was found
        try:
            known[str(row["patient"])] = parse(text) if text else None
        except PromptError as error:
            raise InputError(f"{path} row {index + 2}: {error}") from error
    return {split: [known.get(name) for name in one.patients] for split, one in slices.items()}
