"""CLIP's pre-training: whole image against whole prompt, symmetric InfoNCE.

Paper: Radford et al. 2021, section 2.3 and figure 3; github.com/openai/CLIP: a learnable temperature
that starts at 0.07 and whose inverse stays below 100, linear projections of both sides. Deviations:
the text encoder is the project's frozen one with a trainable norm and projection behind it (CLIP
trains a text transformer of its own and takes the last token; here the mean of the tokens); equal
prompts of a batch are no negatives.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from textbcs.models.clip.network import ImageTower
from textbcs.models.common.contract import Batch, TextBatch
from textbcs.models.common.contrastive import (
    Embedded,
    Pretraining,
    image_to_text,
    sentence,
    text_to_image,
    unit,
)
from textbcs.models.common.linear import Linear

START = math.log(1 / 0.07)
HIGHEST = math.log(100.0)


class CLIPPretraining(Pretraining):
    """Image tower, text projection and temperature; `settings` holds no value of them."""

    encoder: ImageTower
    build_encoder = ImageTower

    def add_projections(self, settings: Mapping[str, Any], text_dim: int) -> None:
        """See `Pretraining.add_projections`."""
        self.text_norm = nn.LayerNorm(text_dim)
        self.text_projection = Linear(text_dim, self.encoder.shared, bias=False)
        nn.init.normal_(self.text_projection.weight, std=text_dim**-0.5)
        self.log_scale = nn.Parameter(torch.tensor(START))

    def forward(self, image: Tensor, text: TextBatch) -> Embedded:
        """See `Pretraining.forward`."""
        return Embedded(
            image=unit(self.encoder(image)[:, 0]),
            text=unit(self.text_projection(self.text_norm(sentence(text)))),
        )

    def objective(
        self, embedded: Embedded, batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of both directions."""
        scores = self.log_scale.clamp(max=HIGHEST).exp() * embedded.image @ embedded.text.T
        parts = {
            "image_to_text": image_to_text(scores, batch.prompt),
            "text_to_image": text_to_image(scores, batch.prompt),
        }
        return (parts["image_to_text"] + parts["text_to_image"]) / 2, parts
