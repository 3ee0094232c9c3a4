"""`textbcs audit diff REV1 [REV2]`: which cells of the tables changed, and what changed first above each.

Reads the tables and dvc.lock of both revisions from git (or from the working folder), and receipts of
either side as far as they lie there or in DVC's cache; writes nothing. dvc.lock alone tells inputs, code
and parameters; receipts add device, seed and environment.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.io import InputError
from textbcs.lineage import cells
from textbcs.lineage.findings import some
from textbcs.lineage.graph import Item, Locked, Receipt, difference, parse_lock, parse_receipt
from textbcs.lineage.history import git, lock_at, show
from textbcs.lineage.tree import cached
from textbcs.params import read_yaml

if TYPE_CHECKING:
    import pandas as pd

HERE = "(working folder)"
_ABSENT = "(absent)"


@dataclass
class Side:
    """One revision: its tables (cells as text), its lock, and those receipts that are to be had."""

    name: str
    tables: Mapping[str, "pd.DataFrame"]
    lock: Mapping[str, Locked]
    receipts: Mapping[str, Receipt]
    makers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {out: address for address, one in self.lock.items() for out in one.outs}

    def inputs(self, address: str) -> dict[str, str]:
        """Path -> md5 of the data that a stage read; a folder over others' outs counts as those."""
        found: dict[str, str] = {}
        for dep, md5 in self.lock[address].deps.items() if address in self.lock else ():
            if dep.startswith("src/"):
                continue
            below = {} if dep in self.makers else self._below(dep)
            found |= below or {dep: md5}
        return found

    def _below(self, folder: str) -> dict[str, str]:
        return {
            out: self.lock[address].outs[out]
            for out, address in self.makers.items()
            if out.startswith(folder.rstrip("/") + "/")
        }

    def maker(self, path: str) -> str | None:
        """The stage that makes a path or a folder above it."""
        for name in (path, *(parent.as_posix() for parent in Path(path).parents)):
            if name in self.makers:
                return self.makers[name]
        return None

    def outs(self, address: str) -> dict[str, str]:
        """Path -> md5 of what a stage wrote, without its receipt."""
        outs = self.lock[address].outs if address in self.lock else {}
        return {path: md5 for path, md5 in outs.items() if not path.startswith("results/receipts/")}


@dataclass(frozen=True)
class Cause:
    """A stage that differs by itself, not only by what it read."""

    stage: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """A cell that differs: its values on both sides (`(absent)` where there is none) and why."""

    table: str
    row: str
    column: str
    old: str
    new: str
    causes: tuple[Cause, ...]


def diff(old: str, new: str | None = None) -> tuple[list[Change], list[str]]:
    """Compare two revisions.

    Args:
        old: a git revision, or the name of a DVC experiment.
        new: another; None for the working folder.

    Returns:
        The changed cells with their causes, the first upstream first; and remarks.

    Raises:
        InputError: there is no such revision, or it has no dvc.lock.
    """
    first = at_revision(old)
    second = here() if new is None else at_revision(new)
    changes = []
    known: dict[str, tuple[Cause, ...]] = {}
    for table in sorted(first.tables.keys() | second.tables.keys()):
        for row, column, values in _cells(first.tables.get(table), second.tables.get(table)):
            address = second.maker(table) or first.maker(table)
            causes: tuple[Cause, ...] = ()
            if address:
                items = _sources(first, second, address, table, values, column)
                causes = _causes(first, second, address, items, known)
            changes.append(Change(table, row, column, values[0][1], values[1][1], causes))
    return changes, list(_remarks(first, second))


