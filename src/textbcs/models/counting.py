"""A network's parameters and operations, counted.

Two ways: two operations per multiply-add, and as thop 0.1.1 counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from textbcs.models.common import registry
from textbcs.models.common.contract import Segmenter, TextBatch

UPSAMPLING_OPERATIONS = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


def parameters(model: nn.Module) -> int:
    """Number of parameters, frozen ones included."""
    return sum(p.numel() for p in model.parameters())


def parameters_of_pretraining(network: Mapping[str, Any]) -> int:
    """Number of parameters of the method's pre-training model at its published size, or 0."""
    package = registry.package(network["model"])
    if not hasattr(package, "Contrastive"):
        return 0
    with torch.device("meta"):
        model = package.Contrastive(
            registry.full_size(network),
            package.Contrastive.full_settings,
            channels=FULL_CHANNELS,
            image_size=registry.full_image(network),
            text_dim=FULL_TEXT,
        )
    return parameters(model)


def parameters_for_mask(model: Segmenter, image: Tensor, text: TextBatch) -> int:
    """Number of parameters on which the foreground probability depends, frozen ones included."""
    learnt = [(value, value.requires_grad) for value in model.parameters()]
    model.eval()
    model.zero_grad(set_to_none=True)
    model.requires_grad_(True)
    torch.autograd.backward(model(image, text).probability.sum())
    count = sum(value.numel() for value, _ in learnt if value.grad is not None)
    model.zero_grad(set_to_none=True)
    for value, was in learnt:
        value.requires_grad_(was)
    return count


def flops(model: Segmenter, image: Tensor, text: TextBatch) -> int:
    """Floating point operations of a forward pass in the model's mode, 2 per multiply-add."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(image, text)
    return int(counter.get_total_flops())


def thop_operations(model: Segmenter, image: Tensor, text: TextBatch) -> int:
    """What thop 0.1.1 reports for a forward pass, without thop.

    Its rule sees modules, not functions (attention's matrix products count nothing), one operation
    per multiply-add, and takes a transposed convolution for one that visits every output pixel.
    """
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += _thop_rule(module, inputs[0], output)

    handles = [
        module.register_forward_hook(add)
        for module in model.modules()
        if isinstance(module, _COUNTED)
    ]
    try:
        with torch.no_grad():
            model(image, text)
    finally:
        for handle in handles:
            handle.remove()
    return total


_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


_COUNTED = (
    nn.modules.conv._ConvNd,
    *_NORMS,
    nn.Linear,
    nn.Softmax,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Upsample,
)


def _thop_rule(module: nn.Module, x: Tensor, y: Tensor) -> int:
    """Operations of one call of one module, as thop's hooks count them."""
    if isinstance(module, nn.modules.conv._ConvNd):
        kernel = math.prod(module.weight.shape[2:])
        return y.numel() * (x.shape[1] // module.groups) * kernel
    if isinstance(module, nn.Linear):
        return y.numel() * module.in_features
    if isinstance(module, _NORMS):
        affine = getattr(module, "affine", False) or getattr(module, "elementwise_affine", False)
        return x.numel() * (4 if affine else 2)
    if isinstance(module, nn.Softmax):
        features = x.shape[module.dim or 0]
        return x.numel() // features * (3 * features - 1)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return y.numel() * (math.prod(x.shape[2:]) // math.prod(y.shape[2:]) + 1)
    if isinstance(module, nn.Upsample):
        return y.numel() * UPSAMPLING_OPERATIONS.get(module.mode, 0)
    return y.numel()  # AvgPool2d


FULL_CHANNELS = 3


FULL_TEXT = 768  # BioClinicalBERT
