"""CLIP: published counts, an independent tower with the same weights, the learnable temperature."""

import math

import pytest
import torch
from test_contrastive import example, make
from torch import nn

from textbcs.models.clip.contrastive import START
from textbcs.models.clip.network import ImageTower
from textbcs.models.clip.weights import counterpart
from textbcs.models.common import registry
from textbcs.pretraining.published import counterparts

CONFIG = {"model": "clip", "width": 24, "depth": 2, "head_width": 12, "patch": 8}


def test_full_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = registry.full_size(CONFIG)
        network = registry.build(full, channels=3, image_size=224, text_dim=768)
    count = sum(p.numel() for p in network.encoder.parameters())
    assert count == 86_192_640  # visual of openai/CLIP's ViT-B/16
    shapes = [tuple(p.shape) for p in network.encoder.parameters()]
    for shape in ((768, 3, 16, 16), (768,), (197, 768), (768, 512), (2304, 768), (3072, 768)):
        assert shape in shapes
    assert sum(p.numel() for p in network.head.parameters()) == 1_568_449


def test_tower_gives_what_transformers_gives_with_the_same_weights():
    import transformers

    config = transformers.CLIPVisionConfig(
        hidden_size=24,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=16,
        hidden_act="quick_gelu",
        layer_norm_eps=1e-5,
    )
    theirs = transformers.CLIPVisionModelWithProjection(config).eval()
    ours = ImageTower(CONFIG, 3, 32).eval()
    for value in theirs.parameters():  # norms and biases start at 1 and 0
        nn.init.normal_(value, std=0.2)
    shapes = {f"encoder.{name}": tuple(value.shape) for name, value in ours.state_dict().items()}
    found = counterparts(counterpart, theirs.state_dict(), {**shapes, "head.head.bias": (1,)})
    ours.load_state_dict({name.removeprefix("encoder."): value for name, value in found.items()})
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours(image)[:, 0], theirs(image).image_embeds, atol=1e-5, rtol=1e-4)


def test_temperature_starts_at_its_published_value_and_is_bounded():
    model, batch = make("clip"), example([0, 1, 2, 3])
    assert model.log_scale.item() == pytest.approx(math.log(1 / 0.07)) == START
    embedded = model(batch.image, batch.text)
    cosine = embedded.image @ embedded.text.T
    own = torch.arange(4)
    for log_scale, scale in ((START, 1 / 0.07), (9.0, 100.0)):
        nn.init.constant_(model.log_scale, log_scale)
        found, _ = model.objective(embedded, batch, 1)
        expected = [nn.functional.cross_entropy(scale * s, own) for s in (cosine, cosine.T)]
        torch.testing.assert_close(found, sum(expected) / 2)