def at_revision(name: str) -> Side:
    """A revision as git has it.

    Raises:
        InputError: git does not know it, or it has no dvc.lock.
    """
    commit = _resolve(name)
    listing = (git("ls-tree", "--name-only", commit, f"{cells.TABLES}/") or b"").decode()
    tables = {}
    for path in listing.split():
        if path.endswith(".csv"):
            tables[path] = _text_table((show(commit, path) or b"").decode())
    lock = lock_at(commit)
    if lock is None:
        raise InputError(
            f"{name}: has no dvc.lock, so nothing was run there; name another revision"
        )
    receipts = {}
    for address, one in lock.items():
        for out, md5 in one.outs.items():
            if out.startswith("results/receipts/"):
                receipt = _cached_receipt(md5)
                if receipt:
                    receipts[address] = receipt
    return Side(name, tables, lock, receipts)


def _resolve(name: str) -> str:
    """The commit behind a revision or an experiment's name."""
    found = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found is None:
        refs = (git("for-each-ref", "--format=%(refname)", "refs/exps") or b"").decode().split()
        matching = [ref for ref in refs if ref.rsplit("/", 1)[-1] == name]
        found = git("rev-parse", f"{matching[0]}^{{commit}}") if len(matching) == 1 else None
    if found is None:
        raise InputError(f"{name}: neither a git revision nor one DVC experiment")
    return found.decode().strip()


def _cached_receipt(md5: str) -> Receipt | None:
    path = cached(md5)
    if not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        return None  # a damaged object: audit verify names it
    try:
        return parse_receipt(content)
    except InputError:
        return None


def here() -> Side:
    """The working folder.

    Raises:
        InputError: it has no dvc.lock.
    """
    tables = {
        path.as_posix(): _text_table(path.read_text())
        for path in sorted(Path(cells.TABLES).glob("*.csv"))
    }
    receipts = {}
    for path in Path("results/receipts").glob("*.json"):
        try:
            receipts[path.stem] = parse_receipt(path.read_bytes())
        except InputError:
            continue  # audit verify names it
    return Side(HERE, tables, parse_lock(read_yaml("dvc.lock")), receipts)


def _text_table(text: str) -> "pd.DataFrame":
    import pandas as pd

    if not text.strip():
        return pd.DataFrame()
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


_Values = tuple[tuple[dict[str, str], str], tuple[dict[str, str], str]]


def _cells(
    old: "pd.DataFrame | None", new: "pd.DataFrame | None"
) -> Iterator[tuple[str, str, _Values]]:
    """Row, column, and on each side the whole row and the cell, of every cell that differs."""
    first, second = _by_key(old), _by_key(new)
    for key in dict.fromkeys([*first, *second]):
        one, two = first.get(key, {}), second.get(key, {})
        for column in dict.fromkeys([*one, *two]):
            before, after = one.get(column, _ABSENT), two.get(column, _ABSENT)
            if before != after:
                yield key, column, ((one, before), (two, after))


def _by_key(table: "pd.DataFrame | None") -> dict[str, dict[str, str]]:
    """Rows by the shortest run of first columns that tells them apart."""
    if table is None or not len(table):
        return {}
    width = 1
    while width < table.shape[1] and table.iloc[:, :width].duplicated().any():
        width += 1
    return {
        " ".join(str(value) for value in row.iloc[:width]): {str(k): str(v) for k, v in row.items()}
        for _, row in table.iterrows()
    }


def _sources(
    first: Side, second: Side, address: str, table: str, values: _Values, column: str
) -> set[str]:
    """The inputs of the table's stage on which the cell rests, on either side."""
    found: set[str] = set()
    for side, (row, _) in ((first, values[0]), (second, values[1])):
        if row:
            items = tuple(Item(path, md5, 0) for path, md5 in side.inputs(address).items())
            receipt = Receipt(address, (), {}, None, "", {}, {}, items, ())
            found |= {item.path for item in cells.sources(receipt, table, row, column)}
    return found


