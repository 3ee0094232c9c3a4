"""What the four contrastive pre-trainings share: the interface, and losses that know duplicates.

A prompt is one of few sentences, so most batches hold the same prompt more than once. An image and
another image's equal prompt are no negative pair: `excluded` finds such pairs, and every contrastive
loss leaves them out of its denominators. On distinct prompts the losses are the published ones. Which
tokens of a prompt are words says `without_ends`, of which LViT makes use too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.models.common.contract import Batch, TextBatch
from textbcs.models.common.linear import Linear

NEVER = float("-inf")


@dataclass(frozen=True)
class Tokens:
    """The parts of a batch in the shared space.

    Attributes:
        regions: (B, R, E), of the images.
        words: (B, L, E), of the prompts; without meaning where padded.
        mask: (B, L) bool, True marks a word.
        weights: (B, R) >= 0, sums to 1 over R: how much a region counts; None: all alike.
        word_weights: (B, L) >= 0, sums to 1 over L, 0 where there is no word; None: all alike.
    """

    regions: Tensor
    words: Tensor
    mask: Tensor
    weights: Tensor | None = None
    word_weights: Tensor | None = None


@dataclass(frozen=True)
class Embedded:
    """A batch in the shared space.

    Attributes:
        image: (B, E) float32, of whole images, of length 1.
        text: (B, E) float32, of whole prompts, of length 1.
        tokens: their parts, for the losses that compare them.
    """

    image: Tensor
    text: Tensor
    tokens: Tokens | None = None


class EncoderOf(Protocol):
    """Makes an image encoder from the method's `network` block."""

    def __call__(self, config: Mapping[str, Any], channels: int, image_size: int) -> nn.Module: ...


class Pretraining(nn.Module):
    """Base of the pre-training models; every one is built with the same arguments.

    Args:
        network: the method's `network` block of params.yaml: its image encoder is built from it.
        settings: the method's `pretraining` block.
        channels: of the image.
        image_size: side of the image in pixels.
        text_dim: width of the text encoder's embeddings.

    Attributes:
        encoder: the image encoder, as the segmentation network has it under the same name.
        build_encoder: makes it from `network`, `channels` and `image_size`.
        full_settings: `settings` of the published size, for the complexity table.
    """

    encoder: nn.Module
    build_encoder: ClassVar[EncoderOf]
    full_settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        network: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        channels: int,
        image_size: int,
        text_dim: int,
    ) -> None:
        super().__init__()
        self.encoder = self.build_encoder(network, channels, image_size)
        self.add_projections(settings, text_dim)

    def add_projections(self, settings: Mapping[str, Any], text_dim: int) -> None:
        """Make the layers behind the image encoder and the frozen text encoder; weights are drawn.

        Args:
            settings: as above.
            text_dim: as above.
        """
        raise NotImplementedError

    def forward(self, image: Tensor, text: TextBatch) -> Embedded:
        """Embed a batch.

        Args:
            image: (B, channels, H, W) float in about [0, 1].
            text: the prompts, B of them.
        """
        raise NotImplementedError

    def objective(
        self, embedded: Embedded, batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch: its total and the unweighted value of each of its parts.

        Args:
            embedded: what `forward` gave for the batch.
            batch: its prompts' rows tell which of them are equal.
            epoch: from 1 on.
        """
        raise NotImplementedError


def encoder_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a pre-training model's state that the segmentation network starts from.

    Its image encoder, without batch normalisation's count of batches, which nothing here reads.
    """
    return {
        name: value
        for name, value in weights.items()
        if name.startswith("encoder.") and not name.endswith("num_batches_tracked")
    }


def excluded(prompt: Tensor) -> Tensor:
    """Pairs that are no negatives: (B, B) bool, True off the diagonal where prompts are equal.

    Args:
        prompt: (B,) int64, rows in the prompt table.
    """
    same = prompt[:, None] == prompt[None, :]
    return same & ~torch.eye(len(prompt), dtype=torch.bool, device=prompt.device)


def image_to_text(scores: Tensor, prompt: Tensor) -> Tensor:
    """Mean over images of -ln softmax of their own prompt among their own and unequal ones.

    Args:
        scores: (B, B), row image, column prompt; computed in float32.
        prompt: (B,) int64, rows in the prompt table.
    """
    kept = scores.float().masked_fill(excluded(prompt), NEVER)
    own = torch.arange(len(prompt), device=prompt.device)
    return functional.cross_entropy(kept, own)


def text_to_image(scores: Tensor, prompt: Tensor) -> Tensor:
    """The same over prompts: each one's own image among its own and those of unequal prompts."""
    return image_to_text(scores.T, prompt)


def retrieval(scores: Tensor, prompt: Tensor) -> Tensor:
    """Which images' best prompt is theirs, or one equal to it: (B,) bool.

    Args:
        scores: (B, B), row image, column prompt.
        prompt: (B,) int64, rows in the prompt table.
    """
    return prompt[scores.argmax(1)] == prompt


def sentence(text: TextBatch) -> Tensor:
    """Mean of the real tokens, [CLS] and [SEP] among them: (B, D)."""
    real = text.mask[:, :, None].to(text.tokens.dtype)
    # 0 * inf is no number: what stands at padded positions is removed, not multiplied away.
    tokens = text.tokens.masked_fill(~text.mask[:, :, None], 0.0)
    return tokens.sum(1) / real.sum(1)


def without_ends(mask: Tensor, *, first: bool, last: bool) -> Tensor:
    """The mask without each prompt's outer tokens, which a BERT's tokenizer puts around the words.

    A prompt table marks them as real tokens, and what reads a sentence as a whole keeps them, TextBCS too.

    Args:
        mask: (B, L) bool, True marks a real token.
        first: leave out the first real token, [CLS].
        last: leave out the last real token, [SEP].

    Returns:
        (B, L) bool.
    """
    kept = mask
    place = mask.cumsum(1)
    if first:
        kept = kept & (place > 1)
    if last:
        kept = kept & (place < place[:, -1:])
    return kept


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 along the last dimension, float32."""
    return functional.normalize(x.float(), dim=-1)


class Perceptron(nn.Sequential):
    """Linear, ReLU, linear: (..., inputs) -> (..., outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(Linear(inputs, hidden), nn.ReLU(inplace=True), Linear(hidden, outputs))
