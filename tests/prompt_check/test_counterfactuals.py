"""Which prompts are asked besides a case's own."""

from dataclasses import replace

import pytest

from textbcs.dataset.prompt_grammar import VOCABULARY, every_prompt, parse
from textbcs.prompt_check.counterfactuals import (
    TRUE,
    WRONG,
    asked_prompts,
    counterfactual,
    wrong_prompts,
)

OWN = parse("location left; shape irregular; size medium; number two")


def differing(one, other) -> list[str]:
    return [slot for slot in VOCABULARY if getattr(one, slot) != getattr(other, slot)]


@pytest.mark.parametrize("slot", VOCABULARY)
def test_a_word_is_held_against_one_other_word(slot: str) -> None:
    for prompt in every_prompt(sided=True):
        for automatic in (None, prompt, OWN):
            assert differing(prompt, counterfactual(prompt, slot, automatic)) == [slot]


def test_the_other_word_is_that_of_the_automatic_prompt_where_it_differs() -> None:
    automatic = replace(OWN, size="small", number="four")
    assert counterfactual(OWN, "number", automatic).number == "four"
    assert counterfactual(OWN, "size", automatic).size == "small"
    assert counterfactual(OWN, "shape", automatic).shape == "round"
    assert counterfactual(OWN, "location", None).location == "right"


def test_a_wrong_prompt_has_one_wrong_word_that_training_knows() -> None:
    for patient in map(str, range(40)):
        wrong = wrong_prompts(OWN.text, patient, 53)
        assert list(wrong) == [WRONG + slot for slot in VOCABULARY]
        for name, text in wrong.items():
            assert [WRONG + slot for slot in differing(OWN, parse(text))] == [name]
            assert parse(text).number in ("one", "two", "three")


def test_wrong_words_are_drawn_evenly_and_by_patient() -> None:
    drawn = [wrong_prompts(OWN.text, f"p{number}", 53) for number in range(400)]
    shapes = [parse(one["wrong_shape"]).shape for one in drawn]
    assert 150 < shapes.count("round") < 250
    assert set(shapes) == {"round", "ellipse"}
    # Slots are drawn apart: else the shape would tell the size.
    both = [(parse(one["wrong_shape"]).shape, parse(one["wrong_size"]).size) for one in drawn]
    assert len(set(both)) == 4
    assert min(both.count(pair) for pair in set(both)) > 60
    assert wrong_prompts(OWN.text, "p7", 53) == drawn[7]
    assert [wrong_prompts(OWN.text, f"p{n}", 54) for n in range(40)] != drawn[:40]


def test_the_other_side_is_the_wrong_side() -> None:
    assert wrong_prompts(OWN.text, "a", 1)["wrong_location"] == OWN.mirrored().text


def test_each_word_of_the_right_prompt_and_the_wrong_words_are_examined() -> None:
    asked = asked_prompts(OWN.text, "a", 1)
    assert {name: slots for name, (_, slots) in asked.items()} == {
        TRUE: tuple(VOCABULARY),
        **{WRONG + slot: (slot,) for slot in VOCABULARY},
    }
    assert asked[TRUE][0] == OWN


def test_without_sides_no_side_can_be_wrong() -> None:
    text = replace(OWN, location="").text
    asked = asked_prompts(text, "a", 1)
    assert list(asked) == [TRUE, "wrong_shape", "wrong_size", "wrong_number"]
    assert asked[TRUE][1] == ("shape", "size", "number")
