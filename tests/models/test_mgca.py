"""MGCA: counts, its frozen encoder, an independent tower, and its losses by hand."""

import pytest
import torch
from test_contrastive import example, make
from torch import nn

from textbcs.models.common import registry
from textbcs.models.common.contrastive import Tokens, unit
from textbcs.models.mgca import contrastive
from textbcs.models.mgca.network import ImageTower

CONFIG = {
    "model": "mgca",
    "width": 24,
    "depth": 2,
    "head_width": 12,
    "patch": 8,
    "freeze_encoder": True,
}


def test_full_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = registry.full_size(CONFIG)
        network = registry.build(full, channels=3, image_size=224, text_dim=768)
    assert sum(p.numel() for p in network.parameters()) == 91_479_937  # MGCA's SETRModel on its ViT
    assert (
        sum(p.numel() for p in network.encoder.parameters()) == 85_798_656
    )  # vit_base_patch16_224
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trainable == 91_479_937 - 85_798_656
    shapes = [tuple(p.shape) for p in network.encoder.parameters()]
    assert shapes[:2] == [(1, 1, 768), (1, 197, 768)]


def test_the_encoder_stays_frozen_only_where_asked():
    frozen = registry.build(CONFIG, channels=1, image_size=32, text_dim=5)
    free = registry.build(
        {**CONFIG, "freeze_encoder": False}, channels=1, image_size=32, text_dim=5
    )
    assert not any(p.requires_grad for p in frozen.encoder.parameters())
    assert all(p.requires_grad for p in free.parameters())
    assert all(p.requires_grad for p in make("mgca").parameters())


def test_what_is_no_transformer_starts_as_pytorch_draws_it():
    """A linear layer's weights and biases evenly within one over the root of its inputs."""
    torch.manual_seed(0)
    dense = registry.build(CONFIG, channels=1, image_size=32, text_dim=5).dense
    torch.manual_seed(1)
    limit = 24**-0.5
    for value in (dense.weight, dense.bias):
        assert value.abs().max() <= limit
        assert float(value.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.25)


def test_tower_gives_what_transformers_gives_with_the_same_weights():
    import transformers

    config = transformers.ViTConfig(
        hidden_size=24,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        layer_norm_eps=1e-6,
    )
    theirs = transformers.ViTModel(config, add_pooling_layer=False).eval()
    ours = ImageTower(CONFIG, 3, 32).eval()
    for value in ours.parameters():  # norms and biases start at 1 and 0
        nn.init.normal_(value, std=0.2)
    theirs.load_state_dict(renamed(ours))
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours(image), theirs(image).last_hidden_state, atol=1e-5, rtol=1e-4)
    tokens, weights = ours.attended(image)
    torch.testing.assert_close(tokens, ours(image))
    assert weights.shape == (2, 16)
    assert bool((weights.sum(1) < 1).all())


def renamed(tower: ImageTower) -> dict[str, torch.Tensor]:
    """The tower's weights by transformers' names."""
    own = tower.state_dict()
    weights = {
        "embeddings.cls_token": own["class_token"],
        "embeddings.position_embeddings": own["position"],
    }
    pairs = {"embeddings.patch_embeddings.projection": "patches", "layernorm": "norm"}
    for layer in range(2):
        pairs |= {
            f"layers.{layer}.layernorm_before": f"blocks.{layer}.norm1",
            f"layers.{layer}.layernorm_after": f"blocks.{layer}.norm2",
            f"layers.{layer}.attention.o_proj": f"blocks.{layer}.attention.out",
            f"layers.{layer}.mlp.fc1": f"blocks.{layer}.perceptron.0",
            f"layers.{layer}.mlp.fc2": f"blocks.{layer}.perceptron.2",
        }
    for kind in ("weight", "bias"):
        weights |= {f"{theirs}.{kind}": own[f"{ours}.{kind}"] for theirs, ours in pairs.items()}
        for layer in range(2):
            parts = own[f"blocks.{layer}.attention.qkv.{kind}"].chunk(3)
            for letter, part in zip("qkv", parts, strict=True):
                weights[f"layers.{layer}.attention.{letter}_proj.{kind}"] = part
    return weights


