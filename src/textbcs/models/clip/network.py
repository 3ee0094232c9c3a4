"""CLIP's image tower with a segmentation head of ours.

Paper: Radford et al. 2021; structure of the tower after github.com/openai/CLIP (clip/model.py,
`ViT-B/16`), written anew. Neither has a segmentation head, so this one is ours: the patch tokens go
through the tower's last norm and its projection into the shared space (as the class token does in
CLIP) and then through a progressive head of half that width and less (256, 128, 64, 32). 86.193 M
parameters of the tower and 1.568 M of the head at width 768, 3 channels in and 1 class out. It reads
no text: its pre-training (contrastive.py) did. Loss: `dice_bce` (ours; the paper has none).
Without published weights (weights.py) the tower's linear layers start as ViT's do (`draw_weights`;
OpenAI's code leaves them to PyTorch: Xavier for queries, keys and values, uniform for the others,
zero biases in the attention alone); the head's convolutions start as PyTorch draws them.
Deviation for small presets: `patch` may be smaller than 16; the head then doubles fewer times.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from textbcs.models.common.vit import Progressive, QuickGELU, Tower, TowerSegmenter, draw_weights

EPSILON = 1e-5  # of the layer norms


class ImageTower(Tower):
    """CLIP's vision transformer, giving every token in the shared space.

    Args:
        config, channels, image_size: see `Tower`.

    Attributes:
        shared: width of the shared space, two thirds of `width`: 512 in the original.
    """

    def __init__(self, config: Mapping[str, Any], channels: int, image_size: int) -> None:
        super().__init__(config, channels, image_size, patch_bias=False)
        self.shared = 2 * self.width // 3
        scale = self.width**-0.5
        self.class_token = nn.Parameter(scale * torch.randn(self.width))
        self.position = nn.Parameter(scale * torch.randn(self.count, self.width))
        self.norm_before = nn.LayerNorm(self.width, eps=EPSILON)
        self.blocks = self.stack(QuickGELU, EPSILON)
        self.norm_after = nn.LayerNorm(self.width, eps=EPSILON)
        self.projection = nn.Parameter(scale * torch.randn(self.width, self.shared))
        draw_weights(self, self.width)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the class token and the patches' tokens (B, 1 + g * g, shared)."""
        x = self.norm_before(self.embed(image))
        return cast(Tensor, self.norm_after(self.blocks(x)) @ self.projection)


class CLIPSegmenter(TowerSegmenter):
    """See `TowerSegmenter`; config: see `Tower`."""

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        self.encoder = ImageTower(config, channels, image_size)
        features = [max(self.encoder.shared // 2**step, 1) for step in (1, 2, 3, 4)]
        self.head = Progressive(self.encoder.shared, features, int(config["patch"]))
