"""What the slices of a volume are asked with, by the source of the prompt.

`patient`: the case's own prompt on every slice; `automatic`: what the first pass found; `empty`;
`wrong_side`: the case's prompt with the other side; `slice`: each tumour slice is asked with its own prompt
and every other slice is not asked at all, so this row leaks which slices hold a tumour. A network that
reads no text has the source `none`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from textbcs.base.io import InputError, read_csv, records
from textbcs.dataset.prompt_table import read_prompts
from textbcs.dataset.slice_store import slice_name
from textbcs.dataset.volume_store import PROMPT_COLUMNS, PROMPTS

NONE, PATIENT, SLICE, AUTOMATIC = "none", "patient", "slice", "automatic"
EMPTY, WRONG_SIDE, REPORT = "empty", "wrong_side", "report"
# The other sources measure what a prompt is worth, which is asked on test alone.
ASKED = {"val": (PATIENT, AUTOMATIC), "test": (PATIENT, SLICE, AUTOMATIC, EMPTY, WRONG_SIDE)}
# Uncertainty is kept for what a network would be asked with in use.
WITH_VACUITY = {"val": (), "test": (PATIENT, AUTOMATIC)}
Texts = Sequence[str | None]


def read_case_prompts(path: Path = PROMPTS) -> dict[tuple[str, str], dict[str, str]]:
    """The prompts of each case, (split, patient) -> source -> text; "" is the empty prompt.

    Raises:
        InputError: the table is missing or damaged.
    """
    table = read_csv(path, PROMPT_COLUMNS, dict.fromkeys(PROMPT_COLUMNS, str))
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in records(table.fillna({"text": ""})):
        found.setdefault((row["split"], row["patient"]), {})[row["source"]] = row["text"]
    return found


def read_slice_prompts(path: Path) -> dict[str, str]:
    """The prompt of each tumour slice, slice_id -> text: borrowed ones are left out.

    Raises:
        InputError: the table is missing or damaged.
    """
    table = read_prompts(path)
    own = table[table["borrowed_from"].isna()]
    return dict(zip(own["slice_id"], own["text"], strict=True))


def asked_texts(
    split: str,
    patient: str,
    slices: int,
    cases: Mapping[tuple[str, str], Mapping[str, str]],
    by_slice: Mapping[str, str],
) -> dict[str, Texts]:
    """Each source's text of every slice of a patient; None where a slice is not asked.

    Args:
        split: `val` or `test`.
        patient: whose volume.
        slices: how many it has.
        cases: as `read_case_prompts` gives them; without a wrong side where nothing has one.
        by_slice: as `read_slice_prompts` gives them.

    Raises:
        InputError: the patient has no prompt of her own or no automatic one.
    """
    own = {EMPTY: "", **cases.get((split, patient), {})}
    for source in (PATIENT, AUTOMATIC):
        if source not in own:
            raise InputError(
                f"{PROMPTS}: patient {patient} of {split} has no prompt of source {source}; run the "
                "stage volume_prompts again"
            )
    texts: dict[str, Texts] = {}
    for source in ASKED[split]:
        if source == SLICE:
            texts[source] = [by_slice.get(slice_name(patient, z)) for z in range(slices)]
        elif source in own:
            texts[source] = [own[source]] * slices
    return texts
