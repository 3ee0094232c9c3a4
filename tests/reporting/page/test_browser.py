"""The page in a real Chromium without a window: what a reader's browser makes of it."""

from pathlib import Path

import pytest
from browser import needs_browser, run, seen_by
from pagecase import page

from textbcs.reporting.page.page import render

pytestmark = needs_browser
DRIVER = (Path(__file__).parent / "browser_driver.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "index.html"
    file.write_text(
        render(page()).replace("</body>", f"<script>{DRIVER}</script></body>"), encoding="utf-8"
    )
    return seen_by(run(folder, "--dump-dom", file.as_uri()))


def test_no_error_reaches_the_console(seen) -> None:
    assert seen["errors"] == []
    assert "CONSOLE" not in seen["log"]


def test_a_click_on_a_heading_sorts_by_number(seen) -> None:
    # As text, 9.50 would be the largest.
    before, down, told_down, up, told_up = seen["sorted"]
    assert before == ["60.00", "71.00", "9.50"]
    assert (down, told_down) == (["71.00", "60.00", "9.50"], "descending")
    assert (up, told_up) == (["9.50", "60.00", "71.00"], "ascending")


def test_what_is_missing_comes_last(seen) -> None:
    assert seen["missing"] == ["< 0.0001", "–", "–"]


def test_the_viewer_draws_what_is_chosen(seen) -> None:
    place, image, overlay, belief, status = range(5)
    assert seen["start"][place] == "0/textbcs/probability"
    assert "P0, slice 0 (tumour slice); TextBCS: Dice 0.500" in seen["start"][status]
    assert seen["method"][image] == seen["start"][image]
    assert seen["method"][overlay] != seen["start"][overlay]
    assert seen["method"][belief] != seen["start"][belief]
    assert seen["vacuity"][place] == "0/textbcs/vacuity"
    assert seen["vacuity"][belief] != seen["start"][belief]
    assert seen["patient"][place] == "2/textbcs/vacuity"
    assert seen["patient"][image] != seen["start"][image]
    assert "no reference, Dice not defined" in seen["patient"][status]


def test_arrow_keys_buttons_and_ticks_work(seen) -> None:
    # After the last slice comes the first again.
    assert seen["right"] == seen["vacuity"]
    assert seen["up"][0].startswith("0/lvit/")
    assert seen["bare"][2] != seen["up"][2]
    assert seen["strip"][0].startswith("0/unet/")
    assert seen["buttons"] == ["UNet <x> 0.00", "LViT 0.25", "TextBCS 0.50"]


def test_a_whole_volume_is_scrolled(seen) -> None:
    drawn, start, right, up, wheel = seen["volume"]
    assert drawn == "V0/1/2"  # opened where the reference is largest
    assert "V0 (worst), slice 3 of 5; TextBCS <x>, prompt: automatic: Dice 0.250" in start
    assert "slice 4 of 5; TextBCS" in right
    assert "slice 4 of 5; UNet, prompt: none: Dice 1.000, 0 false components" in up
    assert "slice 3 of 5; UNet" in wheel


def test_a_pixel_of_the_canvas_is_the_slices_own(seen) -> None:
    value = page_image()[3, 5]
    assert seen["pixel"] == [value, value, value, 255]


def page_image():
    import numpy as np

    images = np.random.default_rng(5).random((3, 16, 16))
    return np.round(255 * images[0].astype(np.float32)).astype(int)


def test_the_page_prints(tmp_path) -> None:
    file = tmp_path / "index.html"
    file.write_text(render(page()), encoding="utf-8")
    target = tmp_path / "page.pdf"
    run(tmp_path, f"--print-to-pdf={target}", file.as_uri())
    content = target.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(content) > 10_000
