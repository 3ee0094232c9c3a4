"""Other wordings of a prompt: fixed sentences, and typing errors.

The sentences stand in `paraphrases.yaml`: those a trained method is asked (the paper's variants of
TextBCS §4.9 among them), and others that a training may see.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import NUMBERS, VOCABULARY, Prompt
from textbcs.settings.params import read_yaml

PARAPHRASES = Path(__file__).parent / "paraphrases.yaml"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Sentence:
    """One wording.

    Attributes:
        name: of the wording.
        text: with slots, forms and nouns in braces.
        sideless: the same of a prompt without a location.
        paper: whether it is a variant that the paper shows.
    """

    name: str
    text: str
    sideless: str
    paper: bool = False


@dataclass(frozen=True)
class Paraphrases:
    """The sentences of `paraphrases.yaml`.

    Attributes:
        forms: name -> `slot`, and how that slot's words read there.
        nouns: a noun or verb -> its plural.
        probe: what a trained method is asked.
        learn: what a training may see.
    """

    forms: Mapping[str, Mapping[str, str]]
    nouns: Mapping[str, str]
    probe: tuple[Sentence, ...]
    learn: tuple[Sentence, ...]

    def asked(self, prompt: Prompt) -> dict[str, str]:
        """The texts that a trained method is asked in place of a prompt, by name."""
        return self._filled(self.probe, prompt)

    def learnt(self, prompt: Prompt) -> dict[str, str]:
        """The texts that a training may see in place of a prompt, by name."""
        return self._filled(self.learn, prompt)

    def _filled(self, sentences: Sequence[Sentence], prompt: Prompt) -> dict[str, str]:
        """The sentences with the prompt's words, in the forms that they need."""
        words = {slot: str(getattr(prompt, slot)) for slot in VOCABULARY}
        for name, forms in self.forms.items():
            word = words[forms["slot"]]
            words[name] = forms.get(word, word)
        single = prompt.number == NUMBERS[0]
        words |= {noun: noun if single else many for noun, many in self.nouns.items()}
        chosen = {one.name: one.text if prompt.location else one.sideless for one in sentences}
        return {name: text.format_map(words) for name, text in chosen.items()}


def read_paraphrases(path: Path = PARAPHRASES) -> Paraphrases:
    """Read and check the sentences.

    Raises:
        InputError: a sentence without name or text, a name that occurs twice, or a name in braces
            that is neither slot, form nor noun.
    """
    content = read_yaml(path)
    try:
        sentences = {kind: _sentences(content[kind]) for kind in ("probe", "learn")}
        found = Paraphrases(content["forms"], content["nouns"], **sentences)
        example = Prompt(*(words[0] for words in VOCABULARY.values()))
        for prompt in (example, replace(example, location="")):
            names = [*found.asked(prompt), *found.learnt(prompt)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{path}: {type(error).__name__} {error}; a sentence needs a name and a text whose braces "
            "hold slots, forms or nouns"
        ) from error
    if len(names) < len(found.probe) + len(found.learn) or len(set(names)) < len(names):
        raise InputError(f"{path}: a sentence's name occurs twice; rename one")
    return found


def _sentences(entries: Sequence[Mapping[str, Any]]) -> tuple[Sentence, ...]:
    return tuple(Sentence(**entry) for entry in entries)


def mistyped(prompt: Prompt, seed: int) -> str:
    """The prompt with one typing error in each of its words.

    An error is a letter left out, doubled or replaced, or two neighbours exchanged. It depends on
    the prompt and the seed alone, so that whoever asks again gets the same text.
    """
    source = random.Random(f"{seed} {prompt.text}")
    words = (f"{slot} {_error(getattr(prompt, slot), source)}" for slot in prompt.slots)
    return "; ".join(words)


def _error(word: str, source: random.Random) -> str:
    """The word with one error; never a word of the grammar."""
    known = {other for words in VOCABULARY.values() for other in words}
    while True:
        place = source.randrange(len(word))
        letter, rest = word[place], word[place + 1 :]
        wrong = source.choice(
            (
                word[:place] + rest,
                word[:place] + 2 * letter + rest,
                word[:place] + source.choice(_LETTERS) + rest,
                word[:place] + rest[:1] + letter + rest[1:],
            )
        )
        if wrong not in known:
            return wrong
