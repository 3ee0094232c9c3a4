"""LViT: a UNet whose skips are joined by a transformer branch that reads the prompt.

Paper: Li et al., "LViT: Language meets Vision Transformer in Medical Image Segmentation", IEEE TMI
2024 (arXiv 2206.14718). Official code: github.com/HUANGLIZI/LViT (a9b0b41, nets/LViT.py, Vit.py,
pixlevel.py), written anew from its description. At width 64, 3 channels in, 1 sigmoid class out,
224 px and 10 tokens: 29.908 M parameters, the multiset of shapes of those that the official
forward uses.

Images go through the UNet's encoder; each of its four stages is cut into the same grid of patches
(16, 8, 4 and 2 px wide; 14 x 14 at 224 px) and passes a transformer block on its way down and one
on its way up. The prompt's embeddings are narrowed by convolutions along the tokens; the narrowest
becomes one vector per patch by a convolution from prompt tokens to patches and is added to the first
stage's patches, the only place where text enters. The tokens return to the encoder's maps, which
the decoder joins after weighing their pixels (PLAM).

Deviations:

- The official module also holds 10.025 M parameters that its forward never uses (four more PLAMs,
  heads, norms, embeddings of the way up and so on). They are left out.
- The official code is wired to exactly 10 words, and pads shorter texts with the words "EOF XXX".
  Here a prompt's first `tokens` words count, and missing ones are zeros. [CLS] and [SEP] are no
  words, as there; pieces of a word are words (there, the package bert_embedding averages them).
- The output is logits; the official module ends in the sigmoid.
- The official code is wired to 224 px; here the grid is image size / 16.
- The paper's semi-supervised part (exponential pseudo labels, the language-vision loss) has no
  place where every slice has a mask; this is the supervised "LViT-T".
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.contrastive import without_ends
from textbcs.models.common.linear import Linear
from textbcs.models.common.unet_blocks import convolution, two_convolutions

DROPOUT = 0.1  # of patch embeddings and of the feed-forward network, as in the official code
PATCHES = (16, 8, 4, 2)  # pixels a side at each stage


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: of the tokens.
        heads: number of heads; divides `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        split = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        weight = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        result: Tensor = self.out((weight @ v).transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Module):
    """Two linear layers, four times as wide inside, GELU and dropout after each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = Linear(width, 4 * width)
        self.narrow = Linear(4 * width, width)
        self.dropout = nn.Dropout(DROPOUT)
        for layer in (self.wide, self.narrow):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        for layer in (self.wide, self.narrow):
            x = self.dropout(functional.gelu(layer(x)))
        return x


class Block(nn.Module):
    """One transformer block, normalisation first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_forward = nn.LayerNorm(width)
        self.forward_network = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self.attention(self.norm_attention(x))
        x = x + self.forward_network(self.norm_forward(x))
        return x


class TokenConvolution(nn.Module):
    """Convolution of width 3 along the second axis, batch normalisation, ReLU: (B, in, n) -> (B, out, n)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.relu(self.norm(self.convolution(x)))


