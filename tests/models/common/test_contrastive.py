"""Contrastive losses: torch's cross-entropy on distinct prompts, and equal prompts are no negatives."""

import pytest
import torch
from torch.nn import functional

from textbcs.models.common import contrastive, registry
from textbcs.models.common.contract import Batch, TextBatch

SIZE, TEXT, TOKENS = 32, 12, 6
RESNET = {"width": 4, "blocks": [1, 1, 1, 1]}
VIT = {"width": 24, "depth": 2, "head_width": 12, "patch": 8, "freeze_encoder": True}
NETWORKS = {"clip": VIT, "convirt": RESNET, "gloria": RESNET, "mgca": VIT}
SETTINGS = {
    "clip": {},
    "convirt": {"embedding": 16, "temperature": 0.1, "image_weight": 0.75},
    "gloria": {"embedding": 16, "temperatures": [4.0, 5.0, 10.0]},
    "mgca": {"embedding": 16, "hidden": 32, "prototypes": 5},
}
every_method = pytest.mark.parametrize("method", NETWORKS)


def make(method: str, **settings) -> contrastive.Pretraining:
    torch.manual_seed(0)
    build = registry.package(method).Contrastive
    given = {**SETTINGS[method], **settings}
    return build(NETWORKS[method], given, channels=1, image_size=SIZE, text_dim=TEXT)


def example(prompt: list[int]) -> Batch:
    """Random images; the prompts' tokens are those of a table of six prompts."""
    generator = torch.Generator().manual_seed(3)
    count, rows = len(prompt), torch.tensor(prompt)
    tokens = torch.randn(6, TOKENS, TEXT, generator=generator)[rows]
    mask = torch.ones(count, TOKENS, dtype=torch.bool)
    mask[:, -2:] = False
    image = torch.rand(count, 1, SIZE, SIZE, generator=generator)
    empty = torch.zeros(count, SIZE, SIZE)
    attributes = torch.zeros(count, 4, dtype=torch.int64)
    return Batch(image, empty, TextBatch(tokens, mask), rows, attributes, torch.arange(count))


def loss_of(model: contrastive.Pretraining, batch: Batch, epoch: int = 2) -> torch.Tensor:
    return model.objective(model(batch.image, batch.text), batch, epoch)[0]


def test_on_distinct_prompts_it_is_the_cross_entropy():
    torch.manual_seed(1)
    scores, prompt = torch.randn(7, 7), torch.randperm(7)
    own = torch.arange(7)
    assert contrastive.image_to_text(scores, prompt) == functional.cross_entropy(scores, own)
    expected = functional.cross_entropy(scores.T, own)
    torch.testing.assert_close(contrastive.text_to_image(scores, prompt), expected)


def test_equal_prompts_stand_in_no_denominator():
    scores = torch.tensor([[2.0, 9.0, 1.0], [8.0, 3.0, 0.0], [0.5, 0.7, 1.0]])
    found = contrastive.image_to_text(scores, torch.tensor([4, 4, 1]))
    rows = [[2.0, 1.0], [3.0, 0.0], [1.0, 0.5, 0.7]]
    expected = [-torch.tensor(row).log_softmax(0)[0] for row in rows]
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_no_gradient_pushes_an_image_from_an_equal_prompt():
    torch.manual_seed(1)
    scores = (5 * torch.randn(6, 6)).requires_grad_()
    prompt = torch.tensor([0, 1, 0, 2, 1, 0])
    total = contrastive.image_to_text(scores, prompt) + contrastive.text_to_image(scores, prompt)
    total.backward()
    equal = prompt[:, None] == prompt
    assert bool((scores.grad[equal] <= 0).all())  # descending never lowers such a score
    assert bool((scores.grad[contrastive.excluded(prompt)] == 0).all())
    assert bool((scores.grad[~equal] > 0).all())


def test_a_batch_of_one_prompt_teaches_nothing():
    scores = torch.randn(4, 4).requires_grad_()
    loss = contrastive.image_to_text(scores, torch.zeros(4, dtype=torch.int64))
    loss.backward()
    assert loss == 0
    assert bool((scores.grad == 0).all())


def test_retrieval_takes_an_equal_prompt_for_right():
    scores = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 2.0], [0.1, 0.0, 0.2]])
    found = contrastive.retrieval(scores, torch.tensor([3, 3, 5]))
    assert found.tolist() == [True, False, True]


