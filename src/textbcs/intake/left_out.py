"""The ledger of intake, summed up: how many files of which kind were not used, and why."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("file", "kind", "series_uid", "used", "reason")
USED, UNUSED = "yes", "no"
# Reasons that name a file or a patient behind these words, and what is left of them.
_OPENINGS = {
    "the patient is excluded": "the patient is excluded",
    "a copy of": "a copy of another file",
    "has the SOPInstanceUID of": "has the SOPInstanceUID of another file",
    "names of patients that differ": "names of patients that differ in case only",
}


def summary(table: "pd.DataFrame") -> list[tuple[str, str, int]]:
    """What was not used: kind, reason and number of files, the most frequent first.

    Args:
        table: columns `kind`, `used` and `reason`. Details of a reason in brackets, or after the words
            that a patient is excluded, are left out: they would name files and patients.
    """
    unused = table[table["used"] == UNUSED]
    pairs = zip(unused["kind"], unused["reason"], strict=True)
    counts = Counter((str(kind), general(str(reason))) for kind, reason in pairs)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(kind, reason, count) for (kind, reason), count in ordered]


def general(reason: str) -> str:
    """A reason without what concerns one file or patient alone."""
    said = next((said for words, said in _OPENINGS.items() if reason.startswith(words)), reason)
    return said.partition(" (")[0]
