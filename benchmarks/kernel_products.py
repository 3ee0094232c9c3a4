"""Lines of `kernels.py`: torch's products, forward and gradients."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from kernel_inputs import Line, tensor, through, traced

if TYPE_CHECKING:
    from torch import Tensor


def products() -> Iterator[Line]:
    """Linear layers, products of matrices, attention, convolutions."""
    yield from linear_layers()
    yield from matrix_products()
    yield from attention()
    yield from convolutions()


def linear_layers() -> Iterator[Line]:
    """The project's linear layer and torch's."""
    from torch import nn

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


def matrix_products() -> Iterator[Line]:
    """Products of matrices and vectors, one by one and in batches."""
    import torch

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


def attention() -> Iterator[Line]:
    """Attention of one to four heads."""
    from torch.nn import functional

    for b, heads, n, d in [(2, 4, 36, 16), (2, 3, 9, 8), (2, 2, 145, 32), (1, 1, 5, 7)]:
        three = [tensor(b, heads, n, d, seed=seed) for seed in range(3)]
        yield (
            f"scaled_dot_product_attention {b} x {heads} x {n} x {d}",
            partial(traced, functional.scaled_dot_product_attention, *three),
        )


def convolutions() -> Iterator[Line]:
    """Convolutions of images in both orders of memory, transposed, in groups, of a line."""
    from torch import nn

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
