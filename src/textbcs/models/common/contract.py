"""What every segmentation network takes and gives: the contract between models and their users.

A network is a `Segmenter`: `forward(image, text) -> Output`. Losses (training), metrics (evaluation)
and saliency (explain) see only these types.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TextBatch:
    """Token embeddings of the prompts of a batch.

    Attributes:
        tokens: (B, L, D) float; the values at padded positions have no meaning.
        mask: (B, L) bool; True marks a real token. Every row has at least one.
    """

    tokens: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Output:
    """A network's answer for a batch.

    Attributes:
        probability: (B, H, W) float32, foreground probability in [0, 1].
        logits: (B, C, H, W), the head's raw values: C = 1 before a sigmoid, C >= 2 before a
            softmax or before the evidence function. Class 1 is foreground.
        evidence: (B, 2, H, W) float32 >= 0 for an evidential head, else None.
        alignment: while training, or where the network's `aligns` is set, one (B, h, w) float32 per encoder
            stage: the cosine similarity of each visual token and the pooled text, divided by the stage's
            temperature (TextBCS eq. 6); h and w are the sides of the stage's token grid. Empty otherwise.
        auxiliary: further heads by name (deep supervision, predicted attributes), for the losses
            of the methods that have them.
    """

    probability: Tensor
    logits: Tensor
    evidence: Tensor | None = None
    alignment: tuple[Tensor, ...] = ()
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        image: (B, channels, H, W) float32.
        mask: (B, H, W) float32, 0 or 1.
        text: the prompts.
        prompt: (B,) int64, the prompts' rows in the prompt table: equal rows, equal prompts.
        attributes: (B, 4) int64, each prompt's word for location (0 left, 1 right), shape (0 round,
            1 ellipse, 2 irregular), size (0 small, 1 medium, 2 large) and number (0 one, 1 two,
            2 more); -1 where it is not known.
        rows: (B,) int64, the slices' places in their split.
        told: (B,) bool, whether the prompt says what is true of the slice; None where all do.
    """

    image: Tensor
    mask: Tensor
    text: TextBatch
    prompt: Tensor
    attributes: Tensor
    rows: Tensor
    told: Tensor | None = None

    def split(self, parts: int) -> "list[Batch]":
        """The batch in at most `parts` pieces of about equal size, itself if that is one."""
        if parts == 1:
            return [self]
        tokens, mask = (x.chunk(parts) for x in (self.text.tokens, self.text.mask))
        texts = [TextBatch(*pair) for pair in zip(tokens, mask, strict=True)]
        chunks = [
            x.chunk(parts) for x in (self.image, self.mask, self.prompt, self.attributes, self.rows)
        ]
        told = [None] * len(texts) if self.told is None else list(self.told.chunk(parts))
        return [
            Batch(image, true, text, prompt, words, rows, right)
            for text, image, true, prompt, words, rows, right in zip(
                texts, *chunks, told, strict=True
            )
        ]


# What a training descends: (output, batch, epoch from 1 on) -> the total and the unweighted value of
# each of its parts by name.
Objective = Callable[[Output, Batch, int], tuple[Tensor, dict[str, Tensor]]]


class Segmenter(nn.Module):
    """Base of all networks; every one is built with the same arguments.

    Args:
        config: the method's `network` block of params.yaml.
        channels: of the image.
        image_size: side of the image in pixels, a multiple of 16.
        text_dim: width of the text encoder's embeddings.

    Attributes:
        full_size: configuration values of the published size, laid over a method's own for the
            complexity table.
        full_image: image side of the complexity table.
        reads: what the network reads at inference, for the tables.
        reads_text: whether the prompt changes the mask at inference. An instance may narrow it
            (TextBCS without its interaction reads no text).
        sampled: whether its dropout stands for a posterior, which evaluation samples (MC-dropout);
            not where dropout is a part of a published training and no more.
    """

    full_size: ClassVar[Mapping[str, Any]] = {}
    full_image: ClassVar[int] = 224
    reads: str = "image"
    reads_text: bool = False
    sampled: bool = False

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__()

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """Segment a batch.

        Args:
            image: (B, channels, H, W) float in about [0, 1], H = W = the size it was built for.
            text: the prompts; ignored unless `reads_text`.
        """
        raise NotImplementedError

    def mask_heads(self) -> Iterable[nn.Module]:
        """The layers whose answers are the mask's logits, auxiliary ones included."""
        return [self.get_submodule("head")]

    def start_at(self, share: float) -> None:
        """Set the heads' biases so that the first answer is about `share` everywhere.

        Lin et al. 2017, section 4.1. A head that was published without a bias has a constant for it
        (`blocks.heads`).

        Args:
            share: foreground probability, in (0, 1).
        """
        logit = math.log(share / (1 - share))
        for head in self.mask_heads():
            constant = head.offset if hasattr(head, "offset") else head.get_parameter("bias")
            bias = cast(Tensor, constant)
            first = [logit] if len(bias) == 1 else [-logit / 2, logit / 2]
            with torch.no_grad():
                bias.copy_(torch.tensor(first))
