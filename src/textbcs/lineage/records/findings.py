"""What the audit says: a fault of a class at a stage, or a remark that is no fault."""

from collections.abc import Iterable
from dataclasses import dataclass

from textbcs.stage.command import one_line

# Class -> what it means; the order decides between several at one stage.
CLASSES = {
    "TAMPERED": "a file is not what its receipt, or DVC's name for it, says",
    "MISSING": "a file that a receipt or dvc.lock names does not exist",
    "ORPHAN": "a file that no stage has written",
    "UNREADABLE": "a file that the audit has to read is not what such a file is",
    "OLD-FORM": "a receipt of another version of the form, which says less or otherwise",
    "CONTRADICTION": "a receipt says of its stage what dvc.yaml, or what else is recorded, does not",
    "STALE": "a stage ran on other inputs, parameters or code than there are now",
    "FORGED-LOCK": "dvc.lock says what no receipt says",
    "UNKNOWN-CODE": "a stage ran code that is in no commit",
    "NO-HISTORY": "git cannot tell whether the code that ran is committed",
    "RUN-INFORMATION": "what is told of a run, its commit or its times, cannot be",
    "MIXED-DEVICE": "rows of one table were computed on different classes of device",
    "SEED-REUSE": "two replicates of one configuration share a seed or their weights",
    "TEST-PEEK": "something that learns or selects has read the test split",
    "LEAK": "a patient, study, series, frame of reference, image or prompt is in two splits",
    "DENOMINATOR": "methods that are compared were scored on different slices",
    "COUNTS": "the flow of patients and slices does not add up",
    "REPLAY": "a stage that was run again has written something else",
    "SEAL": "the receipts and outputs are not those of the seal",
    "LEDGER": "the list of trainings has a gap, or was changed",
    "UNJUDGED": "a check could not be made to its end",
}


@dataclass(frozen=True)
class Finding:
    """A fault.

    Attributes:
        kind: one of `CLASSES`.
        node: address of the stage where the fault lies; "" where no stage can be named.
        path: the file that shows it.
        detail: what is wrong, in a line.
        evidence: further files that the judgement rests on.
    """

    kind: str
    node: str
    path: str
    detail: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remark:
    """Something to know that is no fault.

    Attributes:
        text: a line.
        left_out: what was not judged, for the summary; the empty string for nothing.
        cells: of tables that were computed again.
    """

    text: str
    left_out: str = ""
    cells: int = 0


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 stage`, `2 stages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(digest: str) -> str:
    """A hash as people read it."""
    return digest[:12] or "nothing"


def visible(text: str) -> str:
    """A text as it may stand in a line: what would break it, or steer a terminal, is quoted."""
    return text if text.isprintable() else one_line(f"|{text}|")[1:-1]


def some(names: Iterable[object], limit: int = 3) -> str:
    """The first few names and how many more there are."""
    texts = [visible(str(name)) for name in names]
    more = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {more} more" if more > 0 else "")
