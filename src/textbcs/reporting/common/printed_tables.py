"""A table as it is printed, in all its forms.

`reports/tables/<name>` holds it as CSV for programs, with full precision and columns that are not
printed, and as Markdown and LaTeX for people. `results/tables/<stage>/<name>.json` holds the printed text
once more as data, for the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_json, write_csv, write_json, write_text
from textbcs.reporting.common.render import cell, latex_table, markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

PRINTED, DATA = Path("reports/tables"), Path("results/tables")


@dataclass(frozen=True)
class PrintedTable:
    """The text of a table.

    Attributes:
        title: what it is of.
        columns: the names of its columns, as in its CSV.
        headers: their headings.
        rows: the text of its cells, a list a row.
        notes: the sentences below it.
    """

    title: str
    columns: Sequence[str]
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def column(self, name: str) -> list[str]:
        """The text of one column, row by row."""
        place = list(self.columns).index(name)
        return [row[place] for row in self.rows]


def write_table(
    stage: "Stage",
    name: str,
    title: str,
    headers: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
    shared: Sequence[str] = (),
    values: "pd.DataFrame | None" = None,
) -> None:
    """Write one table in its four forms.

    Args:
        stage: whose outputs they are.
        name: of the files.
        title: what the table is of.
        headers: heading of each printed column, in order.
        rows: values by column; those without a heading stand in the CSV alone.
        notes: sentences below the table.
        shared: further ones, the same below several tables; the page says them once, in their own place.
        values: what the CSV holds, where that is not `rows`.
    """
    import pandas as pd

    if values is None:
        values = pd.DataFrame(list(rows), columns=None if rows else list(headers))
    write_csv(stage.output(PRINTED / f"{name}.csv"), values)
    for form, made in (("md", markdown_table), ("tex", latex_table)):
        text = made(title, headers, rows, [*notes, *shared])
        write_text(stage.output(PRINTED / f"{name}.{form}"), text)
    printed = PrintedTable(
        title,
        list(headers),
        list(headers.values()),
        [[cell(row.get(key)) for key in headers] for row in rows],
        list(notes),
    )
    write_json(stage.output(DATA / stage.definition.stage / f"{name}.json"), asdict(printed))


def read_table(path: Path) -> PrintedTable:
    """Read what `write_table` has left for the page.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        table = PrintedTable(**read_json(path))
    except TypeError as error:
        raise InputError(f"{path}: not the data of a table ({error}); regenerate it") from error
    if any(len(row) != len(table.headers) for row in table.rows):
        raise InputError(f"{path}: a row has more or fewer cells than the header; regenerate it")
    return table
