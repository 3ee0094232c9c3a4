"""What a stage has written when it was run again, against its receipt: outputs, and the receipt itself."""

from dataclasses import dataclass
from pathlib import Path

from textbcs.base.io import InputError, sha256_file
from textbcs.lineage.records.bounded import read_record, read_regular
from textbcs.lineage.records.findings import visible
from textbcs.lineage.records.graph import Item, Receipt, difference, parse_receipt
from textbcs.lineage.records.tree import Tree
from textbcs.lineage.replay.difference import first_difference


@dataclass(frozen=True)
class Replay:
    """What came of running a stage again.

    Attributes:
        address: the stage.
        outcome: `equal`, `different` or `not replayable`.
        detail: where the first difference is, or why it was not run; the empty string where all is equal.
        path: the output that differs first.
        outputs: how many were compared.
    """

    address: str
    outcome: str
    detail: str = ""
    path: str = ""
    outputs: int = 0


def compared(root: Path, tree: Tree, receipt: Receipt) -> Replay:
    """What differs first between a receipt and what its stage has written again.

    Args:
        root: the folder in which the stage has run.
        tree: the hashed tree.
        receipt: of the stage.
    """

    def different(path: str, detail: str) -> Replay:
        return Replay(receipt.address, "different", detail, path)

    for item in receipt.outputs:
        after = root / item.path
        if not after.is_file():
            return different(item.path, "was not written when it was run again")
        if sha256_file(after) != item.sha256:
            same = tree.sha256(item.path) == item.sha256
            detail = first_difference(Path(item.path), after) if same else "other bytes"
            return different(item.path, detail)
    others = _unnamed(root, tree, receipt)
    if others:
        return different(others[0], "its receipt does not name it")
    detail = _otherwise(root, receipt)
    if detail:
        return different(receipt.path, detail)
    return Replay(receipt.address, "equal", outputs=len(receipt.outputs))


def _unnamed(root: Path, tree: Tree, receipt: Receipt) -> list[str]:
    """Files that the stage has written where its outputs lie, and that its receipt does not name."""
    named = {item.path for item in receipt.outputs} | {receipt.path}
    found: list[str] = []
    for out in tree.graph.definitions[receipt.address].outputs:
        place = root / out
        files = place.rglob("*") if place.is_dir() else [place]
        found += [path.relative_to(root).as_posix() for path in files if path.is_file()]
    read = {item.path for item in receipt.inputs}
    return sorted(set(found) - named - read)


def _otherwise(root: Path, receipt: Receipt) -> str:
    """What a receipt says otherwise than the one that was written now; the empty string for nothing.

    Of the modules that surround a stage other versions may have been loaded: they change no byte of a result.
    """
    try:
        again = parse_receipt(read_regular(root / receipt.path))
    except InputError as error:
        return f"was not written when it was run again ({visible(str(error))})"
    unlike = sorted(again.loaded.keys() & receipt.code.keys())
    if unlike:
        return f"{visible(unlike[0])} was loaded otherwise than it lies there"
    if again.version != receipt.version:
        return ""  # what an older form says is judged where forms are
    return _inputs(receipt, again) or _values(receipt, again) or _kernels(root, receipt)


def _inputs(receipt: Receipt, again: Receipt) -> str:
    def by_path(items: tuple[Item, ...]) -> dict[str, Item]:
        return {item.path: item for item in items}

    said, read = by_path(receipt.inputs), by_path(again.inputs)
    for path in sorted(said.keys() | read.keys()):
        if path not in read:
            return f"names {visible(path)}, which is not read when it is run again"
        if path not in said:
            return f"does not name {visible(path)}, which is read when it is run again"
        if said[path] != read[path]:
            return f"says otherwise of its input {visible(path)}"
    return ""


def _values(receipt: Receipt, again: Receipt) -> str:
    for name in ("argv", "seed", "seeds", "device"):
        if getattr(receipt, name) != getattr(again, name):
            return f"says otherwise of {name}: {visible(str(getattr(receipt, name)))}"
    other = difference(receipt.params, again.params)
    return f"says otherwise of a parameter: {visible(other[0])}" if other else ""


def _kernels(root: Path, receipt: Receipt) -> str:
    said, bound = (read_record(place / receipt.path).get("kernels") for place in (Path(), root))
    return "" if said == bound else f"says otherwise of kernels: {visible(str(said))}"
