import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.dataset.prompt_grammar import (
    VOCABULARY,
    Prompt,
    PromptError,
    every_prompt,
    mirror,
    number_word,
    parse,
)

EVERY = [Prompt(*words) for words in itertools.product(*VOCABULARY.values())]


def test_the_papers_example() -> None:
    # TextBCS 4.1.
    text = "location left; shape irregular; size medium; number two."
    assert parse(text) == Prompt("left", "irregular", "medium", "two")
    assert parse(text).text == text.rstrip(".")


@given(st.sampled_from(EVERY))
def test_text_and_parse_are_inverse(prompt: Prompt) -> None:
    assert parse(prompt.text) == prompt


@given(st.sampled_from(EVERY))
def test_mirror_changes_the_side_alone_and_undoes_itself(prompt: Prompt) -> None:
    mirrored = parse(mirror(prompt.text))
    assert {prompt.location, mirrored.location} == {"left", "right"}
    assert (mirrored.shape, mirrored.size, mirrored.number) == (
        prompt.shape,
        prompt.size,
        prompt.number,
    )
    assert mirror(mirror(prompt.text)) == prompt.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("location rigth; shape round; size small; number one", "did you mean 'right'"),
        ("location left; shape round; size tiny; number one", "allowed: small, medium, large"),
        (
            "location left; size small; shape round; number one",
            "'size' stands where 'shape' belongs",
        ),
        ("location left; shape round; size small", "is not 'location"),
        ("", "is not 'location"),
        ("a" * 10_000, "text of 10000 characters"),
        ("location left\n; shape round; size sm\x00all; number one", "size 'sm.x00all'"),
        ("localização esquerda; shape round; size small; number one", "stands where 'location'"),
    ],
)
def test_texts_outside_the_grammar_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(PromptError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.sampled_from(EVERY))
def test_without_a_side_a_prompt_begins_with_the_shape(prompt: Prompt) -> None:
    sideless = replace(prompt, location="")
    assert sideless.text == prompt.text.partition("; ")[2]
    assert parse(sideless.text) == sideless == sideless.mirrored()
    assert sideless.slots == ("shape", "size", "number")


def test_every_prompt_is_there_once() -> None:
    assert [len(set(every_prompt(sided))) for sided in (True, False)] == [198, 99]


@pytest.mark.parametrize(("count", "word"), [(1, "one"), (10, "ten"), (11, "many"), (99, "many")])
def test_number_words(count: int, word: str) -> None:
    assert number_word(count) == word


def test_no_lesion_has_no_number() -> None:
    with pytest.raises(PromptError, match="at least one"):
        number_word(0)
