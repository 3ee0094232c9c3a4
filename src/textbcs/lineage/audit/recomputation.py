"""`audit verify --deep`: table cells once more from per-slice rows.

A table is judged where its own file and all that it rests on are what the receipts say: another fault has
its own finding.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.lineage.records.findings import Finding, Remark, some
from textbcs.lineage.records.graph import Graph, Item, Receipt
from textbcs.lineage.records.tree import Tree
from textbcs.lineage.tracing import cells, rules

if TYPE_CHECKING:
    import pandas as pd


def check_cells(tree: Tree, stale: Collection[str] = ()) -> Iterator[Finding | Remark]:
    """Every cell that has a rule, to the last digit.

    Args:
        tree: the hashed tree.
        stale: stages that ran on something else than there is now: what rests on them is not judged.
    """
    counts, left, cells_done = [], [], 0
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            if not item.path.startswith(cells.TABLES) or not item.path.endswith(".csv"):
                continue
            if not _as_recorded(tree, [item]) or rests_on(tree.graph, receipt, stale):
                left.append(item.path)
                continue
            table = cells.read_table(item.path)
            done, wrong = _check_table(tree, receipt, item.path, table)
            cells_done += done
            if done:
                counts.append(f"{Path(item.path).stem} {done} of {table.size}")
            if wrong:
                yield Finding("TAMPERED", receipt.address, item.path, some(wrong), (item.path,))
    text = f"cells computed again from per-slice rows: {', '.join(counts) or 'none'}"
    yield Remark(text, cells=cells_done)
    if left:
        yield Remark(f"not computed again, since they or what they rest on changed: {some(left)}")


def rests_on(graph: Graph, receipt: Receipt, stale: Collection[str]) -> bool:
    """Whether a stage or one above it is among the stale ones."""
    return bool(stale) and not {receipt.address, *graph.upstream(receipt.inputs)}.isdisjoint(stale)


def _check_table(
    tree: Tree, receipt: Receipt, path: str, table: "pd.DataFrame"
) -> tuple[int, list[str]]:
    """How many cells have a rule, and what is wrong with which."""
    name = Path(path).stem
    rows = [
        {str(key): str(value) for key, value in row.items()} for row in table.to_dict("records")
    ]
    runs, curves = (_by_run(tree, receipt, pattern) for pattern in (cells.RUN, cells.CURVES))
    known = rules.cells_of(name, rows, runs, curves, receipt.params)
    done, wrong = 0, []
    for number, row in enumerate(rows):
        for column in row:
            want = known.get((number, column)) or _again(tree, receipt, path, row, column)
            done += bool(want)
            if want and not any(_equal(row[column], one) for one in want):
                first = next(iter(row.values()))
                wrong.append(f"row {first}, {column}: {row[column]!r}, rows give {want[0]!r}")
    if name == "table4":
        left_out = rules.missing_methods(rows, receipt.params)
        wrong += [f"row {method} is missing" for method in left_out]
    return done, wrong


def _as_recorded(tree: Tree, items: Sequence[Item]) -> bool:
    """Whether files are what a receipt says that they were."""
    return all(tree.sha256(item.path) == item.sha256 for item in items)


def _by_run(
    tree: Tree, receipt: Receipt, pattern: re.Pattern[str]
) -> dict[str, list["pd.DataFrame"]]:
    """Tables of a stage's runs, one a seed in the order of the parameters; a run with a gap is left out."""
    order = [str(seed) for seed in receipt.params.get("seeds", ())]
    found: dict[str, dict[str, pd.DataFrame | None]] = {}
    for item in receipt.inputs:
        match = pattern.fullmatch(item.path)
        if match:
            table = tree.table(item.path) if _as_recorded(tree, [item]) else None
            found.setdefault(match["name"], {})[match["seed"]] = table
    runs = {}
    for name, by_seed in found.items():
        seeds = [seed for seed in order if seed in by_seed] or sorted(by_seed, key=int)
        tables = [by_seed[seed] for seed in seeds]
        if all(table is not None for table in tables):
            runs[name] = [table for table in tables if table is not None]
    return runs


def _again(
    tree: Tree, receipt: Receipt, path: str, row: Mapping[str, str], column: str
) -> tuple[float | str, ...]:
    """The values that a cell may have by its per-slice rows; () where it is not computed from them."""
    if column not in cells.FROM_RUNS:
        return ()
    sources = cells.sources(receipt, path, row, column)
    if not _as_recorded(tree, sources):
        return ()
    names = [item.path for item in sources if cells.run_of(item.path)]
    runs = {name: run for name in names if (run := tree.table(name)) is not None}
    if not runs or len(runs) != len(sources):
        return ()
    return cells.recompute(column, list(runs.values()), receipt.params)


def _equal(cell: str, want: float | str) -> bool:
    """Whether a cell holds `want`; the empty cell stands for nan."""
    if isinstance(want, str):
        return cell == want
    if want != want:
        return cell == ""
    try:
        return float(cell) == want
    except ValueError:
        return False
