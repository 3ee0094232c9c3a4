"""LViT: a UNet with a transformer branch that takes in the prompt."""

from textbcs.models.common.losses import dice_bce_objective as objective
from textbcs.models.lvit.network import LViT as Network

__all__ = ["Network", "objective"]
