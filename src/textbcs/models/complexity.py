"""Parameters and operations of every method, by one tool in one unit.

Always at full width, 224 px and batch 1, whatever the preset trains; the size of the network that
the preset trains stands in columns of its own. The text encoder is frozen and counted nowhere.
Everything runs on torch's meta device: shapes without values, so that a network of any size is
counted in a moment. Reads nothing but params.yaml; writes `results/complexity/<method>.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from textbcs.io import InputError, write_json
from textbcs.models import registry
from textbcs.models.contract import Segmenter, TextBatch
from textbcs.text.encoders import SOURCES as ENCODERS

if TYPE_CHECKING:
    from textbcs.receipt import Stage

FULL_CHANNELS = 3
FULL_SIZE = 224
FULL_TEXT = 768  # BioClinicalBERT
TOKENS = 10  # "location left shape irregular size medium number two", with start and end
UPSAMPLING_OPERATIONS = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}

UNITS = {
    "params_as_trained": "parameters of the segmentation network as trained, frozen ones included, "
    "text encoder excluded",
    "params_learnt": "those of them that the segmentation's training changes",
    "params_pretraining": "parameters of the model of the method's contrastive pre-training, text "
    "encoder excluded; 0 where there is none",
    "params_for_mask": "those of them that the foreground probability depends on",
    "flops": "floating point operations of a forward pass as in training, 2 per multiply-add, "
    "batch 1, by torch's FlopCounterMode (convolutions and matrix products)",
    "flops_for_mask": "the same for a forward pass in evaluation mode",
    "paper_convention_macs": "operations as thop 0.1.1 counts them for a batch of two, of a forward "
    "pass as in training; the printed values of UNet and LViT arise in this way",
    "params_here": "parameters of the network that this preset trains",
    "flops_here": "its flops, at this preset's image size",
}


def measure(stage: Stage) -> None:
    """Measure every method of Table 1.

    Params read: `tables.table1`, `methods`, `slices.size`, `slices.channels`, `text.encoder`.
    """
    params = stage.params
    setting = {"image_size": FULL_SIZE, "channels": FULL_CHANNELS, "tokens": [TOKENS, FULL_TEXT]}
    for method in stage.progress(params["tables"]["table1"], desc="methods"):
        network = params["methods"][method]["network"]
        here = local_row(
            network,
            channels=params["slices"]["channels"],
            size=params["slices"]["size"],
            text_dim=ENCODERS[params["text"]["encoder"]].dimension,
        )
        full = full_row(network)
        report = {"method": method, "setting": setting, "units": UNITS, **full, **here}
        write_json(stage.output(f"results/complexity/{method}.json"), report)


def all_rows(params: Mapping[str, Any], names: Sequence[str] | None) -> list[dict[str, Any]]:
    """The columns of several methods, for the command line.

    Args:
        params: with `methods`.
        names: which of them; None for all.

    Raises:
        InputError: there is no such method.
    """
    methods = params["methods"]
    for name in names or ():
        if name not in methods:
            raise InputError(f"methods.{name}: no such method; there are {', '.join(methods)}")
    return [{"method": n, **full_row(methods[n]["network"])} for n in names or methods]


def full_row(network: Mapping[str, Any]) -> dict[str, Any]:
    """The columns at the published size, named as in `UNITS`, and whether the text is read.

    Args:
        network: the method's `network` block of params.yaml, of any preset.
    """
    size = registry.full_image(network)
    with torch.device("meta"):
        model = registry.build(
            registry.full_size(network),
            channels=FULL_CHANNELS,
            image_size=size,
            text_dim=FULL_TEXT,
        )
    one = example(1, FULL_CHANNELS, size, FULL_TEXT)
    two = example(2, FULL_CHANNELS, size, FULL_TEXT)
    return {
        "reads_at_test": model.reads
        if model.reads_text or "prompt" not in model.reads
        else "image",
        "reads_text": model.reads_text,
        "params_as_trained": parameters(model),
        "params_learnt": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "params_pretraining": parameters_of_pretraining(network),
        "params_for_mask": parameters_for_mask(model, *one),
        "flops": flops(model.train(), *one),
        "flops_for_mask": flops(model.eval(), *one),
        "paper_convention_macs": thop_operations(model.train(), *two),
    }


def local_row(
    network: Mapping[str, Any], *, channels: int, size: int, text_dim: int
) -> dict[str, int]:
    """The columns of the network that the preset trains."""
    with torch.device("meta"):
        model = registry.build(network, channels=channels, image_size=size, text_dim=text_dim)
    operations = flops(model.train(), *example(1, channels, size, text_dim))
    return {"params_here": parameters(model), "flops_here": operations}


def example(batch: int, channels: int, size: int, text_dim: int) -> tuple[Tensor, TextBatch]:
    """A batch on the meta device."""
    image = torch.empty(batch, channels, size, size, device="meta")
    tokens = torch.empty(batch, TOKENS, text_dim, device="meta")
    mask = torch.ones(batch, TOKENS, dtype=torch.bool, device="meta")
    return image, TextBatch(tokens, mask)


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
