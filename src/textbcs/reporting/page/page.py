"""The report as text: one HTML file that needs no other, no network and, to be read, no script.

Style and script lie beside this module as `page.css` and `page.js` and are put into the page. Equal contents
give equal bytes.
"""

import base64
import html
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textbcs.reporting.common.printed_tables import PrintedTable
from textbcs.reporting.common.render import html_table
from textbcs.reporting.page.contents import FIGURES, FIRST, TABLES, TRACED
from textbcs.reporting.page.forest_plot import score_plot
from textbcs.reporting.page.run_description import Facts
from textbcs.reporting.page.viewer import script_json
from textbcs.reporting.page.volume_viewer import volume_count

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
        answer: the sentences that it opens with (`answer.answer`).
        caveats: what the numbers mean and do not mean (`caveats.limits`).
        facts: what was run on what.
        methods: headings and rows of the table of methods.
        prior: Dice in percent of the prompt alone; None where it is not known.
        scores: a row per method, as `forest_plot.score_plot` takes them.
        tables: printed tables by file name.
        figures: PNG by file name.
        viewer: the slice viewer's data (`viewer.viewer_data`).
        volumes: the volume viewer's data (`volume_viewer.volume_data`); None: no volume is shown.
    """

    answer: Sequence[str]
    caveats: Sequence[str]
    facts: Facts
    methods: tuple[list[str], list[list[str]]]
    prior: float | None
    scores: Sequence[Mapping[str, Any]]
    tables: Mapping[str, PrintedTable]
    figures: Mapping[str, bytes]
    viewer: Mapping[str, Any]
    volumes: Mapping[str, Any] | None = None


def render(page: Page) -> str:
    """The page as text."""
    sections = {
        "answer": ("In short", _answer(page)),
        "glance": ("All methods at a glance", _glance(page)),
        "meaning": ("What these numbers mean, and what they do not", _meaning(page)),
        "viewer-section": ("Look at the slices", _viewer(page)),
        **_volumes(page),
        "tables": ("Tables", _tables(page)),
        "figures": ("Figures", _figures(page)),
        "runs": ("What was run on what", _runs(page)),
    }
    first, *others = (
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{_text(title)}</h2>\n{inside}\n'
        "</section>\n"
        for name, (title, inside) in sections.items()
    )
    here = Path(__file__).parent
    style = (here / "page.css").read_text(encoding="utf-8")
    scripts = ("page.js", *(("volume_viewer.js",) if page.volumes else ()))
    script = "\n".join((here / name).read_text(encoding="utf-8") for name in scripts)
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
<main id="main">
{first}<nav aria-label="Contents">{_contents(page, sections)}</nav>
{"".join(others)}</main>
<script type="application/json" id="viewer-data">{script_json(page.viewer)}</script>
{_volume_data(page)}<script>
{script}</script>
</body></html>
"""


def _contents(page: Page, sections: Mapping[str, tuple[str, str]]) -> str:
    """The table of contents: sections, and their tables or figures."""
    first = {f"figure-{FIRST}": FIGURES[FIRST][0]} if FIRST in page.figures else {}
    below = {
        "answer": first,
        "tables": {name: TABLES[name] for name in _shown(TABLES, page.tables)},
        "figures": {f"figure-{name}": FIGURES[name][0] for name in _further_figures(page)},
    }
    items = []
    for name, (title, _) in sections.items():
        inner = "".join(_item(key, text) for key, text in below.get(name, {}).items())
        items.append(_item(name, title, f"<ul>{inner}</ul>" if inner else ""))
    return f"<ul>{''.join(items)}</ul>"


def _item(target: str, title: str, inside: str = "") -> str:
    return f'<li><a href="#{target}">{_text(title)}</a>{inside}</li>'


