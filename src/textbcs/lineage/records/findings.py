"""What the audit says: a fault of a class at a stage, or a remark that is no fault."""

from collections.abc import Iterable
from dataclasses import dataclass

# Class -> what it means; the order decides between several at one stage.
CLASSES = {
    "TAMPERED": "a file is not what its receipt, or DVC's name for it, says",
    "MISSING": "a file that a receipt or dvc.lock names does not exist",
    "ORPHAN": "a file that no stage has written",
    "STALE": "a stage ran on other inputs, parameters or code than there are now",
    "FORGED-LOCK": "dvc.lock says what no receipt says",
    "UNKNOWN-CODE": "a stage ran code that is in no commit",
    "MIXED-DEVICE": "rows of one table were computed on different classes of device",
    "SEED-REUSE": "two replicates of one configuration share a seed or their weights",
    "TEST-PEEK": "something that learns or selects has read the test split",
    "LEAK": "a patient, study, series, frame of reference, image or prompt is in two splits",
    "DENOMINATOR": "methods that are compared were scored on different slices",
    "COUNTS": "the flow of patients and slices does not add up",
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
    """Something to know that is no fault."""

    text: str


def short(digest: str) -> str:
    """A hash as people read it."""
    return digest[:12] or "nothing"


def some(names: Iterable[object], limit: int = 3) -> str:
    """The first few names and how many more there are."""
    texts = [str(name) for name in names]
    more = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {more} more" if more > 0 else "")
