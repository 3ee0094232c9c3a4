"""The three sentences that the page opens with, computed from the run's own numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textbcs.base.variants import BASE
from textbcs.reporting.common.labels import label


@dataclass(frozen=True)
class Score:
    """A value with its limits; NaN where there are none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Found:
    """What the sentences are made of.

    Attributes:
        dice: each method's Dice in percent, mean over patients.
        differences: the proposed method's Dice minus each other one's, points over patients.
        spread: `results/statistics/replicates.json`.
        patients: test patients.
        prior: Dice in percent of the mean mask of the prompt's side and size; None where it is not known.
        above_prior: the methods whose difference to that mask has its whole interval above 0.
        phantom: whether the patients are synthetic.
        duke: whether they are the paper's.
        derived: whether prompts are written from the reference masks.
        mask_sources: where the test masks come from.
    """

    dice: Mapping[str, Score]
    differences: Mapping[str, Score]
    spread: Mapping[str, Any]
    patients: int
    prior: float | None
    above_prior: Sequence[str]
    phantom: bool
    duke: bool
    derived: bool
    mask_sources: Sequence[str]


def answer(found: Found) -> list[str]:
    """How well the proposed method does, what its prompts give away, and who the patients are."""
    sentences = [_against_the_best(found), _prompt_alone(found), _patients(found)]
    return [sentence for sentence in sentences if sentence]


def _against_the_best(found: Found) -> str:
    """The proposed method against the best other one, with both kinds of chance: patients and seeds."""
    who = f"{found.patients} {'synthetic ' if found.phantom else ''}test patients"
    others = {name: score for name, score in found.dice.items() if name != BASE}
    best = max(others, key=lambda name: others[name].value, default=None)
    if BASE not in found.dice:
        return f"On {who} {_reaches(str(best), others[str(best)])}." if best else ""
    text = f"On {who} {_reaches(BASE, found.dice[BASE])}"
    if best is not None:
        text += f", {_gap(found.differences[best], f'the best other method, {label(best)}')}"
    return f"{text}; {_seeds(found.spread, best)}."


def _reaches(method: str, dice: Score) -> str:
    limits = _limits(dice, "95 % interval")
    return f"{label(method)} reaches a mean Dice of {dice.value:.1f} %{limits}"


def _gap(gap: Score, other: str) -> str:
    limits = _limits(gap, "95 % interval of the difference")
    if f"{abs(gap.value):.1f}" == "0.0":
        return f"as much as {other}{limits}"
    where = "above" if gap.value > 0 else "below"
    return f"{abs(gap.value):.1f} points {where} {other}{limits}"


def _limits(score: Score, what: str) -> str:
    """Limits in brackets; nothing where there are none."""
    return f" ({what} {score.low:z.1f} to {score.high:z.1f})" if score.low == score.low else ""


def _seeds(spread: Mapping[str, Any], best: str | None) -> str:
    """What other seeds change, in the difference where the best other method was trained again too."""
    count = len(spread["seeds"])
    if count < 2 or BASE not in spread["range"]:
        return "each network was trained once, so how far another seed would move this is not known"
    gaps = spread[f"{BASE}_minus"].get(best)
    if gaps is not None:
        return (
            f"in {count} trainings of both with different seeds the difference lay between "
            f"{min(gaps):+z.1f} and {max(gaps):+z.1f} points"
        )
    low, high = spread["range"][BASE]
    return (
        f"in {count} trainings with different seeds {label(BASE)} reached {low:.1f} to {high:.1f} %"
    )


def _prompt_alone(found: Found) -> str:
    """What a prompt gives away without any image."""
    if found.prior is None:
        return ""
    source = "Prompts are written from the reference masks, and so" if found.derived else "Already"
    above = len(set(found.above_prior) & set(found.dice))
    verb = "is" if above == 1 else "are"
    return (
        f"{source} a mask drawn from the prompt alone, without a look at the image, reaches a Dice of "
        f"{found.prior:.1f} %; {above} of {len(found.dice)} methods {verb} shown to do better."
    )


def _patients(found: Found) -> str:
    """Whose data these are, and what follows for a reader."""
    if found.phantom:
        return (
            "All patients are synthetic: the numbers show that the pipeline works and how the methods behave "
            "on these phantoms; they say nothing about real patients and cannot be compared with the paper's."
        )
    masks = f"test masks: {', '.join(found.mask_sources)}"
    if found.duke:
        return (
            "The patients come from the collection that the paper used, so its values can be set beside ours "
            f"({masks})."
        )
    return (
        "The patients are not the paper's: its scores and the ones here are not on one scale, and none is "
        f"subtracted ({masks})."
    )
