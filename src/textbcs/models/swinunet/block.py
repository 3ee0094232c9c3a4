"""Swin transformer block: attention in windows, shifted in every second block (Liu et al. 2021).

Own code: the official network has one layer for query, key and value together, libraries have three,
and the shapes of the parameters are what is compared.
"""

import torch
from torch import Tensor, nn

from textbcs.models.common.linear import Linear

_MASKED = -100.0  # added to the score of two tokens that the shift brought together


def windows_of(x: Tensor, window: int) -> Tensor:
    """(B, side, side, C) -> (B * windows, window * window, C), row by row."""
    batch, side, _, width = x.shape
    count = side // window
    x = x.reshape(batch, count, window, count, window, width).transpose(2, 3)
    return x.reshape(-1, window * window, width)


def from_windows(x: Tensor, window: int, side: int) -> Tensor:
    """The inverse of `windows_of`."""
    count, width = side // window, x.shape[-1]
    x = x.reshape(-1, count, count, window, window, width).transpose(2, 3)
    return x.reshape(-1, side, side, width)


def relative_index(window: int) -> Tensor:
    """Row of the bias table for each pair of tokens of a window.

    Returns:
        (window**2 * window**2) int64 in [0, (2 * window - 1)**2), first token first.
    """
    row, column = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    row, column = row.flatten(), column.flatten()
    down = row[:, None] - row[None] + window - 1
    right = column[:, None] - column[None] + window - 1
    return (down * (2 * window - 1) + right).flatten()


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """What is added to the scores in shifted windows: a window at the rim holds tokens of far places.

    Returns:
        (windows, 1, window**2, window**2) float32, 0 or -100.
    """
    place = torch.arange(side)
    part = (place >= side - window).long() + (place >= side - shift).long()
    region = windows_of((3 * part[:, None] + part[None])[None, :, :, None], window)[..., 0]
    apart = region[:, :, None] != region[:, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, _MASKED)[:, None]


class WindowAttention(nn.Module):
    """Multi-head self-attention in a window with a learnt bias for each relative position.

    Args:
        width: of a token.
        window: side of a window in tokens.
        heads: divides `width`.
    """

    relative: Tensor

    def __init__(self, width: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        # Follows from the window, so no checkpoint needs it.
        self.register_buffer("relative", relative_index(window), persistent=False)
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B * windows, N, width) and (windows, 1, N, N) -> (B * windows, N, width)."""
        rows, tokens, width = x.shape
        qkv = self.qkv(x).reshape(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.table[self.relative].reshape(tokens, tokens, self.heads).permute(2, 0, 1)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1) + bias
        if mask is not None:
            by_image = scores.reshape(-1, len(mask), self.heads, tokens, tokens) + mask
            scores = by_image.reshape(scores.shape)
        mixed = self.softmax(scores) @ value
        result: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return result


class StochasticDepth(nn.Module):
    """While training, drops a branch of some images and scales up the others' (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> the same shape; the draws are of torch's global generator."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand((len(x),) + (1,) * (x.dim() - 1), device=x.device) >= self.rate
        return x * (kept / (1 - self.rate)).to(x.dtype)


class Block(nn.Module):
    """Window attention and a two-layer perceptron, each behind a normalisation and beside a shortcut.

    Args:
        width: of a token.
        side: of the token grid; a multiple of the window or less than it.
        window: side of a window; no larger than the grid.
        shifted: move the windows by half a window, where more than one fits.
        heads: divides `width`.
        drop: rate of stochastic depth.
    """

    mask: Tensor | None

    def __init__(
        self, width: int, side: int, window: int, shifted: bool, heads: int, drop: float
    ) -> None:
        super().__init__()
        self.side, self.window = side, min(window, side)
        self.shift = self.window // 2 if shifted and side > window else 0
        self.attention_norm = nn.LayerNorm(width)
        self.attention = WindowAttention(width, self.window, heads)
        self.drop = StochasticDepth(drop)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = Linear(width, 4 * width)
        self.mlp_out = Linear(4 * width, width)
        self.activation = nn.GELU()
        mask = shift_mask(side, self.window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, width) -> the same shape."""
        x = x + self.drop(self._attend(self.attention_norm(x)))
        hidden = self.activation(self.mlp_in(self.mlp_norm(x)))
        result: Tensor = x + self.drop(self.mlp_out(hidden))
        return result

    def _attend(self, x: Tensor) -> Tensor:
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = self.attention(windows_of(x, self.window), self.mask)
        x = from_windows(x, self.window, self.side)
        return x.roll((self.shift, self.shift), (1, 2)) if self.shift else x
