"""A small page with all that a page can have, for the tests of its text and of a browser's view."""

import numpy as np

from textbcs.reporting.common.printed_tables import PrintedTable
from textbcs.reporting.common.volume_cases import Case, Reading
from textbcs.reporting.page.page import Page
from textbcs.reporting.page.viewer import Layer, grey_png, viewer_data
from textbcs.reporting.page.volume_viewer import volume_data

SIDE = 16
ROWS = [
    {
        "method": name,
        "label": text,
        "dice": dice,
        "low": dice - 5,
        "high": dice + 5,
    }
    for name, text, dice in (
        ("unet", "UNet <x>", 60.0),
        ("lvit", "LViT", 71.0),
        ("textbcs", "TextBCS", 9.5),
    )
]


def printed_tables() -> dict[str, PrintedTable]:
    """Three tables: of all methods, of differences, and one with a note."""
    cells = [
        [row["label"], f"{row['dice']:.2f}", "–" if i else "< 0.0001"] for i, row in enumerate(ROWS)
    ]
    columns = ["label", "dice_patient_mean", "paper_dice"]
    headers = ["Method", "Dice % (mean over patients)", "Paper Dice % (Duke, not comparable)"]
    notes = ["The tests do not agree <b>."]
    return {
        "table1": PrintedTable("Table 1. Test", columns, headers, cells),
        "table1_differences": PrintedTable(
            "", ["a", "b"], ["TextBCS minus", "Points"], [["UNet", "-2.00"]]
        ),
        "table4": PrintedTable("Table 4", ["label"], ["TextBCS against"], [["UNet"]], notes),
    }


def volume_cases() -> list[Case]:
    """Two patients of five slices, lesion in the third; two readings, the second of them wrong."""
    cases = []
    for number, (patient, rule) in enumerate((("V0", "worst"), ("V1", "median and best"))):
        image = np.random.default_rng(number).integers(0, 256, (5, SIDE, SIDE), dtype=np.uint8)
        mask = np.zeros(image.shape, bool)
        mask[2, 4:9, 4:9] = mask[3, 5:7, 5:7] = True
        readings = [
            Reading("UNet, prompt: none", "", mask, 1.0, 0, 0.0),
            Reading("TextBCS <x>, prompt: automatic", "left <b>", mask[::-1], 0.25, 1, 2.5),
        ]
        cases.append(Case(patient, rule, image, mask, readings))
    return cases


def page() -> Page:
    """Two patients, three methods of which one has vacuity, numbers whose text order is another."""
    draw = np.random.default_rng(5)
    images = draw.random((3, SIDE, SIDE))
    masks = np.zeros((3, SIDE, SIDE), np.uint8)
    masks[:2, 4:9, 4:9] = 1
    slices = [
        {
            "id": f"s{i}",
            "patient": f"P{i // 2}",
            "z": i,
            "source": "expert",
            "prompt": "location left",
        }
        | {"kind": "tumour" if i < 2 else "negative"}
        for i in range(3)
    ]
    layers = [
        Layer(
            row["method"],
            row["label"],
            np.roll(masks, place, axis=2) * 0.9,
            np.full((3, SIDE, SIDE), 0.1) if row["method"] == "textbcs" else None,
            np.array([0.25 * place, 0.5, np.nan]),
        )
        for place, row in enumerate(ROWS)
    ]
    return Page(
        answer=["On 2 patients TextBCS <x> is best.", "They say nothing about real patients."],
        caveats=["An interval named 95 % covers less.", "Slices <b> are not independent."],
        facts=[("Cohort", "phantom cohort"), ("Text encoder", "minilm (<x>)"), ("Seeds", "1")],
        methods=(["Method", "First weights"], [["UNet", "none"]]),
        prior=12.5,
        scores=ROWS,
        tables=printed_tables(),
        figures={"overview": grey_png(np.zeros((4, 4), np.uint8), 8)},
        viewer=viewer_data(slices, images, masks, layers, 0.5),
        volumes=volume_data(volume_cases()),
    )
