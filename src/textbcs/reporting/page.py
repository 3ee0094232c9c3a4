"""The report as text: one HTML file that needs no other, no network and, to be read, no script.

Pure: takes what was read and gives the page. Style and script lie beside this module as `page.css` and
`page.js` and are put into the page. Equal contents give equal bytes.
"""

import base64
import html
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textbcs.reporting import ablation, tables, testtable
from textbcs.reporting.contents import FIGURES, TABLES
from textbcs.reporting.facts import Facts, limits
from textbcs.reporting.pipetable import PipeTable
from textbcs.reporting.plot import score_plot
from textbcs.reporting.render import html_table
from textbcs.reporting.runs import NOT_COMPARABLE
from textbcs.reporting.viewer import script_json

# Where `textbcs audit pages` explains every cell, and the columns' names there by their heading.
TRACED: Mapping[str, Mapping[str, str]] = {
    "table1": tables.HEADERS,
    "table2": ablation.TABLE2,
    "table3": ablation.TABLE3,
    "table4": testtable.HEADERS,
}
# The browser itself refuses every request: nothing but what stands in this file is shown or run.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


# Figures with more pixels across are scrolled, not shrunk.
BROAD = 2400


@dataclass(frozen=True)
class Page:
    """What stands on the page.

    Attributes:
        phantom: whether the cohort is synthetic.
        duke: whether it is the paper's.
        seeds: number of seeds.
        derived: whether prompts are read off the reference mask.
        coverage: how often intervals hold the truth (`facts.shortfall`).
        spread: how far other trainings lie (`facts.retrained`).
        facts: what was run on what.
        methods: headings and rows of the table of methods.
        prior: Dice in percent of what the prompt alone buys; None where it is not known.
        scores: rows of Table 1 with `label`, `dice_patient_mean` and `dice_patient_interval`.
        tables: printed tables by file name.
        figures: PNG by file name.
        viewer: the viewer's data (`viewer.viewer_data`).
    """

    phantom: bool
    duke: bool
    seeds: int
    derived: bool
    coverage: str
    spread: str
    facts: Facts
    methods: tuple[list[str], list[list[str]]]
    prior: float | None
    scores: Sequence[Mapping[str, Any]]
    tables: Mapping[str, Sequence[PipeTable]]
    figures: Mapping[str, bytes]
    viewer: Mapping[str, Any]


