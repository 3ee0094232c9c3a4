"""What stands in `snakemake --report`: the page, the figures, and the tables, with headings and captions.

Captions lie in workflow/report/, as text with placeholders; paths are as the Snakefile sees them.
"""

from dataclasses import dataclass

from textbcs.reporting.page.contents import FIGURES, TABLES


@dataclass(frozen=True)
class Shown:
    """How an out is shown.

    Attributes:
        category: the group that it stands in.
        caption: its text, a file.
        labels: heading of a column -> the out's entry there.
    """

    category: str
    caption: str
    labels: dict[str, str]


def _reported() -> dict[str, Shown]:
    page = Shown("Page", "workflow/report/page.rst", {"page": "TextBCS, reproduced"})
    figures = {
        f"reports/figures/{name}.png": Shown(
            "Figures", "workflow/report/figure.rst", {"figure": title}
        )
        for name, (title, _) in FIGURES.items()
    }
    tables = {
        f"reports/tables/{name}.csv": Shown("Tables", "workflow/report/table.rst", {"table": title})
        for name, title in TABLES.items()
    }
    return {"reports/index.html": page, **figures, **tables}


REPORTED = _reported()
