"""Swin-UNet, tiny.

Paper: Cao et al. 2022, arXiv 2105.05537; structure after github.com/HuCaoFighting/Swin-Unet at f48f623
(networks/swin_transformer_unet_skip_expand_decoder_sys.py, configs/swin_tiny_patch4_window7_224_lite),
written anew from its description. Patches of 4x4 pixels are tokens of width 96; four stages of two
blocks each (heads 3, 6, 12, 24; windows of 7x7 tokens, shifted in every second block; perceptron four
times the width) with patch merging between them; a mirrored decoder with patch expanding, whose stages
join the encoder's tokens by a linear layer; a last expansion by 4 and a 1x1 head without bias.
Stochastic depth rises to 0.2 in the encoder and is mirrored in the decoder. 27.168 M parameters at width
96, 3 channels in and 2 classes out, at 224 px. With equal weights the outputs are the official code's
to the last bit, at 224, 96 and 64 px. As in the code, the decoder's stages have the encoder's
depths: the configuration's `DECODER_DEPTHS` is never read there.

Deviations: an image whose side is no multiple of 32, or less than 64, is padded with zeros on all sides
and the logits are cropped; the original refuses it. The window is by default the coarsest grid's side,
image / 32 (7 at 224 as in the original, 3 at 96 and 2 at 64), so that windows divide every grid. Widths
and heads double from stage to stage as in the original. Nothing changes at width 96 and 224 px.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.heads import UnbiasedHead
from textbcs.models.common.linear import Linear
from textbcs.models.swinunet.block import Block

CLASSES = 2
PATCH = 4  # pixels a token
MULTIPLE = 32  # of the padded side: a token, halved three times
MINIMUM = 64  # with less, the coarsest grid would be one token, which has nothing to attend to


class Merge(nn.Module):
    """Half the grid: four neighbours side by side, normalised, brought to twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, s, s, width) -> (B, s / 2, s / 2, 2 * width); neighbours go down first, then right."""
        batch, side, _, width = x.shape
        x = x.reshape(batch, side // 2, 2, side // 2, 2, width).permute(0, 1, 3, 4, 2, 5)
        result: Tensor = self.reduce(self.norm(x.reshape(batch, side // 2, side // 2, 4 * width)))
        return result


class Expand(nn.Module):
    """A finer grid: each token becomes `scale` x `scale` tokens.

    Args:
        width: of the tokens that come in.
        outputs: of those that go out.
        scale: factor of the grid's side.
    """

    def __init__(self, width: int, outputs: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.expand = Linear(width, scale * scale * outputs, bias=False)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, s, s, width) -> (B, s * scale, s * scale, outputs)."""
        batch, side, _, _ = x.shape
        x = self.expand(x).reshape(batch, side, side, self.scale, self.scale, -1).transpose(2, 3)
        result: Tensor = self.norm(x.reshape(batch, side * self.scale, side * self.scale, -1))
        return result


class SwinUNet(Segmenter):
    """Image in, softmax over two classes out, no text.

    Config: `width` (96 in the original), `depths` (four numbers), `heads` (of the first stage; divides
    the width), `window` (null for the coarsest grid's side, or a number that divides every larger grid),
    `stochastic_depth`. A single channel is repeated three times, as in the original.

    Raises:
        InputError: values that do not fit one another.
    """

    full_size: ClassVar[Mapping[str, Any]] = {
        "width": 96,
        "depths": [2, 2, 2, 2],
        "heads": 3,
        "window": None,
    }

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width, heads, depths = int(config["width"]), int(config["heads"]), list(config["depths"])
        padded = max(MINIMUM, -(-image_size // MULTIPLE) * MULTIPLE)
        self.margin = (padded - image_size) // 2
        sides = [padded // PATCH // 2**stage for stage in range(len(depths))]
        window = sides[-1] if config["window"] is None else int(config["window"])
        _check(width, heads, depths, window, sides)
        self.repeat = 3 if channels == 1 else 1
        self.embed = nn.Conv2d(channels * self.repeat, width, PATCH, stride=PATCH)
        self.embed_norm = nn.LayerNorm(width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        rates = _rates(depths, float(config["stochastic_depth"]))
        for stage, side in enumerate(sides):
            args = (width * 2**stage, side, window, heads * 2**stage, rates[stage])
            self.down.append(_stage(*args))
            if stage < len(sides) - 1:
                self.up.append(_stage(*args))
        wide = [width * 2**stage for stage in range(len(sides))]
        self.merge = nn.ModuleList(Merge(w) for w in wide[:-1])
        self.norm = nn.LayerNorm(wide[-1])
        self.expand = nn.ModuleList(Expand(2 * w, w, 2) for w in wide[:-1])
        self.join = nn.ModuleList(Linear(2 * w, w) for w in wide[:-1])
        self.up_norm = nn.LayerNorm(width)
        self.last_expand = Expand(width, width, PATCH)
        self.head = UnbiasedHead(width, CLASSES)
        self.apply(_initialise)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have two classes."""
        side, margin = image.shape[-1], self.margin
        if self.repeat > 1:
            image = image.repeat(1, self.repeat, 1, 1)
        x = self.embed(functional.pad(image, (margin,) * 4)).permute(0, 2, 3, 1)
        x = self.embed_norm(x)
        skips = []
        for stage, blocks in enumerate(self.down):
            skips.append(x)  # before the blocks: what a stage reads is what its mirror joins
            x = blocks(x)
            if stage < len(self.merge):
                x = self.merge[stage](x)
        x = self.norm(x)
        for stage in reversed(range(len(self.up))):
            x = self.expand[stage](x)
            x = self.join[stage](torch.cat([x, skips[stage]], dim=-1))
            x = self.up[stage](x)
        x = self.last_expand(self.up_norm(x)).permute(0, 3, 1, 2)
        logits = self.head(x)[..., margin : margin + side, margin : margin + side]
        return Output(probability=logits.float().softmax(1)[:, 1], logits=logits)


def _stage(width: int, side: int, window: int, heads: int, rates: list[float]) -> nn.Sequential:
    """Blocks at one grid, every second one with shifted windows."""
    return nn.Sequential(
        *(
            Block(width, side, window, bool(index % 2), heads, rate)
            for index, rate in enumerate(rates)
        )
    )


def _rates(depths: list[int], highest: float) -> list[list[float]]:
    """Rates of stochastic depth per stage, rising evenly from 0 to `highest` over all blocks."""
    total = sum(depths)
    rising = [highest * index / max(1, total - 1) for index in range(total)]
    starts = [sum(depths[:stage]) for stage in range(len(depths))]
    return [rising[start : start + depth] for start, depth in zip(starts, depths, strict=True)]


def _initialise(module: nn.Module) -> None:
    """Linear layers: normal of 0.02 and no bias. The convolutions keep torch's, as in the original."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check(width: int, heads: int, depths: list[int], window: int, sides: list[int]) -> None:
    """Raise InputError where the values do not fit one another."""
    if width % heads:
        raise InputError(f"swinunet: heads = {heads} does not divide width = {width}")
    if len(depths) != 4 or min(depths) < 1:
        raise InputError(
            f"swinunet: depths = {depths}; use four numbers (2, 2, 2, 2 in the original)"
        )
    for side in sides:
        if window < 2 or (side > window and side % window):
            raise InputError(
                f"swinunet: windows of {window} do not divide a grid of {side} tokens; use null or a"
                f" number from 2 that divides {', '.join(map(str, sides))}"
            )
