"""Rows as Markdown, LaTeX and HTML text."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

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
}


def cell(value: Any) -> str:
    """A value as it is printed: two decimals for fractions, a dash for what is missing."""
    if value is None or value != value:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def markdown_table(title: str, headers: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A title and a pipe table; `headers` maps columns to their headings, in order."""
    lines = [f"**{title}**", "", "| " + " | ".join(headers.values()) + " |"]
    lines.append("|" + "|".join(" --- " for _ in headers) + "|")
    for row in rows:
        cells = (cell(row.get(key)).replace("|", r"\|") for key in headers)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def latex_table(title: str, headers: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A `table` with a `tabular` in it, its text escaped."""
    lines = [r"\begin{table}", rf"\caption{{{_latex(title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(headers) - 1)}}}", r"\hline"]
    lines.append(" & ".join(_latex(text) for text in headers.values()) + r" \\ \hline")
    for row in rows:
        lines.append(" & ".join(_latex(cell(row.get(key))) for key in headers) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", r"\end{table}"]) + "\n"


def html_table(headers: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A `<table>` with escaped text."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headers.values())
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(cell(row.get(key)))}</td>" for key in headers)
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