class PatchEmbedding(nn.Module):
    """A stage's map as tokens with a learned position, zero at first."""

    def __init__(self, width: int, patch: int, grid: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(width, width, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, grid * grid, width))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, grid * patch, grid * patch) -> (B, grid * grid, width)."""
        tokens: Tensor = self.dropout(self.projection(x).flatten(2).transpose(1, 2) + self.position)
        return tokens


class Reconstruct(nn.Module):
    """Tokens back on their stage's map: nearest upsampling, 1x1 convolution, normalisation, ReLU."""

    def __init__(self, width: int, patch: int, grid: int) -> None:
        super().__init__()
        self.patch, self.grid = patch, grid
        self.convolution = nn.Conv2d(width, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, grid * grid, width) -> (B, width, grid * patch, grid * patch)."""
        low = tokens.transpose(1, 2).reshape(*tokens.shape[::2], self.grid, self.grid)
        high = functional.interpolate(low, scale_factor=self.patch, mode="nearest")
        return functional.relu(self.norm(self.convolution(high)))


class PixelAttention(nn.Module):
    """PLAM, the pixel-level attention module: weighs every pixel of a map by what it holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(channels, channels, 1, bias=False)
        self.largest = nn.Conv2d(channels, channels, 1, bias=False)
        self.weigh = nn.Sequential(Linear(3, 6), nn.ReLU(inplace=True), Linear(6, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same."""
        mean = functional.relu(self.mean(x)).mean(1)
        largest = functional.relu(self.largest(x)).amax(1)
        weight: Tensor = self.weigh(torch.stack([mean, largest, mean + largest], dim=-1))
        return x * weight[:, None, :, :, 0]


class Up(nn.Module):
    """One step of the decoder: nearest upsampling by 2, the weighed skip, two convolutions."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.attention = PixelAttention(channels)
        self.convolutions = two_convolutions(2 * channels, outputs)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, channels, h, w) and (B, channels, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        above = functional.interpolate(below, scale_factor=2, mode="nearest")
        joined: Tensor = self.convolutions(torch.cat([self.attention(skip), above], dim=1))
        return joined


class TextStream(nn.Module):
    """A prompt as one vector per patch.

    Four convolutions along the words ([CLS] and [SEP] left out) narrow the embeddings to 8, 4, 2 and 1
    times `width`; a last one, in which words are the channels, turns `tokens` of them into `patches`.
    """

    def __init__(self, text_dim: int, width: int, tokens: int, patches: int) -> None:
        super().__init__()
        self.tokens = tokens
        widths = (text_dim, 8 * width, 4 * width, 2 * width, width)
        self.narrow = nn.ModuleList(
            nn.Conv1d(wide, slim, 3, padding=1) for wide, slim in pairwise(widths)
        )
        self.spread = TokenConvolution(tokens, patches)

    def forward(self, text: TextBatch) -> Tensor:
        """The prompts -> (B, patches, width)."""
        words = TextBatch(text.tokens, without_ends(text.mask, first=True, last=True))
        x = first_tokens(words, self.tokens).transpose(1, 2)
        for layer in self.narrow:
            x = layer(x)
        spread: Tensor = self.spread(x.transpose(1, 2))
        return spread


class TokenBranch(nn.Module):
    """The transformer branch: down the four stages and up again.

    Args:
        widths: channels of each stage.
        grid: patches a side.
        heads: of every block.
    """

    def __init__(self, widths: tuple[int, ...], grid: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(
            PatchEmbedding(w, patch, grid) for w, patch in zip(widths, PATCHES, strict=True)
        )
        self.down = nn.ModuleList(Block(w, heads) for w in widths)
        self.narrow = nn.ModuleList(TokenConvolution(w, w // 2) for w in widths[1:])
        self.up = nn.ModuleList(Block(w, heads) for w in widths)
        self.widen = nn.ModuleList(TokenConvolution(2 * w, w) for w in widths[:-1])
        self.reconstruct = nn.ModuleList(
            Reconstruct(w, patch, grid) for w, patch in zip(widths, PATCHES, strict=True)
        )

    def forward(self, maps: list[Tensor], text: Tensor) -> list[Tensor]:
        """Encoder maps of the four stages and (B, N, widths[0]) text -> the maps plus what tokens add."""
        stages: list[Tensor] = []
        for index, (x, embed, block) in enumerate(zip(maps, self.embed, self.down, strict=True)):
            tokens = embed(x)
            if index == 0:
                stages.append(block(tokens + text))
                continue
            own = _along(self.narrow[index - 1], block(tokens))
            stages.append(torch.cat([own, stages[-1]], dim=2))
        below: Tensor | None = None
        for index in reversed(range(len(stages))):
            tokens = self.up[index](stages[index])
            if below is not None:
                tokens = tokens + _along(self.widen[index], below)
            stages[index] = below = tokens
        return [
            reconstruct(tokens) + x
            for reconstruct, tokens, x in zip(self.reconstruct, stages, maps, strict=True)
        ]


class LViT(Segmenter):
    """The supervised network with text, "LViT-T".

    Args:
        config: `width` (64 in the original), `heads` (8), `tokens` (10).
        channels: of the image.
        image_size: side of the image in pixels, a multiple of 16.
        text_dim: width of the text encoder's embeddings.

    Raises:
        InputError: heads do not divide the width.
    """

    full_size: ClassVar[Mapping[str, Any]] = {"width": 64, "heads": 8, "tokens": 10}
    reads_text = True
    reads = "image and prompt"

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        w, heads = int(config["width"]), int(config["heads"])
        if w % heads:
            raise InputError(f"heads = {heads}: does not divide width = {w}; lower it")
        widths = (w, 2 * w, 4 * w, 8 * w)
        grid = image_size // 16
        self.pool = nn.MaxPool2d(2)
        self.first = convolution(channels, w)
        self.down = nn.ModuleList(
            two_convolutions(a, b) for a, b in zip(widths, (*widths[1:], widths[-1]), strict=True)
        )
        self.text = TextStream(text_dim, w, int(config["tokens"]), grid * grid)
        self.branch = TokenBranch(widths, grid, heads)
        self.up = nn.ModuleList([Up(8 * w, 4 * w), Up(4 * w, 2 * w), Up(2 * w, w), Up(w, w)])
        self.head = nn.Conv2d(w, 1, 1)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        maps = [self.first(image)]
        for down in self.down:
            maps.append(down(self.pool(maps[-1])))
        x = maps.pop()
        skips = self.branch(maps, self.text(text))
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        logits = self.head(x)
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)


def first_tokens(text: TextBatch, count: int) -> Tensor:
    """The first `count` real tokens of every prompt in their order, zeros after the last: (B, count, D)."""
    order = (~text.mask).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    tokens = text.tokens.gather(1, order[:, :, None].expand(-1, -1, text.tokens.shape[2]))
    tokens = tokens.masked_fill(~text.mask.gather(1, order)[:, :, None], 0.0)
    return functional.pad(tokens, (0, 0, 0, count - tokens.shape[1]))


def _along(layer: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a `TokenConvolution` to tokens (B, N, C) with C as its channels."""
    result: Tensor = layer(tokens.transpose(1, 2)).transpose(1, 2)
    return result
