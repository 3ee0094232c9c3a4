"""MGCA: a ViT-B/16 pre-trained on image-prompt pairs at three granularities, then frozen."""

from textbcs.models.common.mixed_loss import mixed_objective as objective
from textbcs.models.mgca.contrastive import MGCAPretraining as Contrastive
from textbcs.models.mgca.network import MGCASegmenter as Network

__all__ = ["Contrastive", "Network", "objective"]
