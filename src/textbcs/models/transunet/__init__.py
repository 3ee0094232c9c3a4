"""TransUNet: a ResNet-50 and a ViT-B/16 as encoder, a convolutional decoder with three skips.

Its loss is 0.5 cross-entropy + 0.5 Dice over both classes (trainer.py of the official code).
"""

from textbcs.models.common.losses import softmax_dice_ce_objective as objective
from textbcs.models.transunet.network import TransUNet as Network

__all__ = ["Network", "objective"]
