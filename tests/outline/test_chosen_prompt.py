"""Which prompt a case is asked with: typed, reported or automatic, and what the detector changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packages import SIZE, tiny_package

from textbcs.base.io import InputError
from textbcs.outline import chosen_prompt
from textbcs.outline.chosen_prompt import PromptWish, choose_prompt, needs_first_pass, read_prompt
from textbcs.package.reading import Package, read_package
from textbcs.prompt_check.examination import Examination

LEFT = "location left; shape round; size large; number one"
RIGHT = "location right; shape round; size large; number one"
FACTS = {"spacing_slice_mm": 3.0, "spacing_mm": 2.0, "midline_col": 15.5}
REPORT = "There is an irregular mass in the left breast measuring 25 x 20 x 18 mm."


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return read_package(tiny_package(tmp_path_factory.mktemp("package") / "p", "textbcs_plus"))


@pytest.fixture(scope="module")
def image_only(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return read_package(tiny_package(tmp_path_factory.mktemp("package") / "p", "unet"))


def found(left: bool) -> Any:
    """A ball on the patient's left or right, as a first pass's codes (z, S, S)."""
    z, y, x = np.indices((8, SIZE, SIZE))
    ball = ((z - 4) * 1.5) ** 2 + (y - 15) ** 2 + (x - (24 if left else 7)) ** 2 <= 30
    return (ball * 255).astype(np.uint8)


def chosen(package: Package, wish: PromptWish, first: Any) -> Any:
    image = np.random.default_rng(1).uniform(size=(8, SIZE, SIZE)).astype(np.float16)
    return choose_prompt(read_prompt(wish, package, "case"), wish, package, image, FACTS, first)


def judged(monkeypatch: pytest.MonkeyPatch, rejected: bool) -> None:
    told = Examination({"location": 0.97}, rejected, "location left is probably wrong (0.97)")
    monkeypatch.setattr(chosen_prompt, "examine", lambda *_: told)


def test_the_automatic_prompt_is_what_the_first_pass_found(package: Package) -> None:
    prompt = chosen(package, PromptWish(), found(left=True))
    assert (prompt.text, prompt.source, prompt.warnings) == (LEFT, "automatic", ())
    assert chosen(package, PromptWish(), found(left=False)).text == RIGHT
    silent = chosen(package, PromptWish(), found(left=True) * 0)
    assert (silent.text, silent.automatic, silent.source) == ("", "", "automatic")
    assert silent.warnings == ("the first pass found nothing, so the empty prompt is asked",)


def test_a_typed_prompt_is_examined_and_used(package: Package) -> None:
    typed = "Location LEFT,  shape round ; size Large; number one."
    prompt = chosen(package, PromptWish(text=typed), found(left=True))
    assert (prompt.text, prompt.stated, prompt.source) == (LEFT, LEFT, "given")
    assert prompt.automatic == LEFT
    assert prompt.examination is not None
    assert set(prompt.examination.wrong) == {"location", "shape", "size", "number"}


def test_a_prompt_that_is_probably_wrong_gives_way(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(monkeypatch, rejected=True)
    prompt = chosen(package, PromptWish(text=LEFT), found(left=False))
    assert (prompt.text, prompt.stated, prompt.source) == (RIGHT, LEFT, "automatic")
    assert prompt.warnings == (
        "location left is probably wrong (0.97); the automatic prompt takes its place",
    )
    kept = chosen(package, PromptWish(text=LEFT, fallback=False), found(left=False))
    assert (kept.text, kept.source) == (LEFT, "given")
    assert kept.warnings == ("location left is probably wrong (0.97); it is used all the same",)
    silent = chosen(package, PromptWish(text=LEFT), found(left=False) * 0)
    assert silent.text == ""
    assert len(silent.warnings) == 2
    judged(monkeypatch, rejected=False)
    right = chosen(package, PromptWish(text=LEFT), found(left=False))
    assert (right.text, right.warnings) == (LEFT, ())


def test_without_a_detector_nobody_judges_and_no_first_pass_is_asked(package: Package) -> None:
    bare = Package(package.source, package.settings, package.sha256, None)
    wish = PromptWish(text=LEFT)
    stated = read_prompt(wish, bare, "case")
    assert not needs_first_pass(stated, bare)
    assert needs_first_pass(stated, package)
    assert needs_first_pass(read_prompt(PromptWish(), bare, "case"), bare)
    assert chosen(bare, wish, None).text == LEFT


def test_a_network_that_reads_no_text_is_told_nothing(image_only: Package) -> None:
    for wish, warnings in ((PromptWish(), 0), (PromptWish(text=LEFT), 1)):
        stated = read_prompt(wish, image_only, "case")
        assert not needs_first_pass(stated, image_only)
        prompt = chosen(image_only, wish, None)
        assert (prompt.text, prompt.source, len(prompt.warnings)) == ("", "none", warnings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("location lefft; shape round; size large; number one", "did you mean 'left'?"),
        (
            "location left; shape spiky; size large; number one",
            "allowed: round, ellipse, irregular",
        ),
        ("left breast", "is not 'location …; shape …; size …; number …'"),
        ("", "is not 'location"),
        ("shape round; size large; number one", "no location is stated"),
        ("location left; shape round; size large; number one\n" * 9, "at most 200"),
    ],
)
def test_unknown_words_are_refused_with_the_nearest(
    package: Package, text: str, message: str
) -> None:
    with pytest.raises(InputError, match="--prompt: ") as error:
        read_prompt(PromptWish(text=text), package, "case")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_package_without_sides_takes_no_location(package: Package) -> None:
    sideless = Package(package.source, {**package.settings, "sides": "none"}, package.sha256, None)
    with pytest.raises(InputError, match="leave the location out"):
        read_prompt(PromptWish(text=LEFT), sideless, "case")
    stated = read_prompt(PromptWish(text=LEFT.partition("; ")[2]), sideless, "case")
    assert stated.prompt is not None
    assert stated.prompt.text == "shape round; size large; number one"


def test_a_report_is_read_or_said_to_say_too_little(package: Package, tmp_path: Path) -> None:
    file, table = tmp_path / "report.txt", tmp_path / "reports.csv"
    file.write_text(REPORT)
    table.write_text(f'patient,report\ncase,"{REPORT}"\nother,No mass.\n')
    for path in (file, table):
        stated = read_prompt(PromptWish(report=path), package, "case")
        assert stated.source == "report"
        assert stated.prompt is not None
        assert stated.prompt.text == "location left; shape irregular; size large; number one"
    file.write_text("A mass in the left breast measuring 20 mm.")
    for path, name in ((file, "case"), (table, "other"), (table, "third")):
        stated = read_prompt(PromptWish(report=path), package, name)
        assert (stated.prompt, stated.source) == (None, "automatic")
        assert stated.warnings[0].startswith("the report is not used, the automatic prompt is")
        with pytest.raises(InputError, match="leave --no-fallback out"):
            read_prompt(PromptWish(report=path, fallback=False), package, name)
    with pytest.raises(InputError, match=r"nowhere\.txt: file is missing"):
        read_prompt(PromptWish(report=tmp_path / "nowhere.txt"), package, "case")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no readable text file"):
        read_prompt(PromptWish(report=file), package, "case")


def test_a_detector_of_another_version_is_one_line(package: Package) -> None:
    from dataclasses import replace

    assert package.detector is not None
    slot = replace(package.detector.slots["location"], features=("as_yet_unknown", "peak"))
    other = replace(package.detector, slots={"location": slot})
    strange = Package(package.source, package.settings, package.sha256, other)
    with pytest.raises(InputError, match=r"detector\.json asks for a feature"):
        chosen(strange, PromptWish(text=LEFT), found(left=True))
