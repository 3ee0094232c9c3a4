"""Lines of `kernels.py`: torch's other operators, forward and gradients, optimizers, random numbers."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from kernel_inputs import Line, Parts, tensor, through, traced

if TYPE_CHECKING:
    from torch import Tensor

Functions = Mapping[str, Callable[..., "Tensor"]]  # of a tensor, by name


def layers() -> Iterator[Line]:
    """torch's own kernels: normalisation, elementwise functions, pools, random numbers, updates."""
    yield from normalisations()
    for functions in (activations(), reductions(), elementwise_functions(), losses()):
        yield from in_both_precisions(functions)
    yield from resampling()
    yield "random numbers", _drawn
    yield "first weights", _first_weights
    for kind, momentum in (("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)):
        yield f"{kind}, fused", partial(_updated, kind, momentum)
    yield "nnU-Net's augmentation", _augmented
    yield "bfloat16 (autocast)", _autocast


def normalisations() -> Iterator[Line]:
    """Normalisation by batch, group, instance and layer."""
    from torch import nn

    x, image = tensor(60, 999), tensor(2, 12, 24, 24)
    for last in (True, False):
        name = "channels_last" if last else "contiguous"
        for module in (nn.BatchNorm2d(12), nn.GroupNorm(3, 12), nn.InstanceNorm2d(12, affine=True)):
            yield f"{type(module).__name__}, {name}", partial(through, module, image, last)
    yield "BatchNorm1d", lambda: through(nn.BatchNorm1d(999), x)
    yield "LayerNorm", lambda: through(nn.LayerNorm(999), x)


def activations() -> Functions:
    """Softmax and what a layer's output goes through."""
    import torch
    from torch.nn import functional

    return {
        "softmax": lambda t: t.softmax(-1),
        "log_softmax": lambda t: t.log_softmax(-1),
        "logsumexp": lambda t: t.logsumexp(-1),
        "gelu": functional.gelu,
        "softplus": functional.softplus,
        "logsigmoid": functional.logsigmoid,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "erf": torch.erf,
        "exp": torch.exp,
        "cos": torch.cos,
        "sin": torch.sin,
        "leaky_relu": functional.leaky_relu,
    }


def reductions() -> Functions:
    """Norms, sums and quantiles along an axis."""
    import torch
    from torch.nn import functional

    return {
        "normalize": lambda t: functional.normalize(t, dim=-1),
        "norm": lambda t: t.norm(dim=-1),
        "std": lambda t: t.std(-1),
        "var_mean": lambda t: torch.cat(torch.var_mean(t, dim=-1)),
        "sum and mean": lambda t: t.sum() + t.mean(0),
        "cumsum": lambda t: t.cumsum(-1),
        "quantile": lambda t: t.quantile(0.1, dim=1),
    }


def elementwise_functions() -> Functions:
    """Interpolation, powers, logarithms and gamma functions of each element."""
    import torch

    return {
        "lerp": lambda t: torch.lerp(t, t.flip(0), t.abs() / 2),
        "power of a tensor": lambda t: (t.abs() + 0.1) ** (t.flip(1) + 2),
        "power 2.5": lambda t: (t.abs() + 0.1) ** 2.5,
        "log": lambda t: (t.abs() + 0.1).log(),
        "log1p": lambda t: t.abs().log1p(),
        "rsqrt": lambda t: (t.abs() + 0.1).rsqrt(),
        "power -0.5": lambda t: (t.abs() + 0.1) ** -0.5,
        "digamma": lambda t: torch.digamma(t.abs() + 1),
        "lgamma": lambda t: torch.lgamma(t.abs() + 1),
    }


def losses() -> Functions:
    """Cross entropies."""
    import torch
    from torch.nn import functional

    return {
        "binary cross entropy": lambda t: functional.binary_cross_entropy_with_logits(
            t, (t.detach() > 0).to(t.dtype)
        ),
        "cross entropy": lambda t: functional.cross_entropy(t, torch.arange(60)),
    }


def in_both_precisions(functions: Functions) -> Iterator[Line]:
    """Each function in single and in double precision."""
    x = tensor(60, 999)
    for name, function in functions.items():
        yield name, partial(traced, function, x)
        if name != "log":  # one of the exceptions
            yield f"{name}, double", partial(traced, function, x.double())


def resampling() -> Iterator[Line]:
    """Interpolation, pools and edges of images, in both orders of memory."""
    import torch
    from torch.nn import functional

    image = tensor(2, 12, 24, 24)
    resized: Functions = {
        "bilinear": lambda t: functional.interpolate(t, size=(48, 48), mode="bilinear"),
        "bilinear, corners aligned": lambda t: functional.interpolate(
            t, scale_factor=2, mode="bilinear", align_corners=True
        ),
        "area": lambda t: functional.interpolate(t, size=(7, 7), mode="area"),
        "nearest": lambda t: functional.interpolate(t, scale_factor=2),
        "average pool": lambda t: functional.avg_pool2d(t, 2),
        "adaptive average pool": lambda t: functional.adaptive_avg_pool2d(t, 5),
        "adaptive maximum pool": lambda t: functional.adaptive_max_pool2d(t, 5),
        "maximum pool": lambda t: functional.max_pool2d(t, 3, 2, 1),
        "reflected edge": lambda t: functional.pad(t, (3, 3, 3, 3), mode="reflect"),
        "mean over places": lambda t: t.mean((2, 3)),
    }
    for name, function in resized.items():
        yield name, partial(traced, function, image)
        yield (
            f"{name}, channels_last",
            partial(traced, function, image.contiguous(memory_format=torch.channels_last)),
        )


def _drawn() -> Parts:
    import torch
    from torch.nn import functional

    draw = torch.Generator().manual_seed(3)
    torch.manual_seed(4)
    return {
        "randperm": torch.randperm(999, generator=draw),
        "rand": torch.rand(999, generator=draw),
        "randn": torch.randn(999, generator=draw),
        "randn, few": torch.randn(7, generator=draw),
        "randint": torch.randint(9, (99,), generator=draw),
        "dropout": functional.dropout(tensor(40, 37), 0.3),
        "dropout of channels": functional.dropout2d(tensor(4, 9, 5, 5), 0.3),
        "bernoulli": torch.empty(99).bernoulli_(0.4, generator=draw),
    }


def _first_weights() -> Parts:
    import torch
    from torch import nn

    torch.manual_seed(5)
    drawn: dict[str, Callable[..., Tensor]] = {
        "trunc_normal_": lambda w: nn.init.trunc_normal_(w, std=0.02, a=-2.0, b=2.0),
        "xavier_uniform_": nn.init.xavier_uniform_,
        "kaiming_normal_": nn.init.kaiming_normal_,
        "kaiming_uniform_": nn.init.kaiming_uniform_,
        "normal_": nn.init.normal_,
    }
    values = {name: draw(torch.empty(33, 47)) for name, draw in drawn.items()}
    return values | {"a layer's own": nn.Conv2d(5, 9, 3).weight}


def _updated(kind: str, momentum: float, fused: bool = True) -> Parts:
    import torch

    from textbcs.training.optimizers import optimizer_of

    layer = torch.nn.Linear(37, 41)
    settings = {"optimizer": kind, "weight_decay": 0.01, "momentum": momentum, "nesterov": False}
    optimizer = optimizer_of(layer, settings)
    for group in optimizer.param_groups:
        group["lr"], group["fused"] = 0.01, fused
    with torch.no_grad():
        layer.weight.copy_(tensor(41, 37))
        layer.bias.copy_(tensor(41))
    for step in range(3):
        layer.weight.grad, layer.bias.grad = tensor(41, 37, seed=step), tensor(41, seed=step)
        optimizer.step()
    return {"weight": layer.weight, "bias": layer.bias}


def _augmented() -> Parts:
    from textbcs.training import augmentation_nnunet as nnunet

    image, wide = tensor(2, 3, 24, 24).abs(), tensor(2, 3, 1, 1).abs() / 2
    return {
        "noise": nnunet.with_noise(image, wide, tensor(2, 3, 24, 24, seed=1)),
        "blur": nnunet.blurred(image, wide + 0.5, wide + 0.7),
        "contrast": nnunet.contrasted(image, wide + 0.6),
        "resolution": nnunet.at_low_resolution(image, wide / 3 + 0.5),
        "gamma": nnunet.with_gamma(image, wide + 0.7),
    }


def _autocast() -> Parts:
    import torch
    from torch import nn

    with torch.autocast("cpu", dtype=torch.bfloat16):
        convolution = through(nn.Conv2d(6, 8, 3), tensor(2, 6, 12, 12))
        linear = through(nn.Linear(24, 40), tensor(30, 24))
    found = {f"convolution, {part}": value.float() for part, value in convolution.items()}
    return found | {f"linear, {part}": value.float() for part, value in linear.items()}


def exceptions() -> Iterator[Line]:
    """MKL's functions of vectors and what is made of them."""
    import torch

    x, positive = tensor(400, 500) / 2.1, tensor(400, 500).abs() + 0.1
    yield "torch.sqrt", partial(_single, torch.sqrt, positive)
    yield "x ** 0.5", lambda: {"forward": positive**0.5}
    for function in (torch.log2, torch.log10):
        yield f"torch.{function.__name__}", partial(_single, function, positive)
    for function in (torch.atan, torch.asin, torch.acos):
        yield f"torch.{function.__name__}", partial(_single, function, x)
    yield "torch.sqrt, double", partial(_single, torch.sqrt, positive.double())
    near = 0.5 + positive.double() / 2
    yield "torch.log, double", partial(_single, torch.log, near)
    yield "torch.tan, double", partial(_single, torch.tan, x.double())
    for kind in ("adam", "adamw"):
        yield f"{kind}, not fused", partial(_updated, kind, 0.0, fused=False)


def _single(function: Callable[..., "Tensor"], x: "Tensor") -> Parts:
    return {"forward": function(x)}
