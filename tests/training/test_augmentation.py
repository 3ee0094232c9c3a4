"""A mirrored slice carries the mirrored mask and the mirrored prompt."""

from dataclasses import replace

import pytest
import torch

from textbcs.dataset.prompt_grammar import every_prompt
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.training.augmentation import augmented, flipped
from textbcs.training.data import Others, Split, attributes, batch_of, wordings
from textbcs.training.grammar_rows import GrammarRows

STILL = {
    "augmentation": "standard",
    "flip_probability": 0.0,
    "intensity_gain": 0.0,
    "intensity_shift": 0.0,
}


@pytest.fixture
def split() -> Split:
    """Five slices; prompt 0 says left, prompt 1 says right, and so do their embeddings."""
    torch.manual_seed(0)
    tokens = torch.tensor([[[-1.0]], [[1.0]]])
    table = PromptTable(["left", "right"], tokens, torch.ones(2, 1, dtype=torch.bool))
    prompt = torch.tensor([0, 1, 0, 1, 1])
    image = torch.rand(5, 8, 8).half()
    mask = (torch.rand(5, 8, 8) < 0.3).to(torch.uint8)
    return Split(
        tuple("abcde"),
        image,
        mask,
        prompt,
        1 - prompt,
        table,
        torch.tensor([[0, 2, 1, 0], [1, 2, 1, 0]]),
    )


def draw(split: Split, seed: int = 0, channels: int = 3, **changes):
    generator = torch.Generator().manual_seed(seed)
    return augmented(split, torch.arange(5), channels, {**STILL, **changes}, generator)


def test_without_chance_nothing_changes(split):
    plain, same = batch_of(split, torch.arange(5), 3), draw(split)
    assert torch.equal(plain.image, same.image)
    assert torch.equal(plain.mask, same.mask)
    assert torch.equal(plain.text.tokens, same.text.tokens)
    assert torch.equal(plain.attributes, split.attributes[split.prompt])
    assert plain.image.shape == (5, 3, 8, 8)
    assert torch.equal(plain.image[:, 0], split.image.float())
    assert torch.equal(plain.image[:, 0], plain.image[:, 2])


def test_a_certain_flip_mirrors_image_mask_and_prompt(split):
    batch = draw(split, flip_probability=1.0)
    assert torch.equal(batch.image[:, 1], split.image.float().flip(-1))
    assert torch.equal(batch.mask, split.mask.float().flip(-1))
    said = batch.text.tokens.flatten()
    assert torch.equal(said, split.prompts.batch(split.mirrored).tokens.flatten())
    assert torch.equal(batch.attributes, split.attributes[split.mirrored])


def test_every_flip_keeps_image_and_prompt_together(split):
    seen = set()
    for seed in range(20):
        batch = draw(split, seed, flip_probability=0.5)
        for row in range(5):
            turned = torch.equal(batch.image[row, 0], split.image[row].float().flip(-1))
            seen.add(turned)
            prompt = split.mirrored[row] if turned else split.prompt[row]
            assert torch.equal(batch.text.tokens[row], split.prompts.tokens[prompt])
            mask = split.mask[row].float()
            assert torch.equal(batch.mask[row], mask.flip(-1) if turned else mask)
    assert seen == {True, False}


def test_intensity_stays_within_its_bounds_and_moves_no_mask(split):
    gains, shifts = [], []
    for seed in range(30):
        batch = draw(split, seed, intensity_gain=0.2, intensity_shift=0.1)
        for row in range(5):
            x, y = split.image[row].double().flatten(), batch.image[row, 0].double().flatten()
            gain = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
            gains.append(float(gain))
            shifts.append(float(y.mean() - gain * x.mean()))
        assert torch.equal(batch.mask, split.mask.float())
    assert 0.8 <= min(gains) < 0.85 < 1.15 < max(gains) <= 1.2
    assert -0.1 <= min(shifts) < -0.07 < 0.07 < max(shifts) <= 0.1


def test_its_own_generator_is_the_only_source_of_chance(split):
    changes = {"flip_probability": 0.5, "intensity_gain": 0.2}
    torch.manual_seed(1)
    first = draw(split, 3, **changes)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first.image, draw(split, 3, **changes).image)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first.image, draw(split, 4, **changes).image)


def test_flipped_turns_only_whom_it_should():
    x = torch.arange(6.0).reshape(2, 3)
    assert flipped(x, torch.tensor([True, False])).tolist() == [[2, 1, 0], [3, 4, 5]]


def test_a_wording_is_read_and_the_prompt_stays_the_same(split):
    """Prompts 0 and 1 have two more wordings each, rows 2 to 5."""
    tokens = torch.tensor([-1.0, 1.0, -2.0, 2.0, -3.0, 3.0]).reshape(6, 1, 1)
    table = PromptTable(list("abcdef"), tokens, torch.ones(6, 1, dtype=torch.bool))
    same = torch.tensor([[0, 2, 4], [1, 3, 5]] * 3)
    words = split.attributes.repeat(3, 1)
    worded = replace(split, prompts=table, attributes=words, wordings=same)
    seen = set()
    for seed in range(40):
        plain = draw(split, seed, flip_probability=0.5, intensity_gain=0.2)
        batch = draw(worded, seed, flip_probability=0.5, intensity_gain=0.2)
        # The image is changed as without wordings, and equal prompts stay equal.
        assert torch.equal(plain.image, batch.image)
        assert torch.equal(plain.prompt, batch.prompt)
        assert torch.equal(plain.attributes, batch.attributes)
        assert torch.equal(plain.text.tokens.sign(), batch.text.tokens.sign())
        seen |= set(batch.text.tokens.flatten().tolist())
    assert seen == {-1.0, 1.0, -2.0, 2.0, -3.0, 3.0}


