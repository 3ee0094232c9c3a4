"""What the tracked runs are made from: receipts, run information, and the outputs that are shown.

A source's key is a hash of all of these, so a run is written once, and again when any of them differs.
An output that is missing, or is not what its receipt says, is left out: the view shows nothing that no
receipt vouches for. The stage `score` writes the rows of all runs; each is shown beside the maps that it was
made from, so that people can sort runs by their scores.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from textbcs.base.io import InputError, canonical_json, sha256_bytes, sha256_file
from textbcs.lineage.records.bounded import read_record, read_regular
from textbcs.lineage.records.graph import RECEIPTS, Item, Receipt, parse_receipt
from textbcs.lineage.records.run_rows import rows_of
from textbcs.stage.ignored_files import is_ignored
from textbcs.stage.run_information import FOLDER as RUNINFO

FORM = 2  # raise it when a run of the same source looks different: every run is then written again
LARGEST = 4_000_000  # bytes; a larger picture or table is not shown
COHORT = "cohort.kind"
PREDICTIONS = "results/predictions/"


@dataclass(frozen=True)
class Source:
    """One receipt with what belongs to it.

    Attributes:
        receipt: the stage's receipt.
        sha256: of the receipt's bytes.
        runinfo: the stage's run information; empty where there is none of this receipt.
        cohort: the kind of cohort that it rests on; None where it rests on none.
        files: outputs that the view reads, each as its receipt says, and the rows made from its maps.
        left_out: outputs that it would read but that are missing or changed.
    """

    receipt: Receipt
    sha256: str
    runinfo: Mapping[str, Any]
    cohort: str | None
    files: tuple[Item, ...]
    left_out: tuple[str, ...]

    @property
    def key(self) -> str:
        """sha256 over everything that the run is made from."""
        files = [[item.path, item.sha256] for item in self.files]
        whole = [FORM, self.sha256, dict(self.runinfo), self.cohort, files, list(self.left_out)]
        return sha256_bytes(canonical_json(whole).encode())


def find_sources() -> tuple[list[Source], list[str]]:
    """Every readable receipt of the working folder as a source, and the faults of the others."""
    found, faults = {}, []
    for path in sorted(RECEIPTS.glob("*.json")):
        if is_ignored(path):
            continue
        try:
            content = read_regular(path)
            receipt = parse_receipt(content)
        except InputError as error:
            faults.append(f"{path}: {error}")
            continue
        found[receipt.address] = (receipt, sha256_bytes(content))
    receipts = {address: receipt for address, (receipt, _) in found.items()}
    sources = []
    rows = _rows_by_maker(receipts)
    for receipt, sha256 in found.values():
        wanted = [item for item in receipt.outputs if is_shown(item)] + rows.get(
            receipt.address, []
        )
        files = tuple(item for item in wanted if _is_as_recorded(item))
        left_out = tuple(item.path for item in wanted if item not in files)
        cohort = cohort_of(receipt, receipts)
        sources.append(Source(receipt, sha256, _runinfo(receipt, sha256), cohort, files, left_out))
    return sources, faults


def is_shown(item: Item) -> bool:
    """Whether the view reads an output: curves, counts, and the reports' pictures and tables."""
    path = PurePosixPath(item.path)
    if item.bytes > LARGEST:
        return False
    if path.parts[0] == "reports":
        return path.suffix in (".png", ".md")
    if path.parts[0] == "results":
        return path.suffix == ".json" or path.name in ("history.csv", "grid.csv")
    return False


def _rows_by_maker(receipts: Mapping[str, Receipt]) -> dict[str, list[Item]]:
    """By the address of the stage that made a run's maps: the rows that were made from these very maps."""
    found: dict[str, list[Item]] = {}
    for receipt in receipts.values():
        for item in receipt.outputs:
            if rows_of(item.path) and item.path.endswith("/slices.csv") and item.bytes <= LARGEST:
                for maker in _makers(receipt.only([item.path]), receipts):
                    maps = any(out.path.startswith(PREDICTIONS) for out in maker.outputs)
                    if maps and item not in found.setdefault(maker.address, []):
                        found[maker.address].append(item)
    return found


def cohort_of(receipt: Receipt, receipts: Mapping[str, Receipt]) -> str | None:
    """The one kind of cohort that a stage rests on, through inputs that are still their makers' outputs.

    None where it rests on none, on several, or where the chain of hashes is broken.
    """
    kinds: set[str] = set()
    seen = {receipt.address}
    queue = [receipt]
    while queue:
        here = queue.pop()
        if COHORT in here.params:
            kinds.add(str(here.params[COHORT]))
            continue  # what lies above has the same
        for above in _makers(here, receipts):
            if above.address not in seen:
                seen.add(above.address)
                queue.append(above)
    return kinds.pop() if len(kinds) == 1 else None


def _makers(receipt: Receipt, receipts: Mapping[str, Receipt]) -> Iterator[Receipt]:
    for item in receipt.inputs:
        maker = receipts.get(item.stage or "")
        made = maker.output(item.path) if maker else None
        if maker and made and made.sha256 == item.sha256:
            yield maker


def _is_as_recorded(item: Item) -> bool:
    path = Path(item.path)
    try:
        # A pipe has a size, too, and would make the reader wait.
        is_whole = path.is_file() and path.stat().st_size == item.bytes
        return is_whole and sha256_file(path) == item.sha256
    except OSError:
        return False


def _runinfo(receipt: Receipt, sha256: str) -> Mapping[str, Any]:
    """The run information that belongs to this very receipt."""
    try:
        facts = read_record(RUNINFO / f"{receipt.address}.json")
    except InputError:
        return {}
    return facts if isinstance(facts, dict) and facts.get("receipt") == sha256 else {}
