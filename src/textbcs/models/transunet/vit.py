"""The transformer half of TransUNet's encoder: ViT's blocks (Dosovitskiy et al. 2021).

Own code because it is short and because the shapes, names and the order of random draws then do not
move with a library's versions.
"""

from torch import Tensor, nn

from textbcs.models.common.linear import Linear

_EPSILON = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with separate query, key and value layers.

    Args:
        width: of a token.
        heads: divides `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.out = Linear(width, width)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        batch, tokens, width = x.shape
        split = (batch, tokens, self.heads, width // self.heads)
        # Plain products: on a CPU they are faster than the fused kernel at these few tokens.
        query = self.query(x).reshape(split).transpose(1, 2) * split[-1] ** -0.5
        key = self.key(x).reshape(split).permute(0, 2, 3, 1)
        value = self.value(x).reshape(split).transpose(1, 2)
        mixed = self.softmax(query @ key) @ value
        result: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return result


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a layer normalisation and beside a shortcut.

    Args:
        width: of a token.
        heads: divides `width`.
        dropout: after both layers of the perceptron; the original's attention has none.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=_EPSILON)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp_in = Linear(width, 4 * width)
        self.mlp_out = Linear(4 * width, width)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        for layer in (self.mlp_in, self.mlp_out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self.attention(self.attention_norm(x))
        hidden = self.dropout(self.activation(self.mlp_in(self.mlp_norm(x))))
        result: Tensor = x + self.dropout(self.mlp_out(hidden))
        return result


class Encoder(nn.Module):
    """Blocks and a last normalisation."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.norm(x)
        return result
