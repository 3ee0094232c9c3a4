"""A small network asked with several prompts: what it compares, and that its masks stay the same."""

import numpy as np
import pytest
import torch
from network_inputs import LEFT, NETWORKS, RIGHT, SIZE, TOKENS

from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.models.common.registry import build
from textbcs.prompt_check.answers import ask, slices_to_look_at
from textbcs.volumes.prediction import predict_volume

STAGES = 4


def network(name: str):
    torch.manual_seed(5)
    return build(NETWORKS[name], channels=3, image_size=SIZE, text_dim=TOKENS).eval()


@pytest.fixture
def table() -> PromptTable:
    rng = torch.Generator().manual_seed(6)
    texts = ["", LEFT, RIGHT]
    tokens = torch.randn((3, 4, TOKENS), generator=rng)
    return PromptTable(texts, tokens, torch.ones((3, 4), dtype=torch.bool))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(7).uniform(size=(3, SIZE, SIZE)).astype(np.float16)


def test_the_surest_slices_of_either_side_are_looked_at() -> None:
    codes = np.zeros((8, 4, 4), np.uint8)
    codes[4, 0, 3] = 255  # right of the midline in the array: the patient's left
    codes[2, 0, 2:] = 250
    codes[6, :, 2:] = 100  # much of little
    assert slices_to_look_at(codes, 1.5, 1).tolist() == [0, 1, 2, 4]  # nothing on the other side
    codes[7, 1, 0] = 3
    codes[5, 1, 1] = 2
    assert slices_to_look_at(codes, 1.5, 1).tolist() == [2, 4, 5, 7]
    # More voxels: two that are sure beat one that is surer.
    assert slices_to_look_at(codes, 1.5, 4).tolist() == [2, 5, 6, 7]
    codes[4, 1, 0] = codes[2, 1, 0] = 200
    assert slices_to_look_at(codes, 1.5, 1).tolist() == [2, 4]
    assert slices_to_look_at(codes[:1], 1.5, 1).tolist() == [0]


def test_each_text_is_answered_as_if_it_were_asked_alone(table, image) -> None:
    model = network("textbcs")
    found = ask(model, table, image, [LEFT, "", LEFT, RIGHT], 3)
    assert list(found) == [LEFT, "", RIGHT]
    for text, answer in found.items():
        expected = predict_volume(model, table, image, [text] * 3, 3).probability
        assert answer.probability == pytest.approx(expected, abs=1e-6)
        grid = SIZE // 16
        assert answer.similarity.shape == (STAGES, 3, grid, grid)
    assert not np.array_equal(found[LEFT].similarity, found[RIGHT].similarity)


def test_the_similarity_is_that_of_training(table, image) -> None:
    model = network("textbcs")
    found = ask(model, table, image, [LEFT], 3)[LEFT].similarity
    model.train()
    for module in model.modules():  # running statistics, as at inference
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    rows = table.rows([LEFT] * 3)
    batch = torch.from_numpy(image).float()[:, None].expand(-1, 3, -1, -1)
    with torch.inference_mode():
        trained = model(batch, table.batch(rows)).alignment
    for own, expected in zip(found, trained, strict=True):
        assert own == pytest.approx(expected.numpy(), abs=1e-5)


def test_comparing_image_and_text_changes_no_bit_of_the_mask(table, image) -> None:
    model = network("textbcs")
    found = ask(model, table, image, [LEFT], 3)[LEFT].probability
    assert np.array_equal(found, predict_volume(model, table, image, [LEFT] * 3, 3).probability)


def test_the_network_is_left_as_it_was(table, image) -> None:
    model = network("textbcs")
    ask(model, table, image, [LEFT], 3)
    with torch.inference_mode():
        batch = torch.from_numpy(image).float()[:, None].expand(-1, 3, -1, -1)
        assert model(batch, table.batch(table.rows([LEFT] * 3))).alignment == ()


def test_a_network_without_an_interaction_has_no_similarity(table, image) -> None:
    found = ask(network("unet"), table, image, [LEFT], 3)[LEFT]
    assert found.similarity.shape[0] == 0
    assert found.probability.shape == (3, SIZE, SIZE)
