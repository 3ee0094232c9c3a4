"""MGCA's segmentation network: its frozen ViT-B/16 with the SETR-PUP head.

Paper: Wang et al. 2022 (MGCA); structure after github.com/HKU-MedAI/MGCA (SETRModel with the ViT of
its pre-training), written anew from its description: 12 pre-norm blocks of width 768 on 16-px
patches with a class token and learned positions, a linear layer on the patch tokens, and the
progressive head (512, 256, 128, 64). 91.480 M parameters at width 768, 3 channels in and 1 class
out: 85.799 M of the encoder and 5.681 M of the rest. As in that repository the encoder is FROZEN
while the head is trained (`freeze_encoder`), so 5.681 M are trainable. It reads no text: its
pre-training (contrastive.py) did. Loss: 10 * focal - ln Dice, as there. Deviation for small presets:
`patch` may be smaller than 16; the head then doubles fewer times.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from textbcs.models.blocks.vit import (
    Block,
    Progressive,
    draw_weights,
    grid_of,
    heads_of,
    token_map,
)
from textbcs.models.contract import Output, Segmenter, TextBatch

EPSILON = 1e-6  # of the layer norms


class ImageTower(nn.Module):
    """The vision transformer of timm's `vit_base_patch16_224`, without its classifier.

    Args:
        config: `width`, `depth`, `head_width` and `patch`; 768, 12, 64 and 16 in the original.
        channels: of the image.
        image_size: side of the image in pixels, a multiple of `patch`.

    Raises:
        InputError: values that do not fit one another.
    """

    def __init__(self, config: Mapping[str, Any], channels: int, image_size: int) -> None:
        super().__init__()
        width, patch = int(config["width"]), int(config["patch"])
        heads = heads_of(width, int(config["head_width"]))
        count = grid_of(image_size, patch) ** 2
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, count + 1, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, nn.GELU(), EPSILON) for _ in range(int(config["depth"]))
        )
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        draw_weights(self, width)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the class token and the patches' tokens (B, 1 + g * g, width)."""
        before_last, last = self._before_last(image)
        return cast(Tensor, self.norm(last(before_last)))

    def attended(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens, and how the class token looks at the patches in the last block.

        Returns:
            (B, 1 + g * g, width), and (B, g * g) float32 without gradient.
        """
        x, last = self._before_last(image)
        with torch.no_grad():
            weights = last.attention.class_weights(last.norm1(x))
        return self.norm(last(x)), weights

    def _before_last(self, image: Tensor) -> tuple[Tensor, Block]:
        """What goes into the last block, and that block."""
        patches = self.patches(image).flatten(2).transpose(1, 2)
        first = self.class_token.to(patches.dtype).expand(len(patches), -1, -1)
        x = torch.cat([first, patches], dim=1) + self.position
        *before, last = self.blocks
        for block in before:
            x = block(x)
        return x, cast(Block, last)


class MGCASegmenter(Segmenter):
    """Image in, one sigmoid class out, no text.

    Args:
        config: see `ImageTower`, and `freeze_encoder`.
    """

    full_size: ClassVar[Mapping[str, Any]] = {
        "width": 768,
        "depth": 12,
        "head_width": 64,
        "patch": 16,
    }

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width = int(config["width"])
        self.encoder = ImageTower(config, channels, image_size)
        self.encoder.requires_grad_(not config["freeze_encoder"])
        self.dense = nn.Linear(width, width)
        draw_weights(self.dense, width)
        # 512, 256, 128, 64 at full width
        features = [max(2 * width // 3 // 2**step, 1) for step in (0, 1, 2, 3)]
        self.head = Progressive(width, features, int(config["patch"]))

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        logits = self.head(token_map(self.dense(self.encoder(image)[:, 1:])))
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)
