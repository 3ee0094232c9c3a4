"""GLoRIA's pre-training: whole image against whole prompt, and words against the regions they attend.

Paper: Huang et al. 2021, section 3; github.com/marshuang80/gloria (gloria/loss/gloria_loss.py):
temperatures 4 (attention), 5 (words) and 10 (both contrastive losses), the attention softmaxed over
words, then over regions, and both losses of both directions with weight 1. As in that code [CLS] is
one of the words, [SEP] is none, and the whole prompt is the mean of all tokens. Deviations: the text
encoder is frozen and a linear projection of the words and one of their mean are trained instead of
BERT (there, the last four layers are summed and word pieces merged); images keep their size (there,
they are enlarged to 299 px); the image encoder starts from random weights (there, from ImageNet's);
equal prompts of a batch are no negatives.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from textbcs.models.common.contract import Batch, TextBatch
from textbcs.models.common.contrastive import (
    NEVER,
    Embedded,
    Pretraining,
    Tokens,
    image_to_text,
    sentence,
    text_to_image,
    unit,
    without_ends,
)
from textbcs.models.common.linear import Linear
from textbcs.models.common.resnet import ResNet

THIRD_STAGE = 3  # the map of ResNet's third stage gives the regions, 1024 channels at full width


class GLoRIAPretraining(Pretraining):
    """Image encoder and the projections of both sides, global and local.

    Args:
        settings: `embedding` (width of the shared space; 768 in the original), `temperatures`
            (attention, words, losses).
    """

    encoder: ResNet
    build_encoder = ResNet.of
    full_settings: ClassVar[Mapping[str, Any]] = {
        "embedding": 768,
        "temperatures": (4.0, 5.0, 10.0),
    }

    def add_projections(self, settings: Mapping[str, Any], text_dim: int) -> None:
        """See `Pretraining.add_projections`."""
        sizes = self.encoder.map_channels
        shared = int(settings["embedding"])
        self.image_projection = Linear(sizes[-1], shared)
        self.region_projection = Linear(sizes[THIRD_STAGE], shared, bias=False)
        self.text_projection = Linear(text_dim, shared)
        self.word_projection = Linear(text_dim, shared)
        self.temperatures = tuple(float(value) for value in settings["temperatures"])

    def forward(self, image: Tensor, text: TextBatch) -> Embedded:
        """See `Pretraining.forward`; regions and words keep their lengths, as in the original."""
        maps = self.encoder(image)
        regions = maps[THIRD_STAGE].flatten(2).transpose(1, 2)
        return Embedded(
            image=unit(self.image_projection(maps[-1].mean((2, 3)))),
            text=unit(self.text_projection(sentence(text))),
            tokens=Tokens(
                self.region_projection(regions).float(),
                self.word_projection(text.tokens).float(),
                without_ends(text.mask, first=False, last=True),
            ),
        )

    def objective(
        self, embedded: Embedded, batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Global and local loss, each the sum of its two directions."""
        attention, words, sharpness = self.temperatures
        assert embedded.tokens is not None
        matched = word_similarity(embedded.tokens, attention, words)
        parts = {}
        for name, scores in (
            ("global", sharpness * embedded.image @ embedded.text.T),
            ("local", sharpness * matched),
        ):
            parts[name] = image_to_text(scores, batch.prompt) + text_to_image(scores, batch.prompt)
        return parts["global"] + parts["local"], parts


def word_similarity(tokens: Tokens, attention: float, sharpness: float) -> Tensor:
    """How well each image shows each prompt, word by word (section 3.2.2).

    Every word gathers the regions it attends; the scores of a prompt's words are the logarithm of
    the sum of exp(sharpness * cosine(word, what it gathered)).

    Args:
        tokens: regions of B images and words of B prompts, of any length.
        attention: temperature of the attention over the regions.
        sharpness: temperature of the words.

    Returns:
        (B, B), row image, column prompt.
    """
    regions, words, mask = tokens.regions, tokens.words, tokens.mask
    padded = ~mask[None, :, None, :]
    scores = torch.einsum("ire,tle->itrl", regions, words).masked_fill(padded, NEVER)
    shares = scores.softmax(-1)  # each region's, over the words of a prompt
    weights = (attention * shares).softmax(2)  # each word's, over the regions
    gathered = torch.einsum("itrl,ire->itle", weights, regions)
    cosine = (unit(gathered) * unit(words)[None]).sum(-1)
    return (sharpness * cosine).masked_fill(~mask[None], NEVER).logsumexp(-1)
