"""The page's first sentences: right for every cohort, for the method and against it."""

from dataclasses import replace

import pytest

from textbcs.reporting.page.answer import Found, Score, answer

NONE = float("nan")
SPREAD = {
    "seeds": [1, 2, 3],
    "range": {"unet": [50.0, 52.5], "textbcs": [64.0, 71.2]},
    "textbcs_minus": {"unet": [14.0, 18.7, 13.5]},
}
FOUND = Found(
    dice={"unet": Score(52.5, 40.0, 60.0), "textbcs": Score(71.2, 65.0, 76.3)},
    differences={"unet": Score(18.7, 10.0, 25.04)},
    spread=SPREAD,
    patients=30,
    prior=45.1,
    above_prior=["unet", "textbcs", "textbcs_plus"],
    phantom=True,
    duke=False,
    derived=True,
    mask_sources=["expert", "reviewed"],
)


def test_three_sentences_say_what_was_found() -> None:
    best, leak, patients = answer(FOUND)
    assert best == (
        "On 30 synthetic test patients TextBCS reaches a mean Dice of 71.2 % (95 % interval 65.0 to 76.3), "
        "18.7 points above the best other method, UNet (95 % interval of the difference 10.0 to 25.0); in 3 "
        "trainings of both with different seeds the difference lay between +13.5 and +18.7 points."
    )
    assert leak.startswith("Prompts are written from the reference masks, and so a mask drawn from")
    assert leak.endswith("reaches a Dice of 45.1 %; 2 of 2 methods are shown to do better.")
    assert "say nothing about real patients" in patients


def test_a_better_method_is_named_as_such() -> None:
    dice = {**FOUND.dice, "lvit": Score(73.0, 60.0, 80.0)}
    gaps = {**FOUND.differences, "lvit": Score(-1.8, -5.0, 1.0)}
    best = answer(replace(FOUND, dice=dice, differences=gaps))[0]
    assert (
        "1.8 points below the best other method, LViT (95 % interval of the difference -5.0" in best
    )
    # LViT was trained once, so only what TextBCS itself varies by is known.
    assert best.endswith("in 3 trainings with different seeds TextBCS reached 64.0 to 71.2 %.")


@pytest.mark.parametrize("spread", [{**SPREAD, "seeds": [1]}, {**SPREAD, "range": {}}])
def test_what_was_trained_once_is_said(spread: dict) -> None:
    best = answer(replace(FOUND, spread=spread))[0]
    assert best.endswith(
        "each network was trained once, so how far another seed would move this is not known."
    )


def test_without_limits_or_difference_nothing_is_made_up() -> None:
    equal = replace(
        FOUND,
        dice=dict.fromkeys(FOUND.dice, Score(0, NONE, NONE)),
        differences={"unet": Score(0, NONE, NONE)},
    )
    assert answer(equal)[0].startswith(
        "On 30 synthetic test patients TextBCS reaches a mean Dice of 0.0 %, as much as the best other "
        "method, UNet; in 3 trainings"
    )


def test_methods_may_be_few() -> None:
    alone = answer(replace(FOUND, dice={"textbcs": FOUND.dice["textbcs"]}, above_prior=["textbcs"]))
    assert alone[0].startswith("On 30 synthetic test patients TextBCS reaches")
    assert "other method" not in alone[0]
    assert "1 of 1 methods is shown" in alone[1]
    other = answer(replace(FOUND, dice={"unet": FOUND.dice["unet"]}))[0]
    assert (
        other
        == "On 30 synthetic test patients UNet reaches a mean Dice of 52.5 % (95 % interval 40.0 to 60.0)."
    )


@pytest.mark.parametrize(("duke", "said"), [(True, "the paper used"), (False, "not on one scale")])
def test_the_patients_are_whose_they_are(duke: bool, said: str) -> None:
    found = answer(replace(FOUND, phantom=False, duke=duke, derived=False))
    assert found[0].startswith("On 30 test patients TextBCS")
    assert found[1].startswith("Already a mask drawn from the prompt alone")
    assert said in found[2]
    assert found[2].endswith("(test masks: expert, reviewed).")
    assert not any("synthetic" in sentence for sentence in found)


def test_without_the_prompts_own_mask_there_are_two_sentences() -> None:
    assert len(answer(replace(FOUND, prior=None))) == 2
