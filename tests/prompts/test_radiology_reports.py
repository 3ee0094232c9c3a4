"""Reports in free text: what is stated counts, what is denied, past or on the other side does not."""

import math

import pytest

from textbcs.dataset.prompt_grammar import PromptError
from textbcs.prompts.radiology_reports import clauses, read_report

THRESHOLDS = (100.0, 300.0)

READ = [
    (
        "There is a 2.3 x 1.8 x 2.0 cm irregular mass in the left breast.",
        "location left; shape irregular; size large; number one",
    ),
    (
        "Right breast: No suspicious mass. Left breast: Oval 9 mm mass at 3 o'clock, 4 cm from the nipple.",
        "location left; shape ellipse; size small; number one",
    ),
    (
        "No suspicious mass in the right breast. In the left breast, there is a round mass. "
        "It measures 15 mm.",
        "location left; shape round; size medium; number one",
    ),
    (
        "No mass in the right breast, but a large ovoid lesion in the left.",
        "location left; shape ellipse; size large; number one",
    ),
    (
        "The left breast is unremarkable without mass or suspicious enhancement. The right breast shows "
        "two small round masses.",
        "location right; shape round; size small; number two",
    ),
    (
        "Irregular mass in the right breast and two satellite nodules, together medium-sized. An "
        "irregular mass, without skin involvement.",
        "location right; shape irregular; size medium; number three",
    ),
    (
        "History of left breast cancer, status post lumpectomy. A spiculated lesion in the right breast "
        "measures 12 mm. No lesion on the left.",
        "location right; shape irregular; size medium; number one",
    ),
    (
        "Round mass with irregular margins, Lt breast, 8 mm. Background parenchymal enhancement is marked "
        "in the right breast.",
        "location left; shape round; size small; number one",
    ),
    (
        "FINDINGS:\nRight breast: multiple irregular foci, up to 30 mm.\nLeft breast: negative for "
        "malignancy.\nIMPRESSION: A mass in the right breast, BI-RADS 5. A mass on the left excluded.",
        "location right; shape irregular; size large; number many",
    ),
    (
        "IMPRESSION: 1. Small oval mass, right breast.\n2. The lymph nodes on the left are normal.",
        "location right; shape ellipse; size small; number one",
    ),
    (
        "The previously described mass in the left breast has resolved. One 20 mm irregular tumour "
        "is seen in the right breast; malignancy cannot be excluded.",
        "location right; shape irregular; size large; number one",
    ),
    (
        "3 enhancing round lesions are present in the right breast, 4 mm, 5 mm and 6 mm.",
        "location right; shape round; size small; number three",
    ),
]


@pytest.mark.parametrize(("text", "prompt"), READ)
def test_reports_are_read(text: str, prompt: str) -> None:
    assert read_report(text, THRESHOLDS).text == prompt


@pytest.mark.parametrize(("text", "prompt"), READ)
def test_a_mirrored_report_gives_the_mirrored_prompt(text: str, prompt: str) -> None:
    swap = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "Lt": "Rt"}
    import re

    mirrored = re.sub("|".join(swap), lambda match: swap[match[0]], text)
    side = read_report(text, THRESHOLDS).location
    assert read_report(mirrored, THRESHOLDS).location == swap[side]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "states no lesion"),
        ("No mass, lesion or suspicious enhancement in either breast.", "states no lesion"),
        ("The known mass in the left breast is no longer seen.", "states no lesion"),
        ("Negative for malignancy.", "states no lesion"),
        ("No mass effect. Normal lymph nodes.", "states no lesion"),
        ("A mass.", "no side is stated, no shape is stated, no size is stated"),
        ("A small round mass in the left and an oval mass in the right breast.", "both breasts"),
        ("Bilateral small round masses.", "both breasts, no number is stated"),
        ("Small round masses in the left breast.", "no number is stated"),
        ("x" * 20_001, "at most 20000"),
    ],
)
def test_what_is_not_stated_is_said(text: str, words: str) -> None:
    with pytest.raises(PromptError, match=words) as error:
        read_report(text, THRESHOLDS)
    assert "\n" not in str(error.value)


def test_sizes_are_areas_of_ellipses() -> None:
    """20 x 10 mm are 157 mm²: at the threshold still the smaller class."""
    text = "A round mass in the left breast, 20 x 10 x 5 mm."
    area = math.pi / 4 * 20 * 10
    assert read_report(text, (area, 900)).size == "small"
    assert read_report(text, (area - 0.01, 900)).size == "medium"
    assert (
        read_report(text.replace("20 x 10 x 5 mm", "2.0 cm x 1.0 cm"), (area, 900)).size == "small"
    )
    circle = math.pi / 4 * 400
    assert read_report(text.replace("20 x 10 x 5 mm", "20-mm"), (1, circle)).size == "medium"


def test_denied_lesions_make_no_clause() -> None:
    found = clauses("An oval mass in the left breast. No other lesion. It measures 9 cm.")
    assert [clause.side for clause in found] == ["left"]


SIZES = [
    ("0,9 cm", 9.0),
    ("9mm", 9.0),
    ("9-mm", 9.0),
    (".9 cm", 9.0),
    ("0·9 cm", 9.0),
    ("0,95 cm", 9.5),
    ("9\u00a0mm", 9.0),
    ("9\u2011mm", 9.0),
    ("9 millimetres", 9.0),
    ("0.9 centimeter", 9.0),
    ("1 cm 2 mm", 12.0),
    ("1 cm and 2 mm", 12.0),
    ("0.5\u20130.9 cm", 9.0),
    ("0,5 - 0,9 cm", 9.0),
    ("5 mm to 9 mm", 9.0),
    ("1.2 x 0,9 cm", math.sqrt(12 * 9)),
    ("1,2x0,9 cm", math.sqrt(12 * 9)),
    ("1.2 cm x 9 mm", math.sqrt(12 * 9)),
    ("1.2 * 0.9 cm", math.sqrt(12 * 9)),
    ("1,2 cm AP x 0,9 cm CC x 1,0 cm TR", math.sqrt(12 * 10)),
]


@pytest.mark.parametrize(("written", "diameter"), SIZES)
@pytest.mark.parametrize(
    "report", ["An {} irregular mass, left breast.", "Irregular mass, left breast, measuring {}."]
)
def test_sizes_are_read_as_people_write_them(report: str, written: str, diameter: float) -> None:
    """The area lies between tertiles just above and below the ellipse's; one lesion is counted."""
    area = math.pi / 4 * diameter**2
    for limits, word in (
        ((area - 0.01, area + 0.01), "medium"),
        ((area + 0.01, area + 1.0), "small"),
        ((0.5, area - 0.01), "large"),
    ):
        found = read_report(report.format(written), limits)
        assert found.text == f"location left; shape irregular; size {word}; number one"


@pytest.mark.parametrize("written", ["80 mm^2", "80 mm2", "80 mm\u00b2", "4,5,6 mm", "1200 mm"])
def test_what_is_no_diameter_is_no_size(written: str) -> None:
    with pytest.raises(PromptError, match="no size is stated"):
        read_report(f"A {written} irregular mass in the left breast.", THRESHOLDS)


def test_the_digits_of_a_size_count_no_lesions() -> None:
    found = read_report("In the left breast a 2,3 cm round mass and a 5 to 9 mm nodule.", (1, 2))
    assert found.number == "two"
    assert read_report("3 round masses of 0,4 cm on the left.", (1, 2)).number == "three"
