"""Probe prompts: what a trained method is asked in place of a slice's own prompt.

None of them is ever trained on. `empty` says nothing; `shuffled` is another case's prompt;
`swapped_<slot>` has one word wrong, `swapped_all` all four; `without_<slot>` leaves one unsaid;
`automatic` is read off the mask that a network without text found; `typing` has a typing error in each
word; the rest are other wordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, every_prompt, parse
from textbcs.prompts.paraphrases import Paraphrases, mistyped

TRUE, EMPTY, SHUFFLED, AUTOMATIC, TYPING = "true", "empty", "shuffled", "automatic", "typing"
SWAPPED = tuple(f"swapped_{slot}" for slot in (*VOCABULARY, "all"))
WITHOUT = tuple(f"without_{slot}" for slot in VOCABULARY)
NOTHING = ""  # the empty prompt

# Words that take another's place. Few slices have more than three lesions, so a rarer number would
# ask for a word that training has hardly seen, which is another question.
_OTHERS = VOCABULARY | {"number": VOCABULARY["number"][:3]}


def probe_texts(
    texts: Sequence[str],
    patients: Sequence[str],
    automatic: Sequence[str],
    paraphrases: Paraphrases,
    seed: int,
) -> dict[str, list[str]]:
    """Every probe's text of each of n slices; the first is `true`, the slices' own prompts.

    Args:
        texts: (n,) the slices' own prompts.
        patients: (n,) whose slices they are.
        automatic: (n,) prompts from a first pass, `NOTHING` where it found nothing.
        paraphrases: the sentences to ask.
        seed: of the shuffled prompts, the swapped words and the typing errors.
    """
    prompts = [parse(text) for text in texts]
    probes = {
        TRUE: list(texts),
        AUTOMATIC: list(automatic),
        EMPTY: [NOTHING] * len(texts),
        SHUFFLED: shuffled(texts, patients, seed),
    }
    probes |= {probe: swapped(texts, probe, seed) for probe in SWAPPED}
    probes[TYPING] = [mistyped(prompt, seed) for prompt in prompts]
    asked = [paraphrases.asked(prompt) for prompt in prompts]
    probes |= {one.name: [of[one.name] for of in asked] for one in paraphrases.probe}
    return probes | {probe: [shortened(prompt, probe) for prompt in prompts] for probe in WITHOUT}


def possible_texts(texts: Sequence[str], paraphrases: Paraphrases, seed: int) -> list[str]:
    """Every text that `probe_texts` can give for these prompts, whatever a first pass finds; sorted."""
    prompts = [parse(text) for text in set(texts)]
    grammar = [prompt.text for prompt in every_prompt(all(one.location for one in prompts))]
    others = {text for prompt in prompts for text in paraphrases.asked(prompt).values()}
    others |= {shortened(prompt, probe) for prompt in prompts for probe in WITHOUT}
    return sorted({NOTHING, *grammar, *others, *(mistyped(prompt, seed) for prompt in prompts)})


def shuffled(texts: Sequence[str], patients: Sequence[str], seed: int) -> list[str]:
    """Each slice gets another patient's prompt that says something else.

    A random permutation whose faulty places are exchanged until none is left; each prompt is then used
    as often as before. Where one prompt is too common for that, the places that remain draw
    from the prompts that are allowed; where no other patient has another prompt, from those of the
    same patient; where the split has one prompt alone, all its words are exchanged.
    """
    generator = np.random.default_rng(seed)
    order = [int(place) for place in generator.permutation(len(texts))]

    def allowed(place: int, source: int) -> bool:
        return texts[place] != texts[source] and patients[place] != patients[source]

    for place in range(len(texts)):
        if allowed(place, order[place]):
            continue
        for other in generator.permutation(len(texts)):
            if allowed(place, order[other]) and allowed(int(other), order[place]):
                order[place], order[other] = order[other], order[place]
                break
    return [
        texts[source] if allowed(place, source) else _drawn(place, texts, patients, generator, seed)
        for place, source in enumerate(order)
    ]


def _drawn(
    place: int,
    texts: Sequence[str],
    patients: Sequence[str],
    generator: np.random.Generator,
    seed: int,
) -> str:
    """An unequal prompt by chance, of another patient if there is one; all slots swapped if all are equal."""
    others = [other for other in range(len(texts)) if texts[other] != texts[place]]
    choice = [other for other in others if patients[other] != patients[place]] or others
    if not choice:
        return swapped([texts[place]], "swapped_all", seed)[0]
    return texts[choice[int(generator.integers(len(choice)))]]


def swapped(texts: Sequence[str], probe: str, seed: int) -> list[str]:
    """Each prompt with a wrong word in one slot, or in all.

    The side becomes the other side; shape, size and number another word by chance (a number becomes
    one, two or three).

    Args:
        texts: prompts of the grammar.
        probe: one of `SWAPPED`.
        seed: of the choice.
    """
    name = probe.removeprefix("swapped_")
    slots = tuple(VOCABULARY) if name == "all" else (name,)
    # Each slot has its own numbers: the wrong size alone is the wrong size among all four.
    generators = {
        slot: np.random.default_rng([seed, place]) for place, slot in enumerate(VOCABULARY)
    }
    return [_swap(parse(text), slots, generators).text for text in texts]


def _swap(
    prompt: Prompt, slots: Sequence[str], generators: Mapping[str, np.random.Generator]
) -> Prompt:
    """The prompt with another word in each of these slots."""
    for slot in slots:
        others = [word for word in _OTHERS[slot] if word != getattr(prompt, slot)]
        # Drawn also where one is left, so that each slice takes one number of the slot's own.
        word = others[int(generators[slot].random() * len(others))]
        if slot in prompt.slots:
            prompt = replace(prompt, **{slot: word})
    return prompt


def shortened(prompt: Prompt, probe: str) -> str:
    """The prompt without one of its four phrases.

    Args:
        prompt: of the grammar.
        probe: one of `WITHOUT`.
    """
    left_out = probe.removeprefix("without_")
    return "; ".join(f"{slot} {getattr(prompt, slot)}" for slot in prompt.slots if slot != left_out)