def test_sinkhorn_shares_every_image_out_and_uses_all_prototypes_alike(monkeypatch):
    scores = torch.rand(40, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    codes = contrastive.sinkhorn(scores)
    assert bool((codes >= 0).all())
    torch.testing.assert_close(codes.sum(1), torch.ones(40))
    plain = (scores / contrastive.SINKHORN_EPSILON).softmax(1)
    uneven = (plain.sum(0) - 40 / 5).abs().max()
    assert (codes.sum(0) - 40 / 5).abs().max() < uneven
    monkeypatch.setattr(contrastive, "SINKHORN_ITERATIONS", 1000)
    balanced = contrastive.sinkhorn(scores)
    torch.testing.assert_close(balanced.sum(0), torch.full((5,), 8.0), atol=1e-3, rtol=0)


def test_sinkhorn_of_balanced_scores_is_their_softmax():
    scores = torch.eye(3) * 0.1
    torch.testing.assert_close(contrastive.sinkhorn(scores), (scores / 0.05).softmax(1))


def test_prototype_loss_is_the_crossed_entropy():
    image = torch.tensor([[0.1, 0.0], [0.0, 0.1]])
    text = torch.tensor([[0.2, 0.0], [0.0, 0.2]])
    codes = [(x / 0.05).softmax(1) for x in (image, text)]
    predictions = [(x / 0.2).log_softmax(1) for x in (image, text)]
    expected = -((codes[0] * predictions[1]).sum() + (codes[1] * predictions[0]).sum()) / 2 / 2
    torch.testing.assert_close(contrastive.prototype_loss(image, text), expected)


def test_prototypes_are_fixed_in_the_first_epoch_only():
    for epoch, fixed in ((1, True), (2, False)):
        model, batch = make("mgca"), example([0, 1, 2])
        model.objective(model(batch.image, batch.text), batch, epoch)[0].backward()
        assert (model.prototypes.weight.grad is None) == fixed


def test_patch_weights_are_clipped_at_their_quantiles():
    looks = torch.cat([torch.full((1, 18), 0.05), torch.tensor([[0.0, 5.0]])], dim=1)
    weights = contrastive.clipped_weights(looks)
    torch.testing.assert_close(weights, torch.full((1, 20), 0.05))


def test_the_last_token_stands_among_the_words_and_weighs_nothing():
    model, batch = make("mgca"), example([0, 1])
    tokens = model(batch.image, batch.text).tokens
    assert tokens.mask.int().tolist() == [[0, 1, 1, 1, 0, 0]] * 2
    assert tokens.word_weights.tolist() == [[0, 0.5, 0.5, 0, 0, 0]] * 2


@pytest.mark.parametrize("given", [False, True])
def test_token_loss_is_that_of_a_loop_over_pairs_and_tokens(given):
    torch.manual_seed(2)
    regions, words = unit(torch.randn(2, 5, 8)), unit(torch.randn(2, 4, 8))
    mask = torch.tensor([[True, True, True, True], [True, True, True, False]])
    weights = torch.rand(2, 5).softmax(1)
    shares = torch.tensor([[0.25] * 4, [1 / 3] * 3 + [0.0]])
    if given:
        shares = torch.tensor([[0.2, 0.3, 0.5, 0.0], [0.6, 0.4, 0.0, 0.0]])
    total = 0.0
    for pair in range(2):
        real, seen = words[pair][mask[pair]], regions[pair]
        gathered_regions = unit((real @ seen.T / 0.1).softmax(1) @ seen)
        gathered_words = (seen @ real.T / 0.1).softmax(1) @ real
        sides = (
            (real, gathered_regions, shares[pair][mask[pair]]),
            (seen, gathered_words, weights[pair]),
        )
        for own, gathered, weight in sides:
            scores, target = own @ gathered.T / 0.1, torch.arange(len(own))
            for direction in (scores, scores.T):
                loss = nn.functional.cross_entropy(direction, target, reduction="none")
                total += (loss * weight).sum() / 2 / 2
    tokens = Tokens(regions, words, mask, weights, shares if given else None)
    torch.testing.assert_close(contrastive.token_loss(tokens), total)
