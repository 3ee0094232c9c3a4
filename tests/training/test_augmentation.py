"""A mirrored slice carries the mirrored mask and the mirrored prompt."""

from dataclasses import replace

import pytest
import torch

from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.training.augmentation import augmented, flipped
from textbcs.training.data import Split, batch_of

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
