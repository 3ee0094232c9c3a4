"""Features of words on answers made by hand: what each says, and that above 0 speaks for the word."""

import math
from dataclasses import replace

import numpy as np
import pytest

from textbcs.dataset.prompt_grammar import VOCABULARY, parse
from textbcs.prompt_check.answers import Answer
from textbcs.prompt_check.features import (
    FirstPass,
    agreement,
    largest_finding_mm3,
    margin,
    soft_dice,
    word_features,
)

SIZE, STAGES, GRID = 16, 4, 4
LEFT = parse("location left; shape round; size small; number one")
LIMITS = (100.0, 1000.0)
L, R = slice(12, 16), slice(0, 4)


def blob(columns: slice, level: float = 1.0, slices: int = 2) -> np.ndarray:
    """A block of probability on rows 4 to 7."""
    probability = np.zeros((slices, SIZE, SIZE), np.float32)
    probability[:, 4:8, columns] = level
    return probability


def answer(probability: np.ndarray, tokens: slice = slice(0, 0), alike: float = 0.0) -> Answer:
    """A map, and a similarity that is raised at some columns of tokens."""
    similarity = np.zeros((STAGES, len(probability), GRID, GRID), np.float32)
    similarity[..., tokens] = alike
    return Answer(probability, similarity)


def first(columns: slice = L, **changes) -> FirstPass:
    """A first pass that is sure of a block; larger columns are the patient's left."""
    codes = blob(columns, 255, 3).astype(np.uint8)
    facts = FirstPass(codes, np.array([0, 2]), 7.5, True, 8, 50.0, LIMITS, LEFT)
    return replace(facts, **changes)


def log_odds(p: float) -> float:
    return math.log((p + 1 / 512) / (1 - p + 1 / 512))


def test_a_right_side_has_everything_for_it_and_a_wrong_one_against() -> None:
    on_left, faint = answer(blob(L), slice(3, 4), 3.0), answer(blob(R, 0.4), slice(0, 1), 1.0)
    none = answer(blob(L, 0.8))
    right = word_features("location", LEFT, on_left, faint, none, first())
    wrong = word_features("location", LEFT.mirrored(), faint, on_left, none, first())
    assert right.keys() == {
        "automatic",
        "peak",
        "peak_without_prompt",
        "peak_first_pass",
        *(f"similarity_{stage}" for stage in range(1, 5)),
    }
    for name, value in right.items():
        assert value == pytest.approx(-wrong[name]), name
        assert value > 0, name
    assert right["peak"] == pytest.approx(log_odds(1) - log_odds(0.4))
    assert right["peak_without_prompt"] == pytest.approx(log_odds(0.8) - log_odds(0), abs=1e-5)
    assert right["similarity_1"] == 2


def test_what_lies_on_the_side_that_is_not_asked_about_does_not_count() -> None:
    """Asked about either side, the network finds the left: only what it finds there counts for left."""
    both = answer(blob(L), slice(3, 4), 3.0)
    found = word_features("location", LEFT, both, both, answer(blob(L)), first())
    assert found["peak"] == pytest.approx(log_odds(1) - log_odds(0))
    assert found["similarity_4"] == 3


def test_sides_follow_what_left_means() -> None:
    given = answer(blob(L), slice(2, 4), 1.0)
    for left_is_larger, sign in ((True, 1), (False, -1)):
        facts = first(left_is_larger=left_is_larger)
        found = word_features("location", LEFT, given, given, given, facts)
        assert {np.sign(found[n]) for n in found if n != "automatic"} == {sign}


def test_other_slots_have_the_values_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    given, other = answer(blob(L)), answer(blob(L, 0.5))
    given.similarity[:] = rng.normal(size=given.similarity.shape)
    found = word_features("size", LEFT, given, other, answer(blob(R)), first())
    assert found["peak"] == pytest.approx(log_odds(1) - log_odds(0.5))
    assert found["as_without_prompt"] == 0
    level = 255 / 256
    alike = 2 * level / (1 + level**2) - 2 * 0.5 * level / (0.25 + level**2)
    assert found["as_first_pass"] == pytest.approx(alike)
    for stage, values in enumerate(given.similarity, start=1):
        assert found[f"similarity_{stage}"] == pytest.approx(float(values.max()))
    assert found["volume_first_pass"] == pytest.approx(math.log(2))
    assert "volume_first_pass" not in word_features("shape", LEFT, given, other, other, first())


@pytest.mark.parametrize("slot", VOCABULARY)
@pytest.mark.parametrize("midline", [7.5, -9.0, 99.0])
def test_nothing_found_gives_finite_features(slot: str, midline: float) -> None:
    nothing = answer(blob(slice(0, 0)))
    facts = first(slice(0, 0), prompt=None, largest_mm3=0.0, midline_column=midline)
    found = word_features(slot, LEFT, nothing, nothing, nothing, facts)
    assert all(math.isfinite(value) for value in found.values())
    assert found["automatic"] == 0


@pytest.mark.parametrize("slot", VOCABULARY)
def test_a_network_without_similarity_has_no_such_features(slot: str) -> None:
    bare = Answer(blob(L), np.zeros((0, 2, 1, 1), np.float32))
    found = word_features(slot, LEFT, bare, bare, bare, first())
    assert not [name for name in found if name.startswith("similarity")]


def test_parts() -> None:
    assert soft_dice(np.zeros(3), np.zeros(3)) == 1
    assert soft_dice(np.array([1.0, 0]), np.array([0, 1.0])) == 0
    assert agreement("size", LEFT, replace(LEFT, size="large")) == -1
    assert agreement("shape", LEFT, replace(LEFT, size="large")) == 1


def test_a_volumes_place_in_its_class() -> None:
    assert margin(100 * math.e, 1, LIMITS) == pytest.approx(1)
    assert margin(1000 / math.e, 1, LIMITS) == pytest.approx(1)
    assert margin(100 * math.e, 0, LIMITS) == pytest.approx(-1)
    assert margin(100 * math.e, 2, LIMITS) == pytest.approx(1 - math.log(10))
    assert margin(1e9, 2, LIMITS) == 2
    assert margin(0, 0, LIMITS) == 0


def test_the_largest_finding_is_a_component_in_three_dimensions() -> None:
    codes = np.zeros((4, 8, 8), np.uint8)
    codes[0, 0, 0] = codes[1, 1, 1] = codes[2, 2, 1] = 128  # joined by corners and edges
    codes[0, 6, 6] = codes[0, 6, 7] = 255
    codes[3, 4, 4] = 127
    assert largest_finding_mm3(codes, 2.5) == 7.5
    assert largest_finding_mm3(codes // 2, 2.5) == 0
