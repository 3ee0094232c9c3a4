"""ConVIRT: a ResNet-50 pre-trained on image-prompt pairs with a bidirectional NT-Xent loss."""

from textbcs.models.common.losses import dice_bce_objective as objective
from textbcs.models.convirt.contrastive import ConVIRTPretraining as Contrastive
from textbcs.models.convirt.network import ConVIRT as Network

__all__ = ["Contrastive", "Network", "objective"]
