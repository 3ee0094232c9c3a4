"""MGCA's segmentation network: its frozen ViT-B/16 with the SETR-PUP head.

Paper: Wang et al. 2022 (MGCA); structure after github.com/HKU-MedAI/MGCA (SETRModel with the ViT of
its pre-training), written anew from its description: 12 pre-norm blocks of width 768 on 16-px
patches with a class token and learned positions, a linear layer on the patch tokens, and the
progressive head (512, 256, 128, 64). 91.480 M parameters at width 768, 3 channels in and 1 class
out: 85.799 M of the encoder and 5.681 M of the rest. As in that repository the encoder is FROZEN
while the head is trained (`freeze_encoder`), so 5.681 M are trainable. It reads no text: its
pre-training (contrastive.py) did. Loss: 10 * focal - ln Dice, as there. First weights as there: the
encoder's linear layers, class token and positions from a cut normal distribution, all others and the
head's as PyTorch draws them. Deviations for small presets: `patch` may be smaller than 16; the head
then doubles fewer times. The deviation of the encoder's linear weights grows as its width falls
(`draw_weights`).
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from textbcs.models.common.linear import Linear
from textbcs.models.common.vit import Block, Progressive, Tower, TowerSegmenter, draw_weights

EPSILON = 1e-6  # of the layer norms


class ImageTower(Tower):
    """The vision transformer of timm's `vit_base_patch16_224`, without its classifier.

    Args:
        config, channels, image_size: see `Tower`.
    """

    def __init__(self, config: Mapping[str, Any], channels: int, image_size: int) -> None:
        super().__init__(config, channels, image_size, patch_bias=True)
        self.class_token = nn.Parameter(torch.zeros(1, 1, self.width))
        self.position = nn.Parameter(torch.zeros(1, self.count, self.width))
        self.blocks = self.stack(nn.GELU, EPSILON)
        self.norm = nn.LayerNorm(self.width, eps=EPSILON)
        draw_weights(self, self.width)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the class token and the patches' tokens (B, 1 + g * g, width)."""
        return cast(Tensor, self.norm(self.blocks(self.embed(image))))

    def attended(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens, and how the class token looks at the patches in the last block.

        Returns:
            (B, 1 + g * g, width), and (B, g * g) float32 without gradient.
        """
        x = self.blocks[:-1](self.embed(image))
        last = cast(Block, self.blocks[-1])
        with torch.no_grad():
            weights = last.attention.class_weights(last.norm1(x))
        return self.norm(last(x)), weights


class MGCASegmenter(TowerSegmenter):
    """See `TowerSegmenter`; config: see `Tower`, and `freeze_encoder`."""

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        self.encoder = ImageTower(config, channels, image_size)
        self.encoder.requires_grad_(not config["freeze_encoder"])
        width = self.encoder.width
        self.dense = Linear(width, width)
        # 512, 256, 128, 64 at full width
        features = [max(2 * width // 3 // 2**step, 1) for step in (0, 1, 2, 3)]
        self.head = Progressive(width, features, int(config["patch"]))

    def patch_tokens(self, image: Tensor) -> Tensor:
        """See `TowerSegmenter.patch_tokens`; through a linear layer."""
        return cast(Tensor, self.dense(super().patch_tokens(image)))
