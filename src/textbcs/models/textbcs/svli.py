"""Stage-divided vision-language interaction (SVLI): TextBCS section 3.1, equations 1 to 7.

The paper's equations are lost from its text; this is the reading of its prose that agrees with
both printed totals ("a design consistent with", not the authors' code). Where the paper is silent
the choice is ours:

- A stage's map is average-pooled to a grid of tokens (14 x 14 at 224 px), and the change of the
  tokens, F_V - F_v, goes back to the map by bilinear upsampling. With `grid: full` there is one
  token a pixel and the equations hold literally.
- Layer normalisation stands before attention and before the feed-forward network (pre-norm), on
  the visual tokens and on the text alike.
- Visual tokens carry a fixed sine position (no parameter) as queries and as keys, never as values:
  the first stages' receptive fields are too small to know left from right without it.
- The text's padding is masked wherever text is a key and where it is averaged.
- Attention is two plain matrix products: with some ten keys it is faster on a CPU than
  `scaled_dot_product_attention`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.models.common.contract import TextBatch
from textbcs.models.common.linear import Linear

TEMPERATURE_START = 0.07
TEMPERATURE_FLOOR = 0.01


class CrossAttention(nn.Module):
    """Multi-head attention whose queries and keys may have different widths.

    Args:
        query_width: width of the queries and of the result.
        key_width: width of keys and values.
        width: width in which they are compared, over all heads.
        heads: number of heads; divides `width`.
    """

    def __init__(self, query_width: int, key_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(query_width, width)
        self.key = Linear(key_width, width)
        self.value = Linear(key_width, width)
        self.out = Linear(width, query_width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            query: (B, N, query_width).
            key: (B, M, key_width), and `value` likewise.
            mask: (B, M) bool, True where a key may be attended to; None: all.

        Returns:
            (B, N, query_width).
        """
        q, k, v = (
            layer(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        result: Tensor = self.out(mixed)
        return result


def feed_forward(width: int, factor: int) -> nn.Sequential:
    """Two linear layers with GELU between, `factor` times as wide inside."""
    return nn.Sequential(Linear(width, factor * width), nn.GELU(), Linear(factor * width, width))


class VisionQuery(nn.Module):
    """Visual tokens ask the text: equations 1 to 3."""

    def __init__(self, channels: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.norm_vision = nn.LayerNorm(channels)
        self.norm_text = nn.LayerNorm(text_width)
        self.attention = CrossAttention(channels, text_width, channels, heads)
        self.norm_forward = nn.LayerNorm(channels)
        self.forward_network = feed_forward(channels, 4)

    def forward(self, vision: Tensor, position: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """F_v (B, N, C), position (N, C), F_t (B, L, T), mask (B, L) -> F_V (B, N, C)."""
        keys = self.norm_text(text)
        asked = self.attention(self.norm_vision(vision) + position, keys, keys, mask) + vision
        answered: Tensor = self.forward_network(self.norm_forward(asked)) + asked
        return answered


class LanguageQuery(nn.Module):
    """Text tokens ask the text-aware visual tokens: equations 4 and 5."""

    def __init__(self, channels: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.norm_text = nn.LayerNorm(text_width)
        self.norm_vision = nn.LayerNorm(channels)
        self.attention = CrossAttention(text_width, channels, channels, heads)
        self.norm_forward = nn.LayerNorm(text_width)
        self.forward_network = feed_forward(text_width, 2)

    def forward(self, text: Tensor, vision: Tensor, position: Tensor) -> Tensor:
        """F_t (B, L, T), F_V (B, N, C), position (N, C) -> F_L (B, L, T)."""
        values = self.norm_vision(vision)
        asked = self.attention(self.norm_text(text), values + position, values, None) + text
        answered: Tensor = self.forward_network(self.norm_forward(asked)) + asked
        return answered


class Alignment(nn.Module):
    """Projects F_V and F_L into one space and compares them: the similarity of equation 6.

    The temperature is learned, starts at 0.07 and is kept at 0.01 or more: it could otherwise
    cross zero, and a large one would bound the logits so that the loss cannot fall.
    """

    def __init__(self, channels: int, text_width: int, shared: int) -> None:
        super().__init__()
        self.project_vision = Linear(channels, shared)
        self.project_text = Linear(text_width, shared)
        self.temperature = nn.Parameter(torch.tensor(TEMPERATURE_START))

    def forward(self, vision: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """F_V (B, side * side, C) and F_L (B, L, T) -> similarity over temperature, (B, side, side)."""
        side = math.isqrt(vision.shape[1])
        weight = mask.to(text.dtype)[:, :, None]
        pooled = (text * weight).sum(1) / weight.sum(1)
        v = functional.normalize(self.project_vision(vision).float(), dim=-1)
        t = functional.normalize(self.project_text(pooled).float(), dim=-1)
        cosine = (v @ t[:, :, None]).reshape(-1, side, side)
        return cosine / self.temperature.clamp_min(TEMPERATURE_FLOOR)


class SVLI(nn.Module):
    """The interaction at all encoder stages.

    Args:
        channels: of each stage's map.
        sides: of each stage's map, in pixels.
        grids: tokens a side at each stage; each divides the side.
        text_dim: width of the encoder's embeddings.
        text_width: width of the text stream that runs along the stages.
        heads: attention heads.
        shared: width of the space in which F_V and F_L are compared.
        position: whether visual tokens carry the fixed sine position.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        sides: tuple[int, ...],
        grids: tuple[int, ...],
        text_dim: int,
        text_width: int,
        heads: int,
        shared: int,
        position: bool,
    ) -> None:
        super().__init__()
        self.sides = sides
        self.grids = grids
        self.text_in = Linear(text_dim, text_width)
        self.vision = nn.ModuleList(VisionQuery(c, text_width, heads) for c in channels)
        self.language = nn.ModuleList(LanguageQuery(c, text_width, heads) for c in channels)
        self.alignment = nn.ModuleList(Alignment(c, text_width, shared) for c in channels)
        for stage, (grid, width) in enumerate(zip(grids, channels, strict=True)):
            table = sine_position(grid, width) if position else torch.zeros(grid * grid, width)
            self.register_buffer(f"position_{stage}", table, persistent=False)

    def begin(
        self, text: TextBatch, align: bool
    ) -> tuple[Callable[[int, Tensor], Tensor], list[Tensor]]:
        """Start a pass along the stages.

        Args:
            text: the prompts.
            align: whether to compute what only the alignment loss needs. The mask needs neither
                the projections nor the last language query.

        Returns:
            The function that changes each stage's map in turn, and the list it appends to.
        """
        aligned: list[Tensor] = []
        stream = self.text_in(text.tokens)

        def change(stage: int, x: Tensor) -> Tensor:
            nonlocal stream
            position = self.get_buffer(f"position_{stage}")
            before = tokens_of(x, self.sides[stage] // self.grids[stage])
            after = self.vision[stage](before, position, stream, text.mask)
            if align or stage + 1 < len(self.vision):
                stream = self.language[stage](stream, after, position)
            if align:
                aligned.append(self.alignment[stage](after, stream, text.mask))
            return x + upsampled(after - before, self.grids[stage], self.sides[stage])

        return change, aligned


def tokens_of(x: Tensor, factor: int) -> Tensor:
    """Average-pool a map (B, C, H, W) by `factor` and list its pixels: (B, H * W / factor**2, C)."""
    pooled = functional.avg_pool2d(x, factor) if factor > 1 else x
    return pooled.flatten(2).transpose(1, 2)


def upsampled(tokens: Tensor, grid: int, side: int) -> Tensor:
    """Put tokens (B, grid * grid, C) back on a map (B, C, side, side), bilinearly."""
    low = tokens.transpose(1, 2).reshape(*tokens.shape[::2], grid, grid)
    if grid == side:
        return low
    return functional.interpolate(low, size=(side, side), mode="bilinear", align_corners=False)


def sine_position(grid: int, width: int) -> Tensor:
    """Fixed two-dimensional position of the tokens of a grid.

    A quarter of the channels each holds sine and cosine of the row and of the column at geometric
    wavelengths (Vaswani et al. 2017), over coordinates in (0, 1), so that left and right of the
    image look the same at every grid size.

    Returns:
        (grid * grid, width) float32 in [-1, 1], rows first.
    """
    quarter = -(-width // 4)
    place = (torch.arange(grid, dtype=torch.float64) + 0.5) / grid
    frequency = math.pi * 2.0 ** torch.linspace(
        0, math.log2(max(grid, 2)), quarter, dtype=torch.float64
    )
    angle = place[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows = wave[:, None, :].expand(grid, grid, -1)
    columns = wave[None, :, :].expand(grid, grid, -1)
    return torch.cat([columns, rows], dim=2).flatten(0, 1)[:, :width].float()
