"""ConVIRT: published counts of the segmentation network and its loss by its formula."""

import torch
from test_contrastive import example, make

from textbcs.models.common import registry

CONFIG = {"model": "convirt", "width": 4, "blocks": [1, 1, 1, 1]}


def test_full_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = registry.full_size(CONFIG)
        network = registry.build(full, channels=3, image_size=224, text_dim=768)
    assert sum(p.numel() for p in network.parameters()) == 32_521_105  # smp.Unet("resnet50")
    convolutions = [tuple(p.shape) for p in network.decoder.parameters() if p.ndim == 4]
    assert convolutions == [
        (256, 3072, 3, 3),
        (256, 256, 3, 3),
        (128, 768, 3, 3),
        (128, 128, 3, 3),
        (64, 384, 3, 3),
        (64, 64, 3, 3),
        (32, 128, 3, 3),
        (32, 32, 3, 3),
        (16, 32, 3, 3),
        (16, 16, 3, 3),
    ]


def test_any_even_side_comes_back():
    network = registry.build(CONFIG, channels=1, image_size=48, text_dim=5).eval()
    assert network(torch.rand(1, 1, 48, 48), None).probability.shape == (1, 48, 48)


def test_loss_is_the_papers():
    """Equations 2 to 4, pair by pair."""
    model, batch = make("convirt"), example([3, 1, 2])
    embedded = model(batch.image, batch.text)
    v, u = embedded.image, embedded.text
    total = 0.0
    for i in range(3):
        to_text = torch.stack([torch.dot(v[i], u[k]) / 0.1 for k in range(3)])
        to_image = torch.stack([torch.dot(u[i], v[k]) / 0.1 for k in range(3)])
        own_text = -torch.log(to_text[i].exp() / to_text.exp().sum())
        own_image = -torch.log(to_image[i].exp() / to_image.exp().sum())
        total += (0.75 * own_text + 0.25 * own_image) / 3
    torch.testing.assert_close(model.objective(embedded, batch, 1)[0], total)
