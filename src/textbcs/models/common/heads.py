"""A head that was published without a bias, and can start where others start by theirs."""

import torch
from torch import Tensor, nn


class UnbiasedHead(nn.Conv2d):
    """A 1x1 convolution without bias, and a constant that is added and never learnt; 0 as published.

    `Segmenter.start_at` sets the constant where it sets the bias of other heads, so that all methods
    begin alike. It is kept with the weights and is no parameter.

    Args:
        inputs: channels of the map.
        classes: of the answer.
    """

    offset: Tensor

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(inputs, classes, 1, bias=False)
        self.register_buffer("offset", torch.zeros(classes))

    def forward(self, input: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, classes, H, W)."""
        return super().forward(input) + self.offset[:, None, None]
