"""The prompts that a case is asked with besides its own: one other word in each slot, and wrong words."""

import zlib
from dataclasses import replace

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, parse

TRUE = "true"
WRONG = "wrong_"  # before the name of a slot: the case's own prompt with a wrong word there
# More than three lesions are rare, so a rarer number would ask for a word that training has hardly seen.
WORDS = VOCABULARY | {"number": VOCABULARY["number"][:3]}
# What a word is held against where the automatic prompt says the same: the word that differs most.
_OTHER = {
    "left": "right",
    "right": "left",
    "round": "irregular",
    "ellipse": "irregular",
    "irregular": "round",
    "small": "large",
    "medium": "small",
    "large": "small",
    "one": "two",
}


def counterfactual(prompt: Prompt, slot: str, automatic: Prompt | None) -> Prompt:
    """The prompt with another word in one slot: what its own word is held against.

    Where the automatic prompt has another word there, that is the question to ask the network; else it
    is the word that differs most.

    Args:
        prompt: as it was given.
        slot: of `VOCABULARY`.
        automatic: read off a first pass without text; None where that found nothing.
    """
    own = getattr(prompt, slot)
    said = own if automatic is None else getattr(automatic, slot)
    return replace(prompt, **{slot: _OTHER.get(own, "one") if said == own else said})


def wrong_prompts(text: str, patient: str, seed: int) -> dict[str, str]:
    """The case's prompt with one wrong word, by `wrong_<slot>`, for each slot that it states.

    The side becomes the other side; shape, size and number another word by chance (a number becomes one,
    two or three). The draw is the patient's own: it does not move with the rest of the cohort.

    Args:
        text: the right prompt.
        patient: whose it is.
        seed: of the choice.
    """
    import numpy as np

    prompt = parse(text)
    found = {}
    for slot in prompt.slots:
        others = [word for word in WORDS[slot] if word != getattr(prompt, slot)]
        place = list(VOCABULARY).index(slot)
        drawn = np.random.default_rng([seed, place, zlib.crc32(patient.encode())]).random()
        found[WRONG + slot] = replace(prompt, **{slot: others[int(drawn * len(others))]}).text
    return found


def asked_prompts(text: str, patient: str, seed: int) -> dict[str, tuple[Prompt, tuple[str, ...]]]:
    """The prompts whose words are examined: the right one, and one with a wrong word in each slot.

    Of a wrong prompt the wrong word alone is examined: what the others look like is known from the right
    prompt, and each costs a pass.

    Args:
        text: the right prompt.
        patient: whose it is.
        seed: draws the wrong words.

    Returns:
        By name (`true`, `wrong_<slot>`) the prompt and the slots whose words are examined.
    """
    own = parse(text)
    wrong = wrong_prompts(text, patient, seed)
    asked = {name: (parse(one), (name.removeprefix(WRONG),)) for name, one in wrong.items()}
    return {TRUE: (own, own.slots), **asked}
