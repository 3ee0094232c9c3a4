"""The page of an evaluation: its tables, and a viewer of the worst, the median and the best patient.

One HTML file that needs no other and no network, in the style of the pipeline's report and with its viewer.
"""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from textbcs.reporting.common.render import html_table
from textbcs.reporting.common.volume_cases import Case
from textbcs.reporting.page.page import POLICY
from textbcs.reporting.page.viewer import script_json
from textbcs.reporting.page.volume_viewer import volume_count, volume_data
from textbcs.validation.score_tables import Statistics, Tables, printed

_ASSETS = ("page.css", "page.js", "volume_viewer.js")
_SHOWN_BY = "patients of this folder, chosen by the 3-D Dice of the first model"


def evaluation_page(
    tables: Tables,
    how: Statistics,
    notes: Sequence[str],
    facts: Mapping[str, str],
    cases: Iterable[Case],
) -> str:
    """The page as text.

    Args:
        tables: of the evaluation.
        how: the tables were made.
        notes: what the numbers mean and do not mean.
        facts: what was evaluated on what.
        cases: the patients who are shown.
    """
    volumes = volume_data(list(cases))
    style, *scripts = (_asset(name) for name in _ASSETS)
    body = "".join([*_tables(tables, how), _meaning(notes), _viewer(volumes), _runs(facts)])
    script = "\n".join(scripts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation of packaged models</title>
<style>
{style}</style></head>
<body>
<header><h1>Evaluation of packaged models</h1>
<p class="soft">Not a medical device; not for diagnosis or treatment.</p></header>
<main id="main">
{body}</main>
<script>
{script}</script>
</body></html>
"""


def _tables(tables: Tables, how: Statistics) -> Iterator[str]:
    """A section for each table."""
    for name, (title, headers, rows) in printed(tables, how).items():
        yield _section(name, title, f'<div class="wide" tabindex="0">{_table(headers, rows)}</div>')


def _meaning(notes: Sequence[str]) -> str:
    """The section that says what the numbers mean."""
    told = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return _section("meaning", "What these numbers mean, and what they do not", f"<ul>{told}</ul>")


def _viewer(volumes: Mapping[str, Any] | None) -> str:
    """The section that scrolls volumes, with its data; "" where there is nothing to show."""
    if volumes is None:
        return ""
    count = html.escape(volume_count(volumes, _SHOWN_BY))
    inside = _asset("volume_viewer.html").replace("{count}", count)
    data = f'<script type="application/json" id="volume-data">{script_json(volumes)}</script>\n'
    return _section("volumes", "Scroll through whole volumes", inside) + data


def _runs(facts: Mapping[str, str]) -> str:
    """The section that says what was evaluated."""
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>\n"
        for name, value in facts.items()
    )
    inside = f'<div class="wide"><table><tbody>\n{rows}</tbody></table></div>'
    return _section("runs", "What was asked of what", inside)


def _asset(name: str) -> str:
    """A file of the report's page."""
    return (files("textbcs.reporting.page") / name).read_text(encoding="utf-8")


def _section(name: str, title: str, inside: str) -> str:
    head = f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{html.escape(title)}</h2>'
    return f"{head}\n{inside}\n</section>\n"


def _table(headers: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> str:
    cells = [[row.get(name, "–") for name in headers] for row in rows]
    return html_table(list(headers.values()), cells)
