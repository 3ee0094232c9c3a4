"""A linear layer whose products oneDNN computes on the CPU.

torch gives float32 matrix products to MKL. The only code of MKL that is equal on Intel and AMD takes
2.4 times as long (`textbcs.base.kernels`); oneDNN, which computes the convolutions, is as quick as MKL's best
and equal too (benchmarks/results/kernels.json). Elsewhere (GPU, autocast, double precision) this is
torch's own layer.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, as `torch.nn.functional.linear`.

    Args:
        x: (..., inputs).
        weight: (outputs, inputs).
        bias: (outputs,).
    """
    if not _through_onednn(x, weight):
        return functional.linear(x, weight, bias)
    return cast(Tensor, _Linear.apply(x, weight, bias))  # type: ignore[no-untyped-call]


class Linear(nn.Linear):
    """`torch.nn.Linear`, its parameters and first weights, with the products of `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return linear(input, self.weight, self.bias)


def _through_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and x.dim() > 1
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and not torch.compiler.is_compiling()
    )


class _Linear(torch.autograd.Function):
    """The product and its gradients; torch's own gradient of a oneDNN layer takes no dense tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        flat = gradient.reshape(-1, gradient.shape[-1])
        rows = x.reshape(-1, x.shape[-1])
        return (
            _product(flat, weight.t()).view_as(x) if of_x else None,
            _product(flat.t(), rows.t()) if of_weight else None,
            flat.sum(0) if of_bias else None,
        )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a b^T + bias for a (..., n) and b (m, n)."""
    placed = None if bias is None else bias.detach().to_mkldnn()
    left, right = a.detach().contiguous(), b.detach().contiguous()
    return functional.linear(left.to_mkldnn(), right.to_mkldnn(), placed).to_dense()
