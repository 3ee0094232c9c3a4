"""Rows as Markdown, LaTeX and HTML text."""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_NUMBER = re.compile(r"(< )?-?\d|nan")

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # In the fonts that LaTeX starts with, these three come out as other signs.
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "–": "--",
}
# More columns than this are wider than a page's text: the table is shrunk to it (package graphicx).
_NARROW = 6


def cell(value: Any) -> str:
    """A value as it is printed: two decimals for fractions, never -0.00, a dash for what is missing."""
    if value is None or value != value:
        return "–"
    return f"{value:z.2f}" if isinstance(value, float) else str(value)


def markdown_table(
    title: str, headers: Mapping[str, str], rows: Sequence[Row], notes: Sequence[str] = ()
) -> str:
    """A title, a pipe table, sentences below it; `headers` maps columns to their headings, in order."""
    lines = [f"**{title}**", "", "| " + " | ".join(headers.values()) + " |"]
    lines.append("|" + "|".join(" --- " for _ in headers) + "|")
    for row in rows:
        cells = (cell(row.get(key)).replace("|", r"\|") for key in headers)
        lines.append("| " + " | ".join(cells) + " |")
    below = ["", *(f"- {note}" for note in notes)] if notes else []
    return "\n".join([*lines, *below]) + "\n"


def latex_table(
    title: str, headers: Mapping[str, str], rows: Sequence[Row], notes: Sequence[str] = ()
) -> str:
    """A `table` with a `tabular` in it, its text escaped, sentences below it.

    A wide one is shrunk to the width of the text, for which the document loads the package graphicx.
    """
    wide = len(headers) > _NARROW
    lines = [r"\begin{table}", rf"\caption{{{_latex(title)}}}"]
    lines += [r"\resizebox{\textwidth}{!}{%"] if wide else []
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(headers) - 1)}}}", r"\hline"]
    lines.append(" & ".join(_latex(text) for text in headers.values()) + r" \\ \hline")
    for row in rows:
        lines.append(" & ".join(_latex(cell(row.get(key))) for key in headers) + r" \\")
    lines += [r"\hline", r"\end{tabular}" + "}" * wide]
    lines += [rf"\par\footnotesize {_latex(note)}" for note in notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def html_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    labelled_by: str = "",
    link: Callable[[int, int], str | None] | None = None,
) -> str:
    """A `<table>` with escaped text; columns of numbers have class `n`.

    Args:
        headers: headings, in order.
        rows: printed cells; the first of each row is the row's heading.
        labelled_by: the id of the element that says what the table is.
        link: (row from 1, column from 0) -> where a cell leads, or None.
    """
    # The first column is a heading, even where it is a number.
    kinds = [
        " class=n" if place and _numeric([row[place] for row in rows]) else ""
        for place in range(len(headers))
    ]
    head = "".join(
        f"<th scope=col{kind}>{html.escape(text)}</th>"
        for text, kind in zip(headers, kinds, strict=True)
    )
    body = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for place, (text, kind) in enumerate(zip(row, kinds, strict=True)):
            target = link(number, place) if link and text else None
            shown = html.escape(text)
            if target:
                shown = f'<a href="{html.escape(target)}">{shown}</a>'
            tag, scope = ("td", "") if place else ("th", " scope=row")
            cells.append(f"<{tag}{scope}{kind}>{shown}</{tag}>")
        body.append(f"<tr>{''.join(cells)}</tr>\n")
    name = f' aria-labelledby="{labelled_by}"' if labelled_by else ""
    return (
        f"<table{name}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(body)}</tbody>\n</table>"
    )


def _numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell not in ("", "–")]
    return bool(filled) and all(_NUMBER.match(cell) for cell in filled)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
