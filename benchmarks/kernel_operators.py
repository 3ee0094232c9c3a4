"""Lines of `kernels.py`: torch's operators, forward and gradients, optimizers, random numbers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from kernel_inputs import Line, Parts, tensor, through, traced

if TYPE_CHECKING:
    from torch import Tensor


def products() -> Iterator[Line]:
    """Linear layers, products of matrices, attention, convolutions."""
    import torch
    from torch import nn
    from torch.nn import functional

    from textbcs.models.common.linear import Linear

    shapes = [(1, 8, 4), (2, 16, 16), (3, 1, 1), (7, 5, 3), (16, 384, 384), (64, 384, 16)]
    shapes += [(72, 24, 96), (130, 33, 17), (290, 64, 192), (290, 256, 64), (2, 2304, 10)]
    shapes += [(4608, 16, 48), (1152, 512, 128)]
    for rows, inputs, outputs in shapes:
        x = tensor(rows, inputs)
        yield (
            f"blocks.linear {rows} x {inputs} to {outputs}",
            partial(through, Linear(inputs, outputs), x),
        )
    for rows, inputs, outputs in shapes:
        x = tensor(rows, inputs)
        yield (
            f"torch.nn.Linear {rows} x {inputs} to {outputs}",
            partial(through, nn.Linear(inputs, outputs), x),
        )
    yield (
        "blocks.linear of tokens, no bias",
        lambda: through(Linear(24, 96, bias=False), tensor(2, 37, 24)),
    )
    yield (
        "torch.nn.Linear, double",
        lambda: through(nn.Linear(40, 24).double(), tensor(30, 40).double()),
    )
    for n, m, k in [(5, 7, 3), (64, 64, 64), (130, 48, 300), (1, 512, 77)]:
        pair = (tensor(n, k), tensor(k, m, seed=1))
        yield f"matmul {n} x {k} x {m}", partial(traced, torch.matmul, *pair)
    doubles = (tensor(60, 50).double(), tensor(50, 40).double())
    yield "matmul, double", lambda: traced(torch.matmul, *doubles)
    yield (
        "matrix by vector",
        lambda: {"forward": tensor(90, 65) @ tensor(65), "dot": tensor(999) @ tensor(999, seed=1)},
    )
    for b, n, d in [(8, 36, 16), (6, 9, 8), (4, 145, 32)]:
        pair = (tensor(b, n, d), tensor(b, d, n, seed=1))
        yield f"bmm {b} x {n} x {d}", partial(traced, torch.bmm, *pair)
        yield f"einsum {b} x {n} x {d}", partial(traced, _einsum, *pair)
    for b, heads, n, d in [(2, 4, 36, 16), (2, 3, 9, 8), (2, 2, 145, 32), (1, 1, 5, 7)]:
        three = [tensor(b, heads, n, d, seed=seed) for seed in range(3)]
        yield (
            f"scaled_dot_product_attention {b} x {heads} x {n} x {d}",
            partial(traced, functional.scaled_dot_product_attention, *three),
        )
    for inputs, outputs, kernel, stride, side in [
        (3, 16, 3, 1, 48),
        (16, 32, 3, 1, 24),
        (16, 32, 3, 2, 24),
        (5, 7, 3, 1, 13),
        (128, 64, 3, 1, 6),
        (32, 8, 1, 1, 24),
        (64, 128, 1, 2, 12),
        (3, 64, 4, 4, 48),
        (3, 16, 7, 2, 48),
    ]:
        for last in (True, False):
            yield (
                f"convolution {inputs} to {outputs}, {kernel} x {kernel}, stride {stride}, "
                f"{side} px, {'channels_last' if last else 'contiguous'}",
                partial(
                    through,
                    nn.Conv2d(
                        inputs, outputs, kernel, stride, padding=kernel // 2 if kernel % 2 else 0
                    ),
                    tensor(2, inputs, side, side),
                    last,
                ),
            )
    for last in (True, False):
        yield (
            f"transposed convolution, {'channels_last' if last else 'contiguous'}",
            partial(through, nn.ConvTranspose2d(32, 16, 2, 2), tensor(2, 32, 9, 9), last),
        )
    image, line = tensor(2, 12, 20, 20), tensor(2, 16, 36)
    yield "convolution in groups", lambda: through(nn.Conv2d(12, 12, 3, groups=12), image)
    yield "convolution of a line", lambda: through(nn.Conv1d(16, 24, 3, padding=1), line)
    yield "convolution, double", lambda: through(nn.Conv2d(12, 8, 3).double(), image.double())


def _einsum(a: "Tensor", b: "Tensor") -> "Tensor":
    import torch

    return torch.einsum("bnd,bdm->bmn", a, b)


def layers() -> Iterator[Line]:
    """torch's own kernels: normalisation, elementwise functions, pools, random numbers, updates."""
    import torch
    from torch import nn
    from torch.nn import functional

    x, image = tensor(60, 999), tensor(2, 12, 24, 24)
    for last in (True, False):
        name = "channels_last" if last else "contiguous"
        for module in (nn.BatchNorm2d(12), nn.GroupNorm(3, 12), nn.InstanceNorm2d(12, affine=True)):
            yield f"{type(module).__name__}, {name}", partial(through, module, image, last)
    yield "BatchNorm1d", lambda: through(nn.BatchNorm1d(999), x)
    yield "LayerNorm", lambda: through(nn.LayerNorm(999), x)
    functions: dict[str, Callable[..., Tensor]] = {
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
        "normalize": lambda t: functional.normalize(t, dim=-1),
        "norm": lambda t: t.norm(dim=-1),
        "std": lambda t: t.std(-1),
        "var_mean": lambda t: torch.cat(torch.var_mean(t, dim=-1)),
        "sum and mean": lambda t: t.sum() + t.mean(0),
        "cumsum": lambda t: t.cumsum(-1),
        "quantile": lambda t: t.quantile(0.1, dim=1),
        "lerp": lambda t: torch.lerp(t, t.flip(0), t.abs() / 2),
        "power of a tensor": lambda t: (t.abs() + 0.1) ** (t.flip(1) + 2),
        "power 2.5": lambda t: (t.abs() + 0.1) ** 2.5,
        "log": lambda t: (t.abs() + 0.1).log(),
        "log1p": lambda t: t.abs().log1p(),
        "rsqrt": lambda t: (t.abs() + 0.1).rsqrt(),
        "power -0.5": lambda t: (t.abs() + 0.1) ** -0.5,
        "digamma": lambda t: torch.digamma(t.abs() + 1),
        "lgamma": lambda t: torch.lgamma(t.abs() + 1),
        "binary cross entropy": lambda t: functional.binary_cross_entropy_with_logits(
            t, (t.detach() > 0).to(t.dtype)
        ),
        "cross entropy": lambda t: functional.cross_entropy(t, torch.arange(60)),
    }
    for name, function in functions.items():
        yield name, partial(traced, function, x)
        if name != "log":  # one of the exceptions
            yield f"{name}, double", partial(traced, function, x.double())
    resized: dict[str, Callable[..., Tensor]] = {
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
    yield "random numbers", _drawn
    yield "first weights", _first_weights
    for kind, momentum in (("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)):
        yield f"{kind}, fused", partial(_updated, kind, momentum)
    yield "nnU-Net's augmentation", _augmented
    yield "bfloat16 (autocast)", _autocast


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