def _causes(
    first: Side,
    second: Side,
    address: str,
    paths: set[str] | None,
    known: dict[str, tuple[Cause, ...]],
) -> tuple[Cause, ...]:
    """Stages that differ by themselves, from the most upstream on, along inputs that differ.

    Args:
        first: one side.
        second: the other.
        address: the stage to begin with.
        paths: those of its inputs that count; None for all.
        known: causes of stages that were asked for before; filled here.
    """
    if paths is None and address in known:
        return known[address]
    before, after = first.inputs(address), second.inputs(address)
    found: dict[Cause, None] = {}
    moved = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    for path in sorted(path for path in moved if paths is None or path in paths):
        maker = second.maker(path) or first.maker(path)
        if maker is None:
            reason = f"input from outside {path} is another"
            found[Cause(address, (reason,))] = None
        elif maker != address:
            found |= dict.fromkeys(_causes(first, second, maker, None, known))
    own = tuple(_own_reasons(first, second, address))
    if own:
        found[Cause(address, own)] = None
    if not found and first.outs(address) != second.outs(address):
        reason = "the same inputs, code and parameters gave another output"
        found[Cause(address, (reason,))] = None
    causes = tuple(found)
    if paths is None:
        known[address] = causes
    return causes


def _own_reasons(first: Side, second: Side, address: str) -> Iterator[str]:
    """How a stage differs by itself; nothing where its outputs are equal."""
    if address not in first.lock or address not in second.lock:
        present = second.name if address in second.lock else first.name
        yield f"the stage is in {present} only"
        return
    if first.outs(address) == second.outs(address):
        return
    one, two = first.lock[address], second.lock[address]
    changed = difference(one.params, two.params)
    if changed:
        yield f"parameters {some(changed)}"
    code = [
        path
        for path in sorted(one.deps.keys() | two.deps.keys())
        if path.startswith("src/") and one.deps.get(path) != two.deps.get(path)
    ]
    if code:
        yield f"code {some(code)}"
    old, new = first.receipts.get(address), second.receipts.get(address)
    if old and new:
        if old.device != new.device:
            yield f"device {old.device} -> {new.device}"
        if not changed and old.seed != new.seed:
            yield f"seed {old.seed} -> {new.seed}"
        if not changed and not code and old.environment != new.environment:
            yield "another environment (requirements.lock)"


def _remarks(first: Side, second: Side) -> Iterator[str]:
    for side in (first, second):
        without = [address for address in side.lock if address not in side.receipts]
        if without:
            yield (
                f"{side.name}: {len(without)} of {len(side.lock)} receipts are not in DVC's cache "
                "(dvc fetch --all-commits); dvc.lock tells the rest, but neither device nor seed"
            )


def as_text(changes: list[Change], remarks: list[str], limit: int = 12) -> list[str]:
    """The comparison for people: cells under their causes."""
    groups: dict[tuple[Cause, ...], list[Change]] = {}
    for change in changes:
        groups.setdefault(change.causes, []).append(change)
    lines = []
    for causes, group in groups.items():
        if causes:
            lines.append(f"{causes[0].stage}: {'; '.join(causes[0].reasons)}")
            lines += [f"  also {one.stage}: {'; '.join(one.reasons)}" for one in causes[1:]]
        else:
            lines.append("no cause above: the table was changed by hand")
        lines += [
            f"    {one.table}  {one.row}, {one.column}: {one.old or '-'} -> {one.new or '-'}"
            for one in group[:limit]
        ]
        if len(group) > limit:
            lines.append(f"    and {len(group) - limit} more cells (--json has all)")
    lines += [f"note: {text}" for text in remarks]
    return [*lines, f"{len(changes)} cells differ" if changes else "no cell differs"]


def as_json(changes: list[Change], remarks: list[str]) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "changes": [
            {
                "table": one.table,
                "row": one.row,
                "column": one.column,
                "old": one.old,
                "new": one.new,
                "causes": [
                    {"stage": cause.stage, "reasons": list(cause.reasons)} for cause in one.causes
                ],
            }
            for one in changes
        ],
        "remarks": remarks,
    }
