"""Rows of a source whose prompts say all, or nothing, of masks drawn by hand."""

import numpy as np
import pytest

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.evaluation.leak import leak_rows as module
from textbcs.evaluation.leak.leak_rows import (
    FACT,
    FEWEST,
    LEAK,
    Asked,
    chain_of,
    leak_rows,
    prior_dice,
    words_of,
)
from textbcs.evaluation.leak.mask_facts import FACTS, fit_limits, measure
from textbcs.evaluation.leak.prompt_prior import learn

SIZE = 12
BOOTSTRAP = {"resamples": 200, "seed": 1}


def lesion(side: str, large: bool) -> np.ndarray:
    """A square in the middle of a half."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    left = 8 if side == "left" else 2
    half = 2 if large else 1
    mask[6 - half : 6 + half, left - half + 1 : left + half + 1] = 1
    return mask


def asked(count: int, says=lambda prompt: prompt) -> Asked:
    """So many slices of as many patients, sides and sizes in turn."""
    cells = [(("left", "right")[n % 2], n // 2 % 2 == 1) for n in range(count)]
    masks = np.stack([lesion(*cell) for cell in cells])
    prompts = [
        says(Prompt(side, "round", "large" if large else "small", "one")) for side, large in cells
    ]
    measured = [measure(mask, (1.0, 1.0), 5.5, 1.0) for mask in masks]
    return Asked(masks, measured, [f"p{n:02}" for n in range(count)], prompts)


def rows(train: Asked, test: Asked) -> tuple[dict, dict]:
    leak, facts = leak_rows("x", [(train, test)], [test], fit_limits(train.measured), BOOTSTRAP)
    by_word = {row[1]: dict(zip(LEAK, row, strict=True)) for row in leak}
    return by_word, {(row[1], row[2]): dict(zip(FACT, row, strict=True)) for row in facts}


def test_prompts_that_say_all_find_the_mask_without_an_image() -> None:
    leak, facts = rows(asked(4 * FEWEST), asked(40))
    assert list(leak) == ["all", *VOCABULARY]
    assert leak["all"]["prior_dice"] == 1
    assert (leak["all"]["slices"], leak["all"]["patients"]) == (40, 40)
    assert leak["all"]["mutual_information_bits"] == pytest.approx(2, abs=0.1)
    assert leak["all"]["of_entropy_bits"] == leak["shape"]["of_entropy_bits"]
    assert leak["location"]["mutual_information_bits"] == pytest.approx(1, abs=0.05)
    # The mean of a small and a large square: the small one in full, the rest by half. Above a half the
    # small is left (1, and 8/20 of the large), below it the large (8/20, and 1).
    assert leak["location"]["prior_dice"] == pytest.approx((1 + 8 / 20) / 2)
    assert leak["location"]["low"] < 0.7 < leak["location"]["high"]
    assert leak["shape"]["prior_dice"] == leak["number"]["prior_dice"] < 0.6
    assert leak["shape"]["mutual_information_bits"] == 0
    assert facts["location", "side"]["mutual_information_bits"] == pytest.approx(1, abs=0.05)
    assert facts["location", "area"]["mutual_information_bits"] < 0.05
    assert facts["size", "area"]["mutual_information_bits"] == pytest.approx(1, abs=0.05)
    assert len(facts) == len(leak) * (1 + len(FACTS))


def test_prompts_that_say_nothing_leak_nothing() -> None:
    leak, _ = rows(asked(4 * FEWEST), asked(40, lambda prompt: None))
    assert list(leak) == ["all"]
    assert leak["all"]["mutual_information_bits"] == 0
    assert leak["all"]["prior_dice"] < 0.5


def test_wrong_prompts_tell_as_much_and_find_nothing() -> None:
    """Information is no agreement: a prompt that always names the other side gives the side away."""
    leak, _ = rows(asked(4 * FEWEST), asked(40, lambda prompt: prompt.mirrored()))
    assert leak["all"]["prior_dice"] == 0
    assert leak["location"]["mutual_information_bits"] == pytest.approx(1, abs=0.05)


def test_without_sides_there_is_no_row_for_them() -> None:
    def sideless(prompt: Prompt) -> Prompt:
        return Prompt("", prompt.shape, prompt.size, prompt.number)

    leak, _ = rows(asked(4 * FEWEST, sideless), asked(40, sideless))
    assert list(leak) == ["all", "shape", "size", "number"]


def test_what_a_prior_looks_up_in_turn() -> None:
    prompt = Prompt("left", "round", "small", "two")
    assert words_of(prompt, "size") == ("", "", "small", "")
    assert words_of(None, "all") == ("", "", "", "")
    assert chain_of(prompt, "all") == [
        ("left", "round", "small", "two"),
        ("left", "", "small", ""),
        ("left", "", "", ""),
        ("", "", "", ""),
    ]
    assert chain_of(prompt, "shape")[1:] == [("", "", "", "")] * 3


def test_an_empty_prompt_gets_the_mean_of_everything() -> None:
    train, test = asked(4 * FEWEST), asked(4)
    prior = learn(train.masks, [chain_of(one, "all") for one in train.prompts], FEWEST)
    empty = Asked(test.masks, test.measured, test.patients, [None] * 4)
    expected = np.stack([prior.mask([("", "", "", "")])] * 4)
    dice = (
        2
        * (expected & (test.masks > 0)).sum((1, 2))
        / (expected.sum((1, 2)) + test.masks.sum((1, 2)))
    )
    assert prior_dice(prior, empty, "all").tolist() == pytest.approx(dice.tolist())


def test_slices_are_averaged_by_patient() -> None:
    """A patient with many slices counts as one with a single slice."""
    train, test = asked(4 * FEWEST), asked(8)
    wrong = [prompt.mirrored() if n else prompt for n, prompt in enumerate(test.prompts)]
    same = Asked(test.masks, test.measured, ["a", *["b"] * 7], wrong)
    leak, _ = rows(train, same)
    assert leak["all"]["prior_dice"] == pytest.approx(1 / 2)
    assert leak["all"]["patients"] == 2
    assert np.isnan(leak["all"]["low"])  # two patients have no interval


def test_a_prompt_tells_at_least_what_its_attributes_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the estimate of many different prompts falls short."""
    estimates = {"all": 0.1, "location": 0.7, "shape": 0.2, "size": 0.3, "number": 0.0}
    order = iter(list(estimates.values()) * (1 + len(FACTS)))
    monkeypatch.setattr(module, "adjusted_information", lambda *_: next(order))
    leak, facts = rows(asked(4 * FEWEST), asked(40))
    found = {name: row["mutual_information_bits"] for name, row in leak.items()}
    assert found == estimates | {"all": 0.7}
    assert facts["all", "depth"]["mutual_information_bits"] == 0.7
