import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pagecase import SIDE, page
from PIL import Image

from textbcs.reporting.common.notes import retrained
from textbcs.reporting.common.printed_tables import PrintedTable
from textbcs.reporting.page import viewer
from textbcs.reporting.page.caveats import ONE_SEED, SEVERAL_SEEDS, limits, shortfall
from textbcs.reporting.page.contents import FIGURES
from textbcs.reporting.page.forest_plot import score_plot
from textbcs.reporting.page.page import render
from textbcs.stages.evaluation.replicates import spread

VOID = {"meta", "img", "br", "input"}


class Outline(HTMLParser):
    """Collects ids, references and labels, and whether every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.sources: list[str] = []
        self.unlabelled: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.targets += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []
        if (tag == "img" and not given.get("alt")) or (
            tag in ("canvas", "svg", "nav") and not given.get("aria-label")
        ):
            self.unlabelled.append(tag)
        if tag in ("select", "input") and "label" not in self.open:
            self.unlabelled.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        pass

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    assert found.open == []
    return found


def test_page_is_one_file_whose_every_link_leads_somewhere() -> None:
    found = outline(render(page()))
    assert len(found.ids) == len(set(found.ids))
    assert all(source.startswith("data:image/png;base64,") for source in found.sources)
    inside = {target[1:] for target in found.targets if target.startswith("#")}
    assert inside <= set(found.ids)
    assert {"table1", "table4", "figure-overview", "runs", "meaning", "viewer-section"} <= inside
    others = {target for target in found.targets if not target.startswith("#")}
    assert others
    assert all(re.fullmatch(r"trace/table\d\.html#r\d+\.\w+", target) for target in others)
    assert found.unlabelled == []


def test_page_names_no_address_and_its_policy_forbids_requests() -> None:
    # Pictures are text too, in which anything may stand by chance.
    text = re.sub(r"base64,[\w+/=]+", "", render(page()))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttp", text)
    assert "default-src 'none'" in text


def test_page_escapes_and_shows_what_it_was_given() -> None:
    text = render(page())
    assert "<x>" not in text
    assert "<b>" not in text
    assert "UNet &lt;x&gt;" in text
    assert "text encoder minilm (&lt;x&gt;);" in text
    # A negative result stands there as it is.
    assert "<td class=n>-2.00</td>" in text
    assert "say nothing about real patients" in text
    assert "Duke, not comparable" in text


def test_equal_contents_give_equal_bytes() -> None:
    assert render(page()) == render(page())


def test_cells_lead_to_their_anchor() -> None:
    text = render(page())
    assert '<a href="trace/table1.html#r2.dice_patient_mean">71.00</a>' in text
    assert '<a href="trace/table1.html#r1.paper_dice">&lt; 0.0001</a>' in text


def test_caveats_follow_the_cohort() -> None:
    phantom, other = limits(True, 1, True), limits(False, 1, True)
    assert "synthetic" in phantom[0]
    assert not any("synthetic" in sentence for sentence in other)
    several = limits(False, 5, False)
    assert len(several) == len(other) - 1
    assert (ONE_SEED in several, SEVERAL_SEEDS in several) == (False, True)


def test_the_page_opens_with_the_answer_and_the_picture() -> None:
    text = render(page())
    answer, picture, contents, caveats = (
        text.index(part)
        for part in ("On 2 patients", 'id="figure-overview"', "<nav", "Slices &lt;b&gt; are not")
    )
    assert answer < picture < contents < caveats
    assert text.count('id="figure-overview"') == text.count("Slices &lt;b&gt; are not") == 1
    bare = render(replace(page(), figures={}))
    assert "figure-overview" not in bare


def test_titles_stand_outside_of_what_scrolls() -> None:
    text = render(page())
    assert '<p class="caption" id="table1-title">Table 1. Test</p>\n<div class="wide"' in text
    assert '<table aria-labelledby="table1-title">' in text


def test_the_glance_shows_what_the_prompt_alone_buys() -> None:
    text = render(page())
    assert "Dashed: 12.5" in text
    assert text.count('class="prior"') == 1
    without = render(replace(page(), prior=None))
    assert "Dashed: 12.5" not in without
    assert 'class="prior"' not in without
    trivial = PrintedTable("Trivial", ["label"], ["Method"], [["UNet"]])
    linked = render(replace(page(), tables={**page().tables, "trivial": trivial}))
    assert '<a href="#trivial">Which methods do better</a>' in linked


def test_the_page_says_what_intervals_cover() -> None:
    runs = [
        {"quantity": "dice", "patients": 184, "coverage": 0.94675},
        {"quantity": "dice", "patients": 32, "coverage": 0.91555},
        {"quantity": "difference_rescues", "patients": 32, "coverage": 0.90695},
    ]
    coverage = {"confidence": 0.95, "simulations": 20000, "runs": runs}
    said = shortfall(coverage, 30)
    assert (
        "with 32 patients in 91.6 % for a mean Dice, 90.7 % for a difference that few patients carry; "
        "with 184 patients in 94.7 % for a mean Dice" in said
    )
    assert said.endswith("This test split has 30: expect no more than with 32.")
    assert shortfall(coverage, 100).endswith("This test split has 100.")
    assert said in limits(True, 1, True, said)
    assert page().caveats[0] in render(page())


def test_the_simulation_on_file_has_words_for_all_it_measured() -> None:
    """One source: what the benchmark wrote is what the page prints."""
    path = Path(__file__).parents[3] / "benchmarks/results/coverage.json"
    coverage = json.loads(path.read_text(encoding="utf-8"))
    said = shortfall(coverage, 32)
    assert said.count(" % for ") == len(coverage["runs"])
    for run in coverage["runs"]:
        assert f"{100 * run['coverage']:.1f} %" in said


def test_a_script_element_holds_the_data_whatever_they_say() -> None:
    value = {"prompt": "</script><script>alert(1)</script>\u2028"}
    text = viewer.script_json(value)
    assert "<" not in text
    assert json.loads(text) == value


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("width", [6, 7])
def test_png_is_what_another_reader_reads(bits: int, width: int) -> None:
    values = np.random.default_rng(bits).integers(0, 2**bits, (5, width)).astype(np.uint8)
    with Image.open(io.BytesIO(viewer.grey_png(values, bits))) as picture:
        read = np.asarray(picture.convert("L"))
    assert (read == values * (255 // (2**bits - 1))).all()


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_levels_keep_the_threshold(threshold: float) -> None:
    value = np.concatenate(
        [np.linspace(0, 1, 4001), [threshold, np.nextafter(np.float32(threshold), 1)]]
    )
    value = value.astype(np.float32)
    levels = viewer.probability_levels(value, threshold)
    assert ((levels >= 8) == (value > np.float32(threshold))).all()
    assert levels.max() == 15
    assert (np.diff(levels[:4001].astype(int)) >= 0).all()


def test_vacuity_levels_are_logarithmic() -> None:
    levels = viewer.vacuity_levels(np.array([1e-6, 1e-4, 1e-3, 1.0]))
    assert levels.tolist() == [0, 0, 64, 252]


def test_tiles_stand_in_order() -> None:
    values = np.arange(5)[:, None, None] * np.ones((5, 2, 3), int)
    sheet = viewer.tile(values, 2)
    assert sheet.shape == (6, 6)
    assert sheet[::2, ::3].tolist() == [[0, 1], [2, 3], [4, 0]]


def test_viewer_thins_out_what_would_be_too_much(monkeypatch) -> None:
    monkeypatch.setattr(viewer, "MOST_SLICES", 2)
    monkeypatch.setattr(viewer, "MOST_PIXELS", 8)
    slices = [{"id": str(i)} for i in range(5)]
    zeros = np.zeros((5, SIDE, SIDE))
    data = viewer.viewer_data(slices, zeros, zeros, [], 0.5)
    assert [one["id"] for one in data["slices"]] == ["0", "4"]
    assert data["size"] == [8, 8]
    sheet = base64.b64decode(data["image"].partition(",")[2])
    with Image.open(io.BytesIO(sheet)) as picture:
        assert picture.size == (8 * viewer.COLUMNS, 8)


def test_a_broad_figure_scrolls() -> None:
    narrow, broad = (
        render(
            replace(page(), figures={"ranks": viewer.grey_png(np.zeros((2, width), np.uint8), 8)})
        )
        for width in (2400, 2401)
    )
    assert 'class="broad"' not in narrow
    assert 'class="broad" tabindex="0"><img' in broad
    assert 'width="2401" height="2"' in broad


def test_figures_have_a_heading_and_a_caption() -> None:
    assert all(title and caption.endswith(".") for title, caption in FIGURES.values())


def test_how_far_other_trainings_lie() -> None:
    measured = spread([1, 2], {"unet": [52.5, 50.0], "textbcs": [60.0, 64.0]}, "textbcs")
    said = retrained(measured)
    assert "2 seeds (1, 2)" in said
    assert "UNet 1.8 points (50.0 to 52.5), TextBCS 2.8 points (60.0 to 64.0)" in said
    assert said.endswith("TextBCS minus UNet +7.5 to +14.0 (2 of 2 above 0).")
    placed = retrained(measured, [1])
    assert placed.startswith(said)
    assert placed.endswith("here, 1, among the 2 of each (1 is the best): UNet 1, TextBCS 2.")
    assert retrained(measured, [1, 2]) == said
    alone = retrained(spread([1, 2], {"textbcs": [60.0, 64.0]}, "textbcs"))
    assert alone.endswith("TextBCS 2.8 points (60.0 to 64.0).")
    assert retrained(spread([1], {"unet": [52.5], "textbcs": [60.0]}, "textbcs"), [1]) == ""


@pytest.mark.parametrize("phantom", [True, False])
@pytest.mark.parametrize("seeds", [1, 5])
def test_the_spread_is_told_on_every_cohort(phantom: bool, seeds: int) -> None:
    told = {"phantom": phantom, "seeds": seeds, "derived": True}
    assert "How far." in limits(**told, spread="How far.")
    assert (ONE_SEED in limits(**told)) is (seeds == 1)


def test_a_point_without_limits_stands_alone() -> None:
    row = {"method": "unet", "label": "UNet", "dice": 50.0}
    plain = score_plot([{**row, "low": 50.0, "high": 50.0}])
    assert score_plot([{**row, "low": float("nan"), "high": float("nan")}]) == plain
