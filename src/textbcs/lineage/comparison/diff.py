"""`textbcs audit diff REV1 [REV2]`: which cells of the tables changed, and what changed first above each.

dvc.lock alone tells inputs, code and parameters. Receipts, as far as they lie here or in DVC's cache, add
device, seed and environment; the lists of folders there tell one run's rows from another's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.lineage.comparison.revisions import Side, at_revision, here, inputs_of_both
from textbcs.lineage.records.findings import some
from textbcs.lineage.records.graph import Item, Receipt, difference
from textbcs.lineage.records.run_rows import ROWS, rows_of, stands_behind
from textbcs.lineage.tracing import cells
from textbcs.stage.definition import covered

if TYPE_CHECKING:
    import pandas as pd

_ABSENT = "(absent)"


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
    known: Known = {}
    for table in sorted(first.tables.keys() | second.tables.keys()):
        for row, column, values in _cells(first.tables.get(table), second.tables.get(table)):
            address = second.maker(table) or first.maker(table)
            causes: tuple[Cause, ...] = ()
            if address:
                items = _sources(first, second, address, table, values, column)
                causes = _causes(first, second, address, items, known)
            changes.append(Change(table, row, column, values[0][1], values[1][1], causes))
    return changes, list(_remarks(first, second))


# The causes of a stage that were asked for before, or of the rows of one run that it wrote.
Known = dict[tuple[str, str], tuple[Cause, ...]]
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
    both = inputs_of_both(first, second, address)
    for inputs, (row, _) in zip(both, values, strict=True):
        if row:
            items = tuple(Item(path, md5, 0) for path, md5 in inputs.items())
            receipt = Receipt(address, (), {}, None, "", {}, {}, items, ())
            found |= {item.path for item in cells.sources(receipt, table, row, column)}
        # Not taken apart, since the cache lacks its list: the rows of every run.
        found |= {path for path in inputs if covered(ROWS, (path,))}
    return found


def _causes(
    first: Side, second: Side, address: str, paths: set[str] | None, known: Known, rows: str = ""
) -> tuple[Cause, ...]:
    """Stages that differ by themselves, from the most upstream on, along inputs that differ.

    Args:
        first: one side.
        second: the other.
        address: the stage to begin with.
        paths: those of its inputs that count; None for all.
        known: filled here.
        rows: the table of one run's rows that the stage is asked for; what others rest on does not count.
    """
    if paths is None and (address, rows) in known:
        return known[address, rows]
    before, after = inputs_of_both(first, second, address)
    found: dict[Cause, None] = {}
    moved = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    asked = (path for path in moved if paths is None or path in paths)
    for path in sorted(path for path in asked if stands_behind(path, rows)):
        maker = second.maker(path) or first.maker(path)
        if maker is None:
            reason = f"input from outside {path} is another"
            found[Cause(address, (reason,))] = None
        elif maker != address:
            found |= dict.fromkeys(_causes(first, second, maker, None, known, rows_of(path)))
    own = tuple(_own_reasons(first, second, address))
    if own:
        found[Cause(address, own)] = None
    if not found and first.outs(address) != second.outs(address):
        reason = "the same inputs, code and parameters gave another output"
        found[Cause(address, (reason,))] = None
    causes = tuple(found)
    if paths is None:
        known[address, rows] = causes
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
    """What cannot be told for want of receipts."""
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
