"""CLIP: a ViT-B/16 pre-trained on image-prompt pairs with the symmetric InfoNCE loss."""

from textbcs.models.clip.contrastive import CLIPPretraining as Contrastive
from textbcs.models.clip.network import CLIPSegmenter as Network
from textbcs.models.common.losses import dice_bce_objective as objective

__all__ = ["Contrastive", "Network", "objective"]