def _answer(page: Page) -> str:
    """What was found, in sentences, and the picture to it."""
    told = "".join(f'<p class="answer">{_text(sentence)}</p>\n' for sentence in page.answer)
    told += '<p>Before you quote a number: <a href="#meaning">what these numbers mean</a>.</p>\n'
    return told + (_figure(page, FIRST) if FIRST in page.figures else "")


def _meaning(page: Page) -> str:
    sentences = "".join(f"<li>{_text(one)}</li>" for one in page.caveats)
    return f'<div class="note"><ul>{sentences}</ul></div>'


def _glance(page: Page) -> str:
    told = (
        "Dice in percent, mean over patients, with its 95 % interval over patients; the line of "
        "TextBCS is orange."
    )
    if page.prior is not None:
        told += (
            f" Dashed: {page.prior:.1f}, what the prompt alone achieves, without the image (the mean mask of "
            "its side and size)."
        )
        if "trivial" in page.tables:
            told += ' <a href="#trivial">Which methods do better</a>.'
    return f"<p>{told}</p>{score_plot(page.scores, page.prior)}"


def _tables(page: Page) -> str:
    """The section of tables."""
    parts = [
        "<p>Intervals and p-values hold each trained network fixed; how far another training lies is said "
        '<a href="#meaning">above</a>.</p>',
        '<p class="interactive">Click a heading to sort by it, and once more to turn the order round. A cell '
        "of Tables 1 to 4 and of whole volumes leads to where its number comes from, once <code>textbcs "
        "audit pages</code> has written those pages beside this file.</p>",
    ]
    for name in _shown(TABLES, page.tables):
        table = page.tables[name]
        link = _linker(name, table.columns) if name in TRACED else None
        shown = html_table(table.headers, table.rows, f"{name}-title", link)
        # The title stands outside of what scrolls, so that it is read whole.
        parts.append(
            f'<h3 id="{name}">{_text(TABLES[name])}</h3>\n'
            f'<p class="caption" id="{name}-title">{_text(table.title)}</p>\n'
            f'<div class="wide" tabindex="0" role="region" aria-label="{_text(TABLES[name])}">{shown}</div>'
        )
        if table.notes:
            notes = "".join(f"<li>{_text(note)}</li>" for note in table.notes)
            parts.append(f"<ul>{notes}</ul>")
    return "\n".join(parts)


def _linker(name: str, columns: Sequence[str]) -> Callable[[int, int], str]:
    """A function that leads from a cell to its anchor on the table's page of origins."""

    def link(row: int, place: int) -> str:
        return f"trace/{name}.html#r{row}.{columns[place]}"

    return link


def _figures(page: Page) -> str:
    """The section of figures, each inside the page as a PNG."""
    return "\n".join(_figure(page, name) for name in _further_figures(page))


def _further_figures(page: Page) -> list[str]:
    """All but the one that the page opens with."""
    return [name for name in _shown(FIGURES, page.figures) if name != FIRST]


def _figure(page: Page, name: str) -> str:
    title, caption = FIGURES[name]
    source = base64.b64encode(page.figures[name]).decode()
    width, height = _png_size(page.figures[name])
    kind = ' class="broad" tabindex="0"' if width > BROAD else ""
    return (
        f'<figure id="figure-{name}"><h3>{_text(title)}</h3>\n'
        f'<div{kind}><img alt="{_text(f"{title}. {caption}")}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{source}"></div>\n'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


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


def _volumes(page: Page) -> dict[str, tuple[str, str]]:
    """The section that scrolls whole volumes, by its anchor; none where no volume is shown."""
    if page.volumes is None:
        return {}
    here = Path(__file__).parent / "volume_viewer.html"
    count = _text(volume_count(page.volumes))
    said = here.read_text(encoding="utf-8").replace("{count}", count)
    return {"volumes-section": ("Scroll through whole volumes", said)}


def _volume_data(page: Page) -> str:
    """The volume viewer's data as an element of the page."""
    if page.volumes is None:
        return ""
    data = script_json(page.volumes)
    return f'<script type="application/json" id="volume-data">{data}</script>\n'


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