def test_sentence_is_the_mean_of_the_real_tokens():
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [torch.inf, torch.nan]]])
    mask = torch.tensor([[True, True, False]])
    assert contrastive.sentence(TextBatch(tokens, mask)).tolist() == [[2.0, 4.0]]


def test_the_outer_tokens_are_the_first_and_last_real_ones():
    mask = torch.tensor([[1, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]).bool()
    for first, last, expected in (
        (True, True, [[0, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        (True, False, [[0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]),
        (False, True, [[1, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]),
        (False, False, mask.int().tolist()),
    ):
        assert contrastive.without_ends(mask, first=first, last=last).int().tolist() == expected


def part_changed_at(method: str, part: str) -> list[bool]:
    """Whether a part of the loss changes with the token at each of a prompt's four real places."""
    model, batch = make(method).eval(), example([0, 1, 2])
    before = model.objective(model(batch.image, batch.text), batch, 2)[1][part]
    changed = []
    for place in range(4):
        tokens = batch.text.tokens.clone()
        tokens[:, place] = tokens[:, place].flip(1)
        text = TextBatch(tokens, batch.text.mask)
        after = model.objective(model(batch.image, text), batch, 2)[1][part]
        changed.append(not torch.allclose(before, after, rtol=1e-6, atol=0))
    return changed


def test_of_the_outer_tokens_each_methods_words_hold_what_its_code_holds():
    """GLoRIA's hold [CLS] and not [SEP], MGCA's [SEP] and not [CLS]."""
    assert part_changed_at("gloria", "local") == [True, True, True, False]
    assert part_changed_at("mgca", "token") == [False, True, True, True]


@every_method
def test_loss_is_the_same_when_images_of_equal_prompts_change_places(method):
    model, batch = make(method), example([0, 1, 0, 2])
    order = torch.tensor([2, 1, 0, 3])
    swapped = Batch(batch.image[order], *list(vars(batch).values())[1:])
    torch.testing.assert_close(loss_of(model, batch), loss_of(model, swapped))


@every_method
def test_loss_differs_when_images_of_unequal_prompts_change_places(method):
    model, batch = make(method), example([0, 1, 0, 2])
    order = torch.tensor([1, 0, 2, 3])
    swapped = Batch(batch.image[order], *list(vars(batch).values())[1:])
    assert abs(loss_of(model, batch) - loss_of(model, swapped)) > 1e-4


@every_method
def test_what_stands_in_padding_does_not_matter(method):
    model, batch = make(method), example([0, 1, 2])
    tokens = batch.text.tokens.clone()
    tokens[:, -2:] = 1e3
    padded = TextBatch(tokens, batch.text.mask)
    first = loss_of(model, batch)
    second = model.objective(model(batch.image, padded), batch, 2)[0]
    torch.testing.assert_close(first, second)


@every_method
def test_gradients_reach_every_parameter_and_are_finite(method):
    model = make(method).train()
    total = loss_of(model, example([0, 1, 0, 2]))
    total.backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert bool(value.grad.isfinite().all()), name
        if "bias" not in name:
            assert value.grad.abs().max() > 0, name


@every_method
def test_segmentation_network_has_the_same_encoder(method):
    config = {"model": method, **NETWORKS[method]}
    network = registry.build(config, channels=1, image_size=SIZE, text_dim=TEXT)
    found = contrastive.encoder_weights(make(method).state_dict())
    wanted = contrastive.encoder_weights(network.state_dict())
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in wanted.items()}
    assert len(found) > 20


@every_method
def test_fits_six_pairs(method):
    """After a short fit the best prompt of each image is its own, by chance one in six."""
    model, batch = make(method).train(), example([0, 1, 2, 3, 4, 5])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    embedded = model(batch.image, batch.text)
    assert losses[-1] < 0.7 * losses[0]
    found = contrastive.retrieval(embedded.image @ embedded.text.T, batch.prompt)
    assert found.sum() >= 5


@every_method
def test_bfloat16_changes_the_loss_little_and_keeps_it_in_float32(method):
    model, batch = make(method), example([0, 1, 0, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedded = model(batch.image, batch.text)
    found, _ = model.objective(embedded, batch, 2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss_of(model, batch), rtol=0.1, atol=0.1)
