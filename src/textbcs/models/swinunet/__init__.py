"""Swin-UNet: an encoder and a decoder of shifted-window transformer blocks, no convolutions between.

Its loss is 0.4 cross-entropy + 0.6 Dice over both classes (trainer.py of the official code).
"""

from textbcs.models.common.losses import softmax_dice_ce_objective as objective
from textbcs.models.swinunet.network import SwinUNet as Network

__all__ = ["Network", "objective"]
