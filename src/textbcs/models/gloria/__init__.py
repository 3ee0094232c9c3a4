"""GLoRIA: a ResNet-50 pre-trained on image-prompt pairs, whole against whole and word by word."""

from textbcs.models.common.mixed_loss import mixed_objective as objective
from textbcs.models.gloria.contrastive import GLoRIAPretraining as Contrastive
from textbcs.models.gloria.network import GLoRIA as Network

__all__ = ["Contrastive", "Network", "objective"]