def render(page: Page) -> str:
    """The page as text."""
    sections = {
        "meaning": ("What these numbers mean, and what not", _limits(page)),
        "glance": ("At a glance", _glance(page)),
        "viewer-section": ("Look at the slices", _viewer(page)),
        "tables": ("Tables", _tables(page)),
        "figures": ("Figures", _figures(page)),
        "runs": ("What was run on what", _runs(page)),
    }
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{_text(title)}</h2>\n{inside}\n'
        "</section>\n"
        for name, (title, inside) in sections.items()
    )
    here = Path(__file__).parent
    style = (here / "page.css").read_text(encoding="utf-8")
    script = (here / "page.js").read_text(encoding="utf-8")
    facts = dict(page.facts)
    lead = (
        f"{facts.get('Cohort', '')}; {facts.get('Test split', '')}; text encoder "
        f"{facts.get('Text encoder', '')}; seed {facts.get('Seeds', '')}"
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TextBCS, reproduced</title>
<style>
{style}</style></head>
<body>
<a class="skip" href="#main">To the content</a>
<header><h1>TextBCS, reproduced</h1>
<p class="soft">{_text(lead)}</p></header>
<nav aria-label="Contents">{_contents(page, sections)}</nav>
<main id="main">
{body}</main>
<script type="application/json" id="viewer-data">{script_json(page.viewer)}</script>
<script>
{script}</script>
</body></html>
"""


def _contents(page: Page, sections: Mapping[str, tuple[str, str]]) -> str:
    """The table of contents: sections, and their tables or figures."""
    below = {
        "tables": {name: TABLES[name] for name in _shown(TABLES, page.tables)},
        "figures": {f"figure-{name}": FIGURES[name][0] for name in _shown(FIGURES, page.figures)},
    }
    items = []
    for name, (title, _) in sections.items():
        inner = "".join(_item(key, text) for key, text in below.get(name, {}).items())
        items.append(_item(name, title, f"<ul>{inner}</ul>" if inner else ""))
    return f"<ul>{''.join(items)}</ul>"


def _item(target: str, title: str, inside: str = "") -> str:
    return f'<li><a href="#{target}">{_text(title)}</a>{inside}</li>'


def _limits(page: Page) -> str:
    sentences = limits(
        page.phantom, page.duke, page.seeds, page.derived, page.coverage, page.spread
    )
    return (
        '<div class="note"><ul>'
        + "".join(f"<li>{_text(one)}</li>" for one in sentences)
        + "</ul></div>"
    )


def _glance(page: Page) -> str:
    told = (
        "Dice in percent, mean over patients, with its 95 % interval over patients; the line of "
        "TextBCS is orange."
    )
    if page.prior is not None:
        told += (
            f" Dashed: {page.prior:.1f}, what the prompt alone buys, without the image (the mean mask of its "
            "side and size)."
        )
        if "trivial" in page.tables:
            told += ' <a href="#trivial">Who is above it</a>.'
    return f"<p>{told}</p>{score_plot(page.scores, page.prior)}"


def _tables(page: Page) -> str:
    """The section of tables."""
    parts = [
        '<p class="interactive">A click on a heading sorts; a second one turns the order round. A cell of '
        "Tables 1 to 4 leads to where its number comes from, once <code>textbcs audit pages</code> has "
        "written those pages beside this file.</p>"
    ]
    for name in _shown(TABLES, page.tables):
        parts.append(f'<h3 id="{name}">{_text(TABLES[name])}</h3>')
        for table in page.tables[name]:
            link = _linker(name, table.headers) if name in TRACED else None
            shown = html_table(table.headers, table.rows, table.title, link)
            parts.append(
                f'<div class="wide" tabindex="0" role="region" aria-label="{_text(TABLES[name])}">'
                f"{shown}</div>"
            )
            if table.notes:
                parts.append(
                    "<ul>" + "".join(f"<li>{_text(note)}</li>" for note in table.notes) + "</ul>"
                )
    return "\n".join(parts)


def _linker(name: str, headers: Sequence[str]) -> Any:
    """A function that leads from a cell to its anchor on the table's page of origins."""
    keys = {text: key for key, text in TRACED[name].items()}
    columns = [keys.get(text.removesuffix(f" ({NOT_COMPARABLE})")) for text in headers]

    def link(row: int, place: int) -> str | None:
        column = columns[place]
        return f"trace/{name}.html#r{row}.{column}" if column else None

    return link


def _figures(page: Page) -> str:
    """The section of figures, each inside the page as a PNG."""
    parts = []
    for name in _shown(FIGURES, page.figures):
        title, caption = FIGURES[name]
        source = base64.b64encode(page.figures[name]).decode()
        width, height = _png_size(page.figures[name])
        kind = ' class="broad" tabindex="0"' if width > BROAD else ""
        parts.append(
            f'<figure id="figure-{name}"><h3>{_text(title)}</h3>\n'
            f'<div{kind}><img alt="{_text(f"{title}. {caption}")}" width="{width}" height="{height}" '
            f'src="data:image/png;base64,{source}"></div>\n'
            f"<figcaption>{_text(caption)}</figcaption></figure>"
        )
    return "\n".join(parts)


def _png_size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels, from a PNG's header."""
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def _viewer(page: Page) -> str:
    """The section that shows slices with masks and maps."""
    total, shown = page.viewer["total"], len(page.viewer["slices"])
    count = (
        f"All {total} test slices"
        if shown == total
        else f"{shown} of {total} test slices, evenly chosen"
    )
    step = page.viewer["step"]
    count += f", every {step}th pixel." if step > 1 else "."
    here = Path(__file__).parent / "viewer.html"
    return here.read_text(encoding="utf-8").replace("{count}", count)


def _runs(page: Page) -> str:
    """The section that says what ran."""
    facts = "".join(
        f"<tr><th scope=row>{_text(a)}</th><td>{_text(b)}</td></tr>\n" for a, b in page.facts
    )
    headers, rows = page.methods
    return (
        f'<div class="wide"><table><tbody>\n{facts}</tbody></table></div>\n'
        f'<div class="wide">{html_table(headers, rows)}</div>\n'
        "<p>Commit, times, kind of machine and driver are not on this page, as its bytes must not depend on "
        "them: they lie in <code>results/runinfo/</code>, a file a stage, and <code>textbcs audit trace "
        "reports/index.html</code> prints them. Every parameter: <code>params.yaml</code>; every package: "
        "<code>requirements.lock</code>; every input's sha256: <code>results/receipts/</code>.</p>"
    )


def _shown(order: Iterable[str], there: Mapping[str, Any]) -> list[str]:
    return [name for name in order if name in there]


def _text(value: str) -> str:
    return html.escape(value)
