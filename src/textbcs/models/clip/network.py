"""CLIP's image tower with a segmentation head of ours.

Paper: Radford et al. 2021; structure of the tower after github.com/openai/CLIP (clip/model.py,
`ViT-B/16`), written anew. Neither has a segmentation head, so this one is ours: the patch tokens go
through the tower's last norm and its projection into the shared space (as the class token does in
CLIP) and then through a progressive head of half that width and less (256, 128, 64, 32). 86.193 M
parameters of the tower and 1.568 M of the head at width 768, 3 channels in and 1 class out. It reads
no text: its pre-training (contrastive.py) did. Loss: `dice_bce` (ours; the paper has none).
Deviation for small presets: `patch` may be smaller than 16; the head then doubles fewer times.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from textbcs.models.blocks.vit import (
    Block,
    Progressive,
    QuickGELU,
    draw_weights,
    grid_of,
    heads_of,
    token_map,
)
from textbcs.models.contract import Output, Segmenter, TextBatch

EPSILON = 1e-5  # of the layer norms


class ImageTower(nn.Module):
    """CLIP's vision transformer, giving every token in the shared space.

    Args:
        config: `width`, `depth`, `head_width` and `patch`; 768, 12, 64 and 16 in the original.
        channels: of the image.
        image_size: side of the image in pixels, a multiple of `patch`.

    Attributes:
        shared: width of the shared space, two thirds of `width`: 512 in the original.

    Raises:
        InputError: values that do not fit one another.
    """

    def __init__(self, config: Mapping[str, Any], channels: int, image_size: int) -> None:
        super().__init__()
        width, patch = int(config["width"]), int(config["patch"])
        heads = heads_of(width, int(config["head_width"]))
        count = grid_of(image_size, patch) ** 2
        self.shared = shared = 2 * width // 3
        scale = width**-0.5
        self.patches = nn.Conv2d(channels, width, patch, patch, bias=False)
        self.class_token = nn.Parameter(scale * torch.randn(width))
        self.position = nn.Parameter(scale * torch.randn(count + 1, width))
        self.norm_before = nn.LayerNorm(width, eps=EPSILON)
        self.blocks = nn.Sequential(
            *(Block(width, heads, QuickGELU(), EPSILON) for _ in range(int(config["depth"])))
        )
        self.norm_after = nn.LayerNorm(width, eps=EPSILON)
        self.projection = nn.Parameter(scale * torch.randn(width, shared))
        draw_weights(self, width)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the class token and the patches' tokens (B, 1 + g * g, shared)."""
        patches = self.patches(image).flatten(2).transpose(1, 2)
        first = self.class_token.to(patches.dtype).expand(len(patches), 1, -1)
        x = self.norm_before(torch.cat([first, patches], dim=1) + self.position)
        return cast(Tensor, self.norm_after(self.blocks(x)) @ self.projection)


class CLIPSegmenter(Segmenter):
    """Image in, one sigmoid class out, no text.

    Args:
        config: see `ImageTower`.
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
        self.encoder = ImageTower(config, channels, image_size)
        features = [max(self.encoder.shared // 2**step, 1) for step in (1, 2, 3, 4)]
        self.head = Progressive(self.encoder.shared, features, int(config["patch"]))

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        logits = self.head(token_map(self.encoder(image)[:, 1:]))
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)
