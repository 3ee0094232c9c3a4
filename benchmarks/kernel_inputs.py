"""What the lines of `kernels.py` are computed from: numbers that are equal on every CPU, and gradients."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn


Parts = Mapping[str, Any]  # arrays, tensors and numbers by name


Line = tuple[str, Callable[[], Parts]]


def whole(*shape: int, seed: int = 0) -> "NDArray[Any]":
    """Multiples of 2^-20 in [-2, 2), float64 and float32 alike; the same on every CPU."""
    import numpy as np

    drawn = np.random.default_rng([seed, *shape]).integers(-(2**21), 2**21, shape)
    return np.asarray(drawn / 2**20)


def tensor(*shape: int, seed: int = 0) -> "Tensor":
    """`whole` as a float32 tensor."""
    import torch

    return torch.from_numpy(whole(*shape, seed=seed)).float()


def traced(function: Callable[..., "Tensor"], *inputs: "Tensor") -> dict[str, Any]:
    """The result of a function and the gradients of its inputs, for a fixed gradient of the result."""
    import torch

    learnt = [value.detach().clone().requires_grad_() for value in inputs]
    result = function(*learnt)
    torch.autograd.backward(result, tensor(*result.shape, seed=9).to(result.dtype))
    gradients = {f"gradient {number}": value.grad for number, value in enumerate(learnt, 1)}
    return {"forward": result, **gradients}


def through(module: "nn.Module", x: "Tensor", channels_last: bool = False) -> dict[str, Any]:
    """`traced` for a module with fixed parameters: the gradients of its input and its parameters."""
    import torch

    with torch.no_grad():
        for number, value in enumerate(module.parameters()):
            value.copy_(tensor(*value.shape, seed=number + 1) / 4)
    if channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    found = traced(module, x)
    return found | {f"gradient of {k}": v.grad for k, v in module.named_parameters()}
