"""Pipe tables read back: the printed text of a table, its title and the sentences below it.

The report shows the cells that stand in `reports/tables/*.md`, so that it cannot print a number in
another way than they do. Pure functions on text; reads and writes no file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+")
_BAR = re.compile(r"(?<!\\)\|")


@dataclass
class PipeTable:
    """A table as it is printed.

    Attributes:
        title: the bold line above it, without its stars; empty where there is none.
        headers: its headings.
        rows: the text of its cells, a list a row.
        notes: the list items below it.
    """

    title: str = ""
    headers: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_tables(text: str) -> list[PipeTable]:
    """All tables of a Markdown text, in order.

    Raises:
        ValueError: a row has more or fewer cells than its header.
    """
    return list(_tables(text.splitlines()))


def _tables(lines: list[str]) -> Iterator[PipeTable]:
    """One table after the other, with the title above it and the notes below."""
    title, table = "", None
    for line in lines:
        if line.startswith("**") and line.endswith("**"):
            if table:
                yield table
            title, table = line.strip("*"), None
        elif line.startswith("|"):
            if table is None or table.notes:
                if table:
                    yield table
                table, title = PipeTable(title, _cells(line)), ""
            elif not _RULE.fullmatch(line.strip()):
                table.rows.append(_row(line, len(table.headers)))
        elif line.startswith("- ") and table:
            table.notes.append(line[2:])
    if table:
        yield table


def _row(line: str, count: int) -> list[str]:
    cells = _cells(line)
    if len(cells) != count:
        raise ValueError(f"a row of {len(cells)} cells below {count} headings: {line}")
    return cells


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace(r"\|", "|") for cell in _BAR.split(inner)]
