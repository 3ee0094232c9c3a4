"""Probe prompts against their definitions, and against masks whose facts are known."""

from collections import Counter

import numpy as np
import pytest

from textbcs.dataset.prompt_grammar import parse
from textbcs.prompts.automatic import automatic_prompt
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import (
    NOTHING,
    SWAPPED,
    WITHOUT,
    possible_texts,
    probe_texts,
    shortened,
    shuffled,
    swapped,
)

A, B, C = (
    "location left; shape round; size small; number one",
    "location right; shape ellipse; size large; number two",
    "location left; shape irregular; size medium; number four",
)
RULES = {"irregular_below_solidity": 0.85, "ellipse_above_eccentricity": 0.75}


@pytest.mark.parametrize("seed", range(8))
def test_shuffled_is_a_derangement_between_patients(seed: int) -> None:
    texts = [A, A, B, A, C, B, B, C, A, C]
    patients = list("aabbccddee")
    found = shuffled(texts, patients, seed)
    assert Counter(found) == Counter(texts)
    assert all(one != own for one, own in zip(found, texts, strict=True))
    assert found == shuffled(texts, patients, seed)


def test_shuffled_never_takes_the_same_patients_prompt() -> None:
    # For the first slice, only d's C is another patient's and another prompt.
    for seed in range(10):
        found = shuffled([A, B, A, A, C], list("aabcd"), seed)
        assert found[0] == C
        assert found[1] in (A, C)


def test_where_one_prompt_is_too_common_the_rest_is_drawn() -> None:
    found = shuffled([A, A, A, A, B], list("abcde"), 1)
    assert found == [B, B, B, B, A]


def test_a_split_too_small_for_that_still_gets_wrong_prompts() -> None:
    # c's A has no other patient's other prompt, only her own B.
    assert shuffled([A, A, A, B], list("abcc"), 1)[2] == B
    alone = shuffled([A, A], list("ab"), 0)
    own = parse(A)
    assert all(not set(vars(parse(text)).items()) & set(vars(own).items()) for text in alone)


def test_one_phrase_is_left_out_and_the_rest_stays() -> None:
    assert [shortened(parse(A), probe) for probe in WITHOUT] == [
        "shape round; size small; number one",
        "location left; size small; number one",
        "location left; shape round; number one",
        "location left; shape round; size small",
    ]


@pytest.mark.parametrize("probe", SWAPPED[:4])
def test_one_word_is_wrong_and_only_that(probe: str) -> None:
    slot = probe.removeprefix("swapped_")
    texts = [A, B, C] * 20
    found = swapped(texts, probe, 5)
    seen = set()
    for own, wrong in zip(map(parse, texts), map(parse, found), strict=True):
        differ = {name for name in vars(own) if getattr(own, name) != getattr(wrong, name)}
        assert differ == {slot}
        seen.add((getattr(own, slot), getattr(wrong, slot)))
    expected = {
        "location": {("left", "right"), ("right", "left")},
        "shape": {(a, b) for a in SHAPES for b in SHAPES if a != b},
        "size": {(a, b) for a in SIZES for b in SIZES if a != b},
        "number": {
            (a, b) for a in ("one", "two", "four") for b in ("one", "two", "three") if a != b
        },
    }
    assert seen == expected[slot]


SHAPES, SIZES = ("round", "ellipse", "irregular"), ("small", "medium", "large")


def test_all_wrong_is_each_wrong_at_once() -> None:
    texts = [A, B, C] * 5
    each = {probe: swapped(texts, probe, 9) for probe in SWAPPED}
    for place, together in enumerate(map(parse, each["swapped_all"])):
        for slot in vars(together):
            alone = parse(each[f"swapped_{slot}"][place])
            assert getattr(together, slot) == getattr(alone, slot)


def test_every_probe_of_every_slice_can_be_embedded_beforehand() -> None:
    texts, patients, paraphrases = [A, B, C, A], list("abcd"), read_paraphrases()
    automatic = [B, NOTHING, "location right; shape round; size medium; number many", A]
    probes = probe_texts(texts, patients, automatic, paraphrases, 41)
    assert next(iter(probes)) == "true"
    assert probes["true"] == texts
    assert probes["automatic"] == automatic
    assert probes["empty"] == [""] * 4
    assert len(probes) == 4 + 5 + 1 + 14 + 4
    assert all(len(of) == 4 for of in probes.values())
    possible = possible_texts([C, A, B], paraphrases, 41)
    assert {text for of in probes.values() for text in of} <= set(possible)
    # The grammar, three prompts' fourteen wordings, typing errors and four omissions, and the empty one.
    assert len(possible) == len(set(possible)) == 198 + 3 * 19 + 1
    assert possible == sorted(possible)


def mask_of(*centres: tuple[int, int], radius: float = 6) -> np.ndarray:
    rows, columns = np.mgrid[:64, :64]
    return np.any([(rows - y) ** 2 + (columns - x) ** 2 <= radius**2 for y, x in centres], axis=0)


def automatic(mask: np.ndarray, thresholds=(100.0, 500.0), sides: str = "patient") -> str:
    return automatic_prompt(mask, (1.0, 1.0), 31.5, 20.0, thresholds, RULES, sides)


def test_an_automatic_prompt_says_what_the_mask_shows() -> None:
    # A disc of radius 6 has about 113 mm2; the patient's left is at larger columns.
    assert automatic(mask_of((30, 50))) == "location left; shape round; size medium; number one"
    two = automatic(mask_of((30, 10), (50, 10)))
    assert two == "location right; shape round; size medium; number two"
    assert parse(automatic(mask_of((30, 10)), (120.0, 500.0))).size == "small"
    bar = np.zeros((64, 64))
    bar[10:14, 5:30] = 1
    assert parse(automatic(bar)).shape == "ellipse"


def test_an_automatic_prompt_names_sides_as_the_cohort_does() -> None:
    there, here = mask_of((30, 50)), mask_of((30, 10))
    assert parse(automatic(there, sides="image")).location == "right"
    assert parse(automatic(here, sides="image")).location == "left"
    assert {parse(automatic(one, sides="none")).location for one in (here, there)} == {""}


def test_the_side_with_more_of_it_is_named() -> None:
    both = mask_of((30, 50)) | mask_of((30, 10), (50, 10))
    assert parse(automatic(both)).location == "right"
    assert parse(automatic(both)).number == "three"


def test_what_is_too_small_gives_no_prompt() -> None:
    assert automatic(mask_of((30, 50), radius=2)) == NOTHING
    assert automatic(np.zeros((64, 64))) == NOTHING
