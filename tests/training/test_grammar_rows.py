"""Words exchanged on the device, against the grammar itself."""

from collections import Counter

import pytest
import torch

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY, every_prompt, mirror, parse
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.training.grammar_rows import FURTHER, GrammarRows


def table(sided: bool = True, left_out: int = 0) -> PromptTable:
    """The grammar and the empty prompt, upside down, so that no row is its place by chance."""
    texts = ["", *(prompt.text for prompt in every_prompt(sided))][::-1]
    texts = texts[left_out:]
    return PromptTable(texts, torch.zeros(len(texts), 1, 1), torch.ones(len(texts), 1).bool())


@pytest.mark.parametrize("sided", [True, False])
def test_mirroring_is_that_of_the_grammar(sided: bool) -> None:
    prompts = table(sided)
    rows = torch.arange(len(prompts.texts) - 1)  # all but the empty prompt, which comes last
    found = GrammarRows.of(prompts).mirrored(rows)
    assert [prompts.texts[row] for row in found] == [mirror(text) for text in prompts.texts[:-1]]


def differing(before: str, after: str) -> set[str]:
    one, other = parse(before), parse(after)
    return {slot for slot in VOCABULARY if getattr(one, slot) != getattr(other, slot)}


def test_a_wrong_prompt_has_one_wrong_word_or_more() -> None:
    prompts = table()
    rows = torch.randint(
        len(prompts.texts) - 1, (20_000,), generator=torch.Generator().manual_seed(1)
    )
    found = GrammarRows.of(prompts).exchanged(rows, torch.Generator().manual_seed(2))
    wrong = [
        differing(prompts.texts[a], prompts.texts[b]) for a, b in zip(rows, found, strict=True)
    ]
    assert all(wrong)
    counts = Counter(slot for one in wrong for slot in one)
    expected = (1 + 3 * FURTHER) / 4  # of four slots one is drawn, the others follow by chance
    assert all(abs(counts[slot] / len(wrong) - expected) < 0.02 for slot in VOCABULARY)


def test_without_sides_none_is_invented() -> None:
    prompts = table(sided=False)
    rows = torch.arange(len(prompts.texts) - 1)
    found = GrammarRows.of(prompts).exchanged(rows, torch.Generator().manual_seed(2))
    pairs = [(prompts.texts[a], prompts.texts[b]) for a, b in zip(rows, found, strict=True)]
    assert all(differing(before, after) for before, after in pairs)
    assert not any(parse(after).location for _, after in pairs)


def test_a_table_that_lacks_a_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="has no embedding"):
        GrammarRows.of(table(left_out=1))
