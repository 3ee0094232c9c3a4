"""MGCA's pre-training: instances, tokens and prototypes, each with a loss of its own.

Paper: Wang et al. 2022, sections 3.2 to 3.4; github.com/HKU-MedAI/MGCA (mgca_module.py): instance-wise
alignment (ITA, temperature 0.07), token-wise alignment (CTA, 0.1) and cross-modal prototype
alignment (CPA: 500 prototypes, softmax temperature 0.2, Sinkhorn with epsilon 0.05 and 3 iterations,
prototypes fixed in the first epoch), all with weight 1, the perceptrons with batch normalisation
768 - 2048 - 128. As in that code [CLS] is no word, and [SEP] stands among the words of the softmaxes
but weighs nothing itself: there, it gets the attention paid to the padding behind it. Deviations:

- The text encoder is frozen; the mean of its tokens stands for the report (there, [CLS] alone).
- Its words count alike (there, by the attention of BERT's last layer, each by that of the token
  behind it), and pieces of a word are words (there, they are added up).
- The image encoder starts from random weights (there, from DeiT's).
- Padded words are in no softmax (there, they are in some); in the batch statistics of the words'
  perceptron the prompt's mean stands in their place.
- The prototypes are normalised where they are used (there, their weights are overwritten).
- Equal prompts of a batch are no negatives in ITA; CTA compares within one pair, CPA has no negatives.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

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
from textbcs.models.mgca.network import ImageTower

INSTANCE_TEMPERATURE = 0.07
TOKEN_TEMPERATURE = 0.1
PROTOTYPE_TEMPERATURE = 0.2
SINKHORN_EPSILON = 0.05
SINKHORN_ITERATIONS = 3
FIXED_EPOCHS = 1  # epochs in which the prototypes get no gradient
CLIPPED = 0.1  # patch weights are clipped to this quantile and to 1 minus it


class Projection(nn.Module):
    """Linear, batch normalisation, ReLU, linear, batch normalisation: (..., inputs) -> (..., outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Linear(inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            Linear(hidden, outputs),
            nn.BatchNorm1d(outputs, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Statistics are over all leading dimensions."""
        return cast(Tensor, self.layers(x.flatten(0, -2)).unflatten(0, x.shape[:-1]))


class MGCAPretraining(Pretraining):
    """Image encoder, projections of both sides and prototypes.

    Args:
        settings: `embedding` (128), `hidden` (2048) and `prototypes` (500 in the original).
    """

    encoder: ImageTower
    build_encoder = ImageTower
    full_settings: ClassVar[Mapping[str, Any]] = {
        "embedding": 128,
        "hidden": 2048,
        "prototypes": 500,
    }

    def add_projections(self, settings: Mapping[str, Any], text_dim: int) -> None:
        """See `Pretraining.add_projections`."""
        width, hidden, shared = self.encoder.width, settings["hidden"], settings["embedding"]
        self.image_projection = Projection(width, hidden, shared)
        self.region_projection = Projection(width, hidden, shared)
        self.text_projection = Projection(text_dim, hidden, shared)
        self.word_projection = Projection(text_dim, hidden, shared)
        self.prototypes = Linear(shared, int(settings["prototypes"]), bias=False)

    def forward(self, image: Tensor, text: TextBatch) -> Embedded:
        """See `Pretraining.forward`."""
        tokens, looks = self.encoder.attended(image)
        pooled = sentence(text)
        among = without_ends(text.mask, first=True, last=False)
        counted = without_ends(text.mask, first=True, last=True).float()
        words = torch.where(among[:, :, None], text.tokens, pooled[:, None])
        return Embedded(
            image=unit(self.image_projection(tokens[:, 0])),
            text=unit(self.text_projection(pooled)),
            tokens=Tokens(
                unit(self.region_projection(tokens[:, 1:])),
                unit(self.word_projection(words)),
                among,
                clipped_weights(looks),
                # An empty prompt has no word that counts.
                counted / counted.sum(1, keepdim=True).clamp_min(1),
            ),
        )

    def objective(
        self, embedded: Embedded, batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the three losses."""
        assert embedded.tokens is not None
        scores = embedded.image @ embedded.text.T / INSTANCE_TEMPERATURE
        instance = image_to_text(scores, batch.prompt) + text_to_image(scores, batch.prompt)
        token = token_loss(embedded.tokens)
        prototypes = unit(self.prototypes.weight)
        if epoch <= FIXED_EPOCHS:
            prototypes = prototypes.detach()
        parts = {
            "instance": instance,
            "token": token,
            "prototype": prototype_loss(
                embedded.image @ prototypes.T, embedded.text @ prototypes.T
            ),
        }
        return parts["instance"] + parts["token"] + parts["prototype"], parts


def clipped_weights(looks: Tensor) -> Tensor:
    """Attention of the class token as weights of the patches.

    Args:
        looks: (B, R) >= 0.

    Returns:
        (B, R), clipped to the row's 10 % and 90 % quantiles, sums to 1.
    """
    low = looks.quantile(CLIPPED, dim=1, keepdim=True)
    high = looks.quantile(1 - CLIPPED, dim=1, keepdim=True)
    kept = looks.clamp(low, high)
    return kept / kept.sum(1, keepdim=True)


def token_loss(tokens: Tokens) -> Tensor:
    """Token-wise alignment within each pair (section 3.3), the sum of both sides.

    A word must be told from the prompt's other words by the regions it gathers, and a region from
    the image's other regions by the words it gathers; each side is the mean of the two directions.

    Args:
        tokens: regions and words of length 1.
    """
    regions, words, mask = tokens.regions, tokens.words, tokens.mask
    scores = words @ regions.transpose(1, 2) / TOKEN_TEMPERATURE
    seen = unit(scores.softmax(2) @ regions)
    padded = ~mask[:, None, :]
    said = scores.transpose(1, 2).masked_fill(padded, NEVER).softmax(2) @ words
    word_side = _both_ways(words, seen, _word_weights(tokens), padded)
    return word_side + _both_ways(regions, said, _weights(tokens), None)


def _word_weights(tokens: Tokens) -> Tensor:
    if tokens.word_weights is None:
        real = tokens.mask.float()
        return real / real.sum(1, keepdim=True)
    return tokens.word_weights


def _weights(tokens: Tokens) -> Tensor:
    regions = tokens.regions
    if tokens.weights is None:
        return regions.new_full(regions.shape[:2], 1 / regions.shape[1])
    return tokens.weights


def _both_ways(own: Tensor, gathered: Tensor, weights: Tensor, padded: Tensor | None) -> Tensor:
    """Cross-entropy of telling each token's own counterpart, and the reverse; means over the batch."""
    scores = own @ gathered.transpose(1, 2) / TOKEN_TEMPERATURE
    total = scores.new_zeros(())
    for direction in (scores, scores.transpose(1, 2)):
        kept = direction if padded is None else direction.masked_fill(padded, NEVER)
        diagonal = kept.log_softmax(2).diagonal(dim1=1, dim2=2)
        # A padded token's own counterpart is not among the kept ones: -inf, of weight 0.
        known = diagonal.masked_fill(weights == 0, 0.0)
        total = total - (known * weights).sum(1).mean()
    return total / 2


def prototype_loss(image: Tensor, text: Tensor) -> Tensor:
    """Each side predicts the other's prototype (section 3.4).

    Args:
        image: (B, K), cosine of each image and each prototype.
        text: (B, K), of each prompt and each prototype.
    """
    image_codes, text_codes = sinkhorn(image.detach()), sinkhorn(text.detach())
    of_text = (text / PROTOTYPE_TEMPERATURE).log_softmax(1)
    of_image = (image / PROTOTYPE_TEMPERATURE).log_softmax(1)
    return -((image_codes * of_text).sum(1).mean() + (text_codes * of_image).sum(1).mean()) / 2


def sinkhorn(scores: Tensor) -> Tensor:
    """Soft assignments that use all prototypes alike (SwAV; Cuturi 2013).

    Args:
        scores: (B, K), cosines.

    Returns:
        (B, K) >= 0; rows sum to 1, columns nearly to B / K.
    """
    codes = ((scores - scores.max()) / SINKHORN_EPSILON).exp()
    for _ in range(SINKHORN_ITERATIONS):
        codes = codes / codes.sum(0, keepdim=True)
        codes = functional.normalize(codes, p=1.0, dim=1)
    return codes