def test_without_wordings_no_number_is_drawn(split):
    generator = torch.Generator().manual_seed(2)
    augmented(split, torch.arange(5), 3, STILL, generator)
    expected = torch.Generator().manual_seed(2)
    torch.rand(3, 5, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_nnunets_changes_of_intensity_follow_the_flip_and_move_no_mask(split):
    plain = draw(split, 3, flip_probability=1.0)
    changed = draw(split, 3, flip_probability=1.0, augmentation="nnunet")
    assert torch.equal(plain.mask, changed.mask)
    assert torch.equal(plain.prompt, changed.prompt)
    assert not torch.equal(plain.image, changed.image)
    assert torch.equal(changed.image[:, 0], changed.image[:, 2])


def use_split(free: int = 4) -> Split:
    """Six slices, then tumour-free ones, on the whole grammar; slice i is all i, and so is no other."""
    texts = ["", *(prompt.text for prompt in every_prompt(True))]
    worded = [*texts, *(f"said otherwise: {text}" for text in texts[1:])]
    tokens = torch.arange(len(worded), dtype=torch.float32)[:, None, None]
    table = PromptTable(worded, tokens, torch.ones(len(worded), 1).bool(), [*texts, *texts[1:]])
    own = torch.arange(1, 7)
    case = torch.cat([torch.full((6,), 40), torch.full((free,), 41)])
    grammar = GrammarRows.of(table)
    prompt = torch.cat([own, case[6:]])
    count = 6 + free
    return Split(
        tuple("abcdef"),
        torch.arange(count)[:, None, None].expand(-1, 8, 8).half(),
        (torch.arange(count) < 6)[:, None, None].expand(-1, 8, 8).to(torch.uint8),
        prompt,
        grammar.mirrored(prompt),
        table,
        torch.tensor([attributes(text) for text in table.meanings]),
        wordings(table),
        Others(case, free, grammar),
    )


NOTHING_ELSE = {"case": 0.0, "empty": 0.0, "wrong": 0.0, "reworded": 0.0}


def ask(split: Split, rows: torch.Tensor, flip: float = 0.0, free: float = 0.0, **shares: float):
    settings = {
        **STILL, "flip_probability": flip, "tumour_free": free, "asked": {**NOTHING_ELSE, **shares}
    }  # fmt: skip
    return augmented(split, rows, 1, settings, torch.Generator().manual_seed(3))


def test_tumour_free_slices_take_the_place_of_a_share() -> None:
    split = use_split()
    rows = torch.arange(6).repeat(2000)
    batch = ask(split, rows, free=0.3)
    swapped = batch.rows >= 6
    assert abs(float(swapped.float().mean()) - 0.3) < 0.02
    assert torch.equal(batch.rows[~swapped], rows[~swapped])
    assert not batch.mask[swapped].any()
    assert batch.mask[~swapped].all()
    assert torch.equal(batch.image[:, 0, 0, 0].long(), batch.rows)
    assert set(batch.rows[swapped].tolist()) == {6, 7, 8, 9}
    assert (batch.prompt[swapped] == 41).all()
    assert len(split) == 6


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_the_case_is_asked_in_place_of_the_slice(flip: float) -> None:
    split = use_split()
    rows = torch.arange(6).repeat(1000)
    batch = ask(split, rows, flip=flip, case=0.5)
    said = split.others.grammar.mirrored(batch.prompt) if flip else batch.prompt
    asked = said == 40
    assert abs(float(asked.float().mean()) - 0.5) < 0.03
    assert torch.equal(said[~asked], rows[~asked] + 1)
    assert batch.told is not None
    assert batch.told.all()


def test_empty_and_wrong_prompts_are_not_told_as_true() -> None:
    split = use_split()
    rows = torch.arange(6).repeat(2000)
    batch = ask(split, rows, empty=0.2, wrong=0.3, reworded=0.1)
    assert batch.told is not None
    empty, true = batch.prompt == 0, batch.prompt == rows + 1
    assert abs(float(empty.float().mean()) - 0.2) < 0.02
    assert abs(float((~empty & ~true).float().mean()) - 0.3) < 0.02
    assert torch.equal(batch.told, true)
    assert (batch.attributes[empty] == -1).all()
    words = batch.text.tokens.flatten().long()
    other = words != batch.prompt
    assert (
        abs(float(other.float().mean()) - 0.1 * 0.5) < 0.02
    )  # of two wordings one is the prompt itself
    assert torch.equal(words[other], batch.prompt[other] + len(split.prompts.texts) // 2)


def test_a_split_without_others_draws_no_number_more(split) -> None:
    """The paper's methods keep their bytes: the settings of methods for use draw nothing for them."""
    settings = {
        **STILL,
        "flip_probability": 0.5,
        "tumour_free": 0.5,
        "asked": {**NOTHING_ELSE, "wrong": 0.5},
    }
    generators = [torch.Generator().manual_seed(7) for _ in range(2)]
    plain = augmented(split, torch.arange(5), 1, {**STILL, "flip_probability": 0.5}, generators[0])
    same = augmented(split, torch.arange(5), 1, settings, generators[1])
    assert torch.equal(plain.prompt, same.prompt)
    assert same.told is None
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
