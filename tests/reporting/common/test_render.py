"""Rows as Markdown, LaTeX and HTML: text is escaped, what is missing is a dash."""

import pytest

from textbcs.reporting.common.render import cell, html_table, latex_table, markdown_table


def test_text_is_escaped_in_every_form() -> None:
    headers, rows = {"a": "50 % & <b>_x"}, [{"a": "p|q"}]
    assert r"50 \% \& $<$b$>$\_x" in latex_table("t", headers, rows)
    assert r"p\textbar{}q" in latex_table("t", headers, rows)
    assert r"p\|q" in markdown_table("t", headers, rows)
    found = html_table(list(headers.values()), [["p|q <i>"]])
    assert "<th scope=col>50 % &amp; &lt;b&gt;_x</th>" in found
    assert "p|q &lt;i&gt;" in found


def test_latex_says_what_the_table_says() -> None:
    rows = [{"a": "UNet", "b": "< 0.0001"}, {"a": "a\\b", "b": None}]
    text = latex_table("p", {"a": "Method", "b": "p"}, rows, ["1 % of {these}"])
    assert r"UNet & $<$ 0.0001 \\" in text
    assert r"a\textbackslash{}b & -- \\" in text
    assert r"\par\footnotesize 1 \% of \{these\}" in text
    assert text.isascii()
    assert "resizebox" not in text


def test_a_wide_latex_table_is_shrunk_to_the_text() -> None:
    text = latex_table("t", {str(n): str(n) for n in range(7)}, [])
    start, end = (
        text.index("\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}"),
        text.index("\\end{tabular}}"),
    )
    assert start < end
    for left, right in ("{}", "[]"):
        assert text.count(left) == text.count(right)


@pytest.mark.parametrize(
    ("value", "text"), [(1.005, "1.00"), (2.0, "2.00"), (3, "3"), (None, "–"), (float("nan"), "–")]
)
def test_cells(value, text: str) -> None:
    assert cell(value) == text


def test_columns_of_numbers_are_marked() -> None:
    text = html_table(["A", "B", "C"], [["4.1", "1.0", "3 of 4 x"], ["4.2", "–", "few"]])
    assert "<th scope=col>A</th><th scope=col class=n>B</th><th scope=col>C</th>" in text
    assert "<th scope=row>4.1</th><td class=n>1.0</td><td>3 of 4 x</td>" in text
