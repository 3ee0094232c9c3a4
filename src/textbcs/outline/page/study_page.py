"""`report.html` of an outline: what was found, how sure it is, and a viewer; one file that needs no other.

Nothing of it says who the patient is: its words are those of the summary. Equal outlines give equal bytes.
"""

import html
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.outline.page.study_viewer import shown_share
from textbcs.reporting.page import page as report
from textbcs.reporting.page.viewer import script_json

SOURCES = {
    "given": "typed",
    "report": "read from a report",
    "automatic": "made from what a first pass without text found",
    "none": "none: the network reads no text",
}
Facts = Iterable[tuple[str, str]]


def render(summary: Mapping[str, Any], viewer: Mapping[str, Any]) -> str:
    """The page as text.

    Args:
        summary: of the outline, as `summary.json` holds it.
        viewer: as `study_viewer.viewer_data` gives it.
    """
    here, share = Path(__file__).parent, html.escape(shown_share(viewer))
    shown = (here / "study_viewer.html").read_text(encoding="utf-8").replace("{count}", share)
    script = "\n".join(
        (here / name).read_text(encoding="utf-8") for name in ("study_viewer.js", "study_page.js")
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{report.POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tumour outline</title>
<style>
{style()}</style></head>
<body>
<a class="skip" href="#main">To the content</a>
<header><h1>Tumour outline</h1>
<p class="soft">By {html.escape(_maker(summary))}</p></header>
<main id="main">
<div class="note"><p>{html.escape(_sentence(summary["not_for"]))}</p></div>
{_section("answer", "In short", _answer(summary))}
{_section("viewer-section", "Look at the study", shown)}
{_section("facts", "All facts", _table(_facts(summary)))}
</main>
<script type="application/json" id="study-data">{script_json(viewer)}</script>
<script>
{script}</script>
</body></html>
"""


def style() -> str:
    """The style of the pipeline's report, which this page shares."""
    return Path(report.__file__).with_name("page.css").read_text(encoding="utf-8")


def _section(name: str, title: str, inside: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{html.escape(title)}</h2>\n'
        f"{inside}\n</section>"
    )


def _answer(summary: Mapping[str, Any]) -> str:
    """What was found, and what speaks against it."""
    reliability = summary["reliability"]
    told = [f'<p class="answer">{html.escape(one)}</p>' for one in findings(summary)]
    for title, lines in (
        ("Doubtful, because:", reliability["reasons"]),
        ("Notes:", summary["notes"]),
    ):
        if lines:
            items = "".join(f"<li>{html.escape(one)}</li>" for one in lines)
            told.append(f'<div class="note"><strong>{title}</strong><ul>{items}</ul></div>')
    return "\n".join(told)


def findings(summary: Mapping[str, Any]) -> Iterator[str]:
    """The outline and its prompt, a sentence each."""
    outline, prompt = summary["outline"], summary["prompt"]
    count = outline["number_of_lesions"]
    if not count:
        yield "Nothing is outlined."
    else:
        lesions = "1 lesion" if count == 1 else f"{count} lesions"
        side = f", {outline['side']}" if outline["side"] else ""
        yield (
            f"{lesions}{side}: {outline['volume_ml']:.2f} ml, largest diameter "
            f"{outline['largest_diameter_mm']:.1f} mm."
        )
    if prompt["source"] == "none":
        yield "The network reads no prompt."
    else:
        quoted = f"“{prompt['text']}”" if prompt["text"] else "the empty one"
        yield f"Prompt: {quoted}, {SOURCES[prompt['source']]}."
    yield f"Reliability: {summary['reliability']['flag']}."


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every fact of the summary with its name."""
    study, outline, unsure = summary["study"], summary["outline"], summary["uncertainty"]
    yield "Volume", _amount(outline["volume_ml"], "ml")
    yield "Largest diameter", _amount(outline["largest_diameter_mm"], "mm")
    yield "Largest diameter in plane", _amount(outline["largest_in_plane_diameter_mm"], "mm")
    yield "Side", outline["side"] or "not known"
    yield "Lesions", str(outline["number_of_lesions"])
    for place, one in enumerate(outline["lesions"], 1):
        first, last = one["slices"]
        yield (
            f"Lesion {place}",
            f"{one['volume_ml']:.2f} ml, {one['largest_diameter_mm']:.1f} mm, slices {first} to {last}"
            + (f", {one['side']}" if one["side"] else ""),
        )
    yield "Mean vacuity", _unless(unsure["mean_vacuity"], unsure["no_vacuity_because"])
    yield (
        "Mean entropy",
        _unless(unsure["mean_entropy_bits"], unsure["no_entropy_because"], " bits"),
    )
    yield "Temperature", f"{unsure['temperature']:.4g}"
    yield from _prompt_facts(summary["prompt"])
    yield "Study", f"{study['kind']}, phase {study['phase']}"
    yield "Voxels", " x ".join(map(str, study["shape"]))
    yield "Spacing", " x ".join(f"{step:.4g}" for step in study["spacing_mm"]) + " mm"
    yield "Manufacturer", study["manufacturer"] or "not stated"
    yield "Field strength", _amount(study["field_strength_t"], "T", "not stated")
    yield "Package", _package(summary)
    yield "Package's sha256", summary["package"]["sha256"]
    yield "Input's sha256", summary["made_from"]["input_sha256"]


def _prompt_facts(prompt: Mapping[str, Any]) -> Facts:
    """The prompt, the words behind it and the detector's."""
    yield "Prompt", prompt["text"] or "the empty one"
    yield "Origin of the prompt", SOURCES[prompt["source"]]
    if prompt["stated"] is not None:
        yield "Prompt as stated", prompt["stated"]
    if prompt["automatic"] is not None:
        yield "Automatic prompt", prompt["automatic"] or "the empty one"
    if prompt["detector"] is not None:
        wrong = prompt["detector"]["wrong"]
        told = "; ".join(f"{slot} {share:.2f}" for slot, share in wrong.items())
        yield "Probability that a word is wrong", told or prompt["detector"]["reason"]


def _table(facts: Facts) -> str:
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>\n"
        for name, value in facts
    )
    return f'<div class="wide"><table><tbody>\n{rows}</tbody></table></div>'


def _package(summary: Mapping[str, Any]) -> str:
    package = summary["package"]
    return f"{package['name']} ({package['sha256'][:12]})"


def _maker(summary: Mapping[str, Any]) -> str:
    return f"{_package(summary)}, textbcs {summary['made_from']['textbcs']}"


def _amount(value: float | None, unit: str, none: str = "none") -> str:
    return none if value is None else f"{value:.4g} {unit}"


def _unless(value: float | None, because: str | None, unit: str = "") -> str:
    return f"{value:.4g}{unit}" if value is not None else because or "not known"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
