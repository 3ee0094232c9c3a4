"""ConVIRT's pre-training: whole image against whole prompt, in both directions.

Paper: Zhang et al. 2022, equations 2 to 4: NT-Xent over cosine similarities with temperature 0.1, the
image-to-text direction weighted 0.75, two-layer projections of both sides to 512 dimensions;
github.com/edreisMD/ConVIRT-pytorch (unofficial) agrees. Deviations: the text encoder is frozen (the
paper trains its upper six layers) and its tokens are averaged (the paper takes their maximum, that
repository the mean); equal prompts of a batch are no negatives.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from textbcs.models.common.contract import Batch, TextBatch
from textbcs.models.common.contrastive import (
    Embedded,
    Perceptron,
    Pretraining,
    image_to_text,
    sentence,
    text_to_image,
    unit,
)
from textbcs.models.common.resnet import ResNet


class ConVIRTPretraining(Pretraining):
    """Image encoder and the projections of both sides.

    Args:
        settings: `embedding` (width of the shared space), `temperature`, `image_weight` (alpha of
            eq. 4).
    """

    encoder: ResNet
    build_encoder = ResNet.of
    full_settings: ClassVar[Mapping[str, Any]] = {
        "embedding": 512,
        "temperature": 0.1,
        "image_weight": 0.75,
    }

    def add_projections(self, settings: Mapping[str, Any], text_dim: int) -> None:
        """See `Pretraining.add_projections`."""
        features = self.encoder.map_channels[-1]
        shared = int(settings["embedding"])
        self.image_projection = Perceptron(features, features, shared)
        self.text_projection = Perceptron(text_dim, text_dim, shared)
        self.temperature = float(settings["temperature"])
        self.image_weight = float(settings["image_weight"])

    def forward(self, image: Tensor, text: TextBatch) -> Embedded:
        """See `Pretraining.forward`."""
        pooled = self.encoder(image)[-1].mean((2, 3))
        return Embedded(
            image=unit(self.image_projection(pooled)),
            text=unit(self.text_projection(sentence(text))),
        )

    def objective(
        self, embedded: Embedded, batch: Batch, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """alpha * image-to-text + (1 - alpha) * text-to-image (eq. 4)."""
        scores = embedded.image @ embedded.text.T / self.temperature
        parts = {
            "image_to_text": image_to_text(scores, batch.prompt),
            "text_to_image": text_to_image(scores, batch.prompt),
        }
        alpha = self.image_weight
        return alpha * parts["image_to_text"] + (1 - alpha) * parts["text_to_image"], parts
