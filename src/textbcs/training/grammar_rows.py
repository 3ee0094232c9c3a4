"""The rows of all prompts of the grammar in a prompt table, so that words are exchanged on the device."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from textbcs.dataset.prompt_grammar import VOCABULARY, every_prompt, parse
from textbcs.models.common.prompt_embeddings import PromptTable

USUAL = 3  # a wrong number is one, two or three: others are rare
FURTHER = 0.25  # chance of each further word of a wrong prompt to be wrong too


@dataclass(frozen=True)
class GrammarRows:
    """Which words each row of a prompt table says, and which row says given words.

    Attributes:
        words: (P, 4) int64, the words of each row by their places in `VOCABULARY`; 0 for a location that
            is not stated, and for all words of the empty prompt.
        places: (sides, 3, 3, numbers) int64, the row of each prompt in its own words.
        empty: the row of the empty prompt.
    """

    words: Tensor
    places: Tensor
    empty: int

    @classmethod
    def of(cls, table: PromptTable) -> "GrammarRows":
        """The rows of a table that holds the whole grammar and the empty prompt.

        Raises:
            InputError: a prompt is missing.
        """
        prompts = [parse(text) for text in set(table.meanings) if text]
        sided = all(prompt.location for prompt in prompts)
        shape = [2 if sided else 1, *(len(words) for words in list(VOCABULARY.values())[1:])]
        places = table.rows([prompt.text for prompt in every_prompt(sided)]).reshape(shape)
        device = table.tokens.device
        words = [_words(text) for text in table.meanings]
        return cls(torch.tensor(words, device=device), places, int(table.rows([""])[0]))

    def mirrored(self, rows: Tensor) -> Tensor:
        """The rows of the prompts of mirrored slices (B,): the other side, all else equal."""
        words = self.words[rows]
        return self._row(words, 0, len(self.places) - 1 - words[:, 0])

    def exchanged(self, rows: Tensor, generator: Generator) -> Tensor:
        """The rows of wrong prompts (B,): one word or more of each is another.

        One slot, drawn, is wrong for certain, each further one with a chance of `FURTHER`.
        """
        count, device = len(rows), generator.device
        sided = len(self.places) > 1
        first = torch.randint(0 if sided else 1, 4, (count,), generator=generator, device=device)
        wrong = torch.rand(count, 4, generator=generator, device=device) < FURTHER
        wrong[torch.arange(count, device=device), first] = True
        step = torch.randint(1, USUAL, (count, 4), generator=generator, device=device)
        for slot in range(0 if sided else 1, 4):
            words = self.words[rows]
            most = 2 if slot == 0 else USUAL
            other = (words[:, slot] + (1 if slot == 0 else step[:, slot])) % most
            rows = torch.where(wrong[:, slot], self._row(words, slot, other), rows)
        return rows

    def _row(self, words: Tensor, slot: int, other: Tensor) -> Tensor:
        """The row of the same words but for one slot."""
        places = [other if place == slot else words[:, place] for place in range(4)]
        return self.places[places[0], places[1], places[2], places[3]]


def _words(text: str) -> list[int]:
    if not text:
        return [0] * len(VOCABULARY)
    prompt = parse(text)
    return [
        words.index(getattr(prompt, slot)) if slot in prompt.slots else 0
        for slot, words in VOCABULARY.items()
    ]
