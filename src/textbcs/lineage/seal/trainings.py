"""LEDGER: the list of all trainings of this checkout, its chain, and the trainings that are in use."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textbcs.base.io import InputError, sha256_bytes
from textbcs.lineage.records.bounded import parse_json, read_record, read_regular
from textbcs.lineage.records.findings import Finding, Remark, short
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.records.tree import RUNINFO, Tree
from textbcs.stage.trainings import FIRST, LIST, TRAINS

_SINCE = 3  # the version of receipts with which the list began
_MOST = 1 << 28  # bytes
_PUT_BACK = "put the list back from a copy of this checkout"


@dataclass(frozen=True)
class Trainings:
    """The list.

    Attributes:
        entries: what stands in its lines; those that can be read.
        heads: the hash of each line, in their order.
        fault: where the chain breaks, in words; the empty string where it does not.
    """

    entries: tuple[Mapping[str, Any], ...]
    heads: tuple[str, ...]
    fault: str = ""

    @property
    def ended(self) -> Counter[str]:
        """How often each stage was trained to its end."""
        return Counter(str(one["stage"]) for one in self.entries if one["event"] == "ended")

    def text(self) -> str:
        """A line for people: all trainings, and how many of each method."""
        begun = sum(one["event"] == "started" for one in self.entries)
        methods: Counter[str] = Counter()
        for address, count in self.ended.items():
            methods[_method(address)] += count
        each = ", ".join(f"{name} {count}" for name, count in sorted(methods.items()))
        head = self.heads[-1] if self.heads else FIRST
        return f"trainings here: {begun} begun, {sum(methods.values())} ended ({each or 'none'}); head {head}"


def _method(address: str) -> str:
    """`train unet` of `train@unet-1`: a stage and its method, without the seed."""
    name, _, items = address.partition("@")
    return f"{name} {items.rpartition('-')[0] or items}".strip()


def read_trainings() -> Trainings | None:
    """The list of this checkout, or None where there is none.

    Raises:
        InputError: it is no file.
    """
    if not LIST.exists() and not LIST.is_symlink():
        return None
    entries: list[Mapping[str, Any]] = []
    heads: list[str] = []
    fault = ""
    for number, line in enumerate(read_regular(LIST, _MOST).splitlines(keepends=True), start=1):
        previous = heads[-1] if heads else FIRST
        heads.append(sha256_bytes(line))
        reason = _fault(line, number, previous)
        fault = fault or (f"line {number}: {reason}" if reason else "")
        if not reason:
            entries.append(parse_json(line))
    return Trainings(tuple(entries), tuple(heads), fault)


def _fault(line: bytes, number: int, previous: str) -> str:
    """Why a line is none of the list, and what to do."""
    try:
        facts = parse_json(line)
    except InputError as error:
        if line.endswith(b"\n"):
            return f"{error}; {_PUT_BACK}"
        return "was cut off while it was written; delete it, and run its training again if no line names it"
    if not line.endswith(b"\n"):
        return "has no line break at its end; add it"
    if not isinstance(facts, dict) or not {"stage", "event", "receipt"} <= facts.keys():
        return f"is no entry of a training; {_PUT_BACK}"
    if facts.get("number") != number or facts.get("previous") != previous:
        return (
            "does not follow from the line before it: something was taken out, put in or changed; "
            + _PUT_BACK
        )
    return ""


def check_trainings(tree: Tree, head: str = "") -> Iterator[Finding | Remark]:
    """The chain, the trainings that are in use, and whether a printed head is in it.

    Args:
        tree: the hashed tree.
        head: the hash of a line that was printed once; the empty string asks for none.
    """
    trained = [one for one in tree.graph.active() if TRAINS.fullmatch(one.stage)]
    try:
        found = read_trainings()
    except InputError as error:
        yield Finding("LEDGER", "", str(LIST), str(error))
        return
    ran = [one for one in trained if one.version >= _SINCE and _ran_here(tree, one)]
    if found is None:
        if head:
            yield Finding("LEDGER", "", str(LIST), f"there is none, so {short(head)} is not in it")
        elif ran:
            yield Finding(
                "LEDGER", "", str(LIST), f"there is none, and {len(ran)} trainings ran here"
            )
        elif trained:
            text = f"how often each method was trained is not known: no {LIST} here"
            yield Remark(text, left_out="how often each method was trained")
        return
    if found.fault:
        yield Finding("LEDGER", "", str(LIST), found.fault)
    if head and head not in found.heads:
        yield Finding("LEDGER", "", str(LIST), f"no line of it has the hash {head}")
    receipts = {one["receipt"] for one in found.entries}
    for receipt in ran:
        if tree.sha256(receipt.path) not in receipts:
            detail = f"{LIST} does not name this training, which ran here"
            yield Finding("LEDGER", receipt.address, receipt.path, detail)
    yield Remark(found.text())


def _ran_here(tree: Tree, receipt: Receipt) -> bool:
    """Whether the run information that lies here is of this very receipt."""
    try:
        facts = read_record(RUNINFO / f"{receipt.address}.json")
    except InputError:
        return False
    return isinstance(facts, dict) and facts.get("receipt") == tree.sha256(receipt.path)
