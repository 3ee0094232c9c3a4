"""The vision transformer and the segmentation network on it: what CLIP and MGCA have in common.

Paper: Dosovitskiy et al. 2021; shapes of the parameters as in timm's `vit_base_patch16_224` and in
CLIP's `ViT-B/16`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.linear import Linear


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU: x sigmoid(1.702 x), any shape."""

    def forward(self, x: Tensor) -> Tensor:
        """x sigmoid(1.702 x), of any shape."""
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Self-attention of several heads: (B, N, width) -> (B, N, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        mixed = functional.scaled_dot_product_attention(*self._split(x))
        return cast(Tensor, self.out(mixed.transpose(1, 2).flatten(2)))

    def class_weights(self, x: Tensor) -> Tensor:
        """How the first token looks at the others, mean over the heads: (B, N - 1), float32."""
        q, k, _ = self._split(x)
        scores = q[:, :, :1] @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        return cast(Tensor, scores.float().softmax(-1).mean(1)[:, 0, 1:])

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, N, width / heads)."""
        batch, count, width = x.shape
        split = self.qkv(x).view(batch, count, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v


class Block(nn.Module):
    """Attention and a two-layer perceptron of four times the width, each behind a layer norm.

    Args:
        width: of a token.
        heads: divides `width`.
        activation: of the perceptron.
        epsilon: of the layer norms.
    """

    def __init__(self, width: int, heads: int, activation: nn.Module, epsilon: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.perceptron = nn.Sequential(
            Linear(width, 4 * width), activation, Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self.attention(self.norm1(x))
        return cast(Tensor, x + self.perceptron(self.norm2(x)))


class Tower(nn.Module):
    """Base of the image towers: reads the configuration, makes and embeds the patches' tokens.

    Args:
        config: `width`, `depth`, `head_width` and `patch`; 768, 12, 64 and 16 in the original.
        channels: of the image.
        image_size: side of the image in pixels, a multiple of `patch`.
        patch_bias: whether the patches' embedding has a bias.

    Attributes:
        count: of tokens, the class token included.
        class_token, position: the tower's own, which add up with (B, 1, width) and (B, count, width).

    Raises:
        InputError: values that do not fit one another.
    """

    class_token: nn.Parameter
    position: nn.Parameter

    def __init__(
        self, config: Mapping[str, Any], channels: int, image_size: int, *, patch_bias: bool
    ) -> None:
        super().__init__()
        self.width, patch = int(config["width"]), int(config["patch"])
        self.depth = int(config["depth"])
        self.heads = heads_of(self.width, int(config["head_width"]))
        self.count = grid_of(image_size, patch) ** 2 + 1
        self.patches = nn.Conv2d(channels, self.width, patch, patch, bias=patch_bias)

    def stack(self, activation: type[nn.Module], epsilon: float) -> nn.Sequential:
        """The blocks; see `Block`."""
        blocks = (Block(self.width, self.heads, activation(), epsilon) for _ in range(self.depth))
        return nn.Sequential(*blocks)

    def embed(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the class token and the patches' (B, count, width), with positions."""
        patches = self.patches(image).flatten(2).transpose(1, 2)
        first = self.class_token.to(patches.dtype).expand(len(patches), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position


class Progressive(nn.Module):
    """SETR-PUP: 3x3 convolution, batch normalisation, ReLU, doubled sides; again; a 3x3 head.

    Paper: Zheng et al. 2021. Steps beyond those that a smaller patch needs keep the sides.

    Args:
        inputs: channels of the token map.
        features: channels after each step.
        patch: side of a token's patch in pixels, a power of two of at most 2 ** len(features).
    """

    def __init__(self, inputs: int, features: Sequence[int], patch: int) -> None:
        super().__init__()
        doublings = round(math.log2(patch))
        layers: list[nn.Module] = []
        for step, outputs in enumerate(features):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            if step < doublings:
                layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))
            inputs = outputs
        self.steps = nn.Sequential(*layers)
        self.head = nn.Conv2d(inputs, 1, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, inputs, g, g) -> logits (B, 1, g * patch, g * patch)."""
        return cast(Tensor, self.head(self.steps(tokens)))


class TowerSegmenter(Segmenter):
    """Image in, one sigmoid class out, no text: a tower, then the progressive head.

    Attributes:
        encoder: what contrastive pre-training trains; its parameters begin with `encoder.`.
        head: reads what `patch_tokens` gives.
    """

    encoder: Tower
    head: Progressive
    full_size: ClassVar[Mapping[str, Any]] = {
        "width": 768,
        "depth": 12,
        "head_width": 64,
        "patch": 16,
    }

    def patch_tokens(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) -> the patches' tokens (B, g * g, C), without the class token."""
        return cast(Tensor, self.encoder(image)[:, 1:])

    def mask_heads(self) -> Iterable[nn.Module]:
        """See `Segmenter.mask_heads`."""
        return [self.head.head]

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        logits = self.head(token_map(self.patch_tokens(image)))
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)


def heads_of(width: int, head_width: int) -> int:
    """Number of heads of about `head_width` channels.

    Raises:
        InputError: they do not divide the width.
    """
    heads = max(1, width // head_width)
    if width % heads:
        raise InputError(f"head_width = {head_width}: does not divide width = {width}; change one")
    return heads


def grid_of(image_size: int, patch: int) -> int:
    """Tokens a side.

    Raises:
        InputError: the patch is none of 1, 2, 4, 8, 16, or does not divide the image.
    """
    if patch not in (1, 2, 4, 8, 16) or image_size % patch:
        raise InputError(
            f"patch = {patch}: must be 4, 8 or 16 and divide the image size {image_size}"
        )
    return image_size // patch


def token_map(tokens: Tensor) -> Tensor:
    """Patch tokens (B, g * g, C), without the class token, as a map (B, C, g, g)."""
    batch, count, width = tokens.shape
    side = math.isqrt(count)
    return tokens.transpose(1, 2).reshape(batch, width, side, side)


def draw_weights(module: nn.Module, width: int) -> None:
    """Linear weights from a normal distribution cut at two units, biases zero.

    The deviation is ViT's 0.02 at width 768 and falls with the root of the width, so that a narrow
    network's layers pass on as much as a full one's.
    """
    deviation = 0.02 * math.sqrt(768 / width)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=deviation, a=-2.0, b=2.0)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
