"""`reports/index.html`: one self-contained file with the table, the figure and what they mean.

Reads Table 1, the test shard, its prompts and the runs' predictions; makes no external request.
"""

import base64
import html
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.runs import read_runs
from textbcs.io import read_csv, records, write_bytes, write_text
from textbcs.prompts.table import read_prompts
from textbcs.reporting.figures import overview
from textbcs.reporting.render import html_table
from textbcs.reporting.runs import encoder_label
from textbcs.reporting.tables import column_headers
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage

PHANTOM_LIMITS = (
    "The cohort is synthetic. Its scores say that the pipeline works and how the methods behave on "
    "these phantoms; they say nothing about patients and are not comparable with the paper's."
)
PROMPT_LIMITS = (
    "Prompts are derived from the reference mask: a method that reads them is told side, shape, size "
    "and number of what it has to find."
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { border-bottom: 1px solid #ccc; padding: .35rem .6rem; text-align: right; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
img { max-width: 100%; } .note { border-left: 4px solid #E69F00; padding-left: 1rem; }
"""


def write_report(stage: "Stage") -> None:
    """Draw the overview figure and write the report around the tables."""
    runs = read_runs(stage)
    shard = read_slices(stage, "test")
    prompts = read_prompts(stage.input("data/prompts/test.csv"))
    text_of = dict(zip(prompts["slice_id"], prompts["text"], strict=True))
    picture = overview(stage, shard, runs, text_of)
    write_bytes(stage.output("reports/figures/overview.png"), picture)
    rows = records(read_csv(stage.input("reports/tables/table1.csv")))
    gaps = records(read_csv(stage.input("reports/tables/table1_differences.csv")))
    page = render(stage.params, rows, gaps, picture, encoder_label(stage))
    write_text(stage.output("reports/index.html"), page)


def render(
    params: Any,
    rows: list[dict[str, Any]],
    differences: list[dict[str, Any]],
    picture: bytes,
    encoder: str,
) -> str:
    """The page as text.

    Args:
        params: parameters with `cohort.kind` and `seeds`.
        rows: Table 1.
        differences: patient-level differences to TextBCS.
        picture: the overview figure as PNG.
        encoder: the text encoder and, where they are not the pinned ones, whose weights it has.
    """
    is_phantom = params["cohort"]["kind"] == "phantom"
    source = base64.b64encode(picture).decode()
    gaps = {
        "subtrahend": "TextBCS minus",
        "seed": "Seed",
        "patients": "Patients",
        "dice_difference": "Dice difference, points (mean over patients)",
        "low": "95 % from",
        "high": "to",
    }
    limits = [PHANTOM_LIMITS, PROMPT_LIMITS] if is_phantom else [PROMPT_LIMITS]
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in limits)
    first = rows[0]
    facts = (
        f"{params['cohort']['kind']} cohort; {first['tumour_slices']:.0f} tumour slices and "
        f"{first['tumour_free_slices']:.0f} tumour-free slices of {first['patients']:.0f} test patients; "
        f"text encoder {encoder}; seeds {', '.join(map(str, params['seeds']))}"
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>TextBCS, reproduced</title><style>{STYLE}</style></head>
<body>
<h1>TextBCS, reproduced</h1>
<p>{html.escape(facts)}</p>
<div class="note"><strong>What these numbers mean</strong><ul>{notes}</ul></div>
<h2>Table 1</h2>
<div class="wide">{html_table(column_headers(rows, not is_phantom), rows)}</div>
<h2>TextBCS against each other method</h2>
<div class="wide">{html_table(gaps, differences)}</div>
<h2>Best, median and worst test slice of the last row</h2>
<p>Blue: reference mask. Orange: prediction. Radiological view: the patient's left is at the right; the
framed part is enlarged. Vacuity is the share of belief that no evidence claims, on a logarithmic scale.</p>
<img alt="Test slices with reference mask, predictions and vacuity" src="data:image/png;base64,{source}">
</body></html>
"""
