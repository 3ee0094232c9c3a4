"""The linear layer that goes around MKL: torch's own to rounding, with torch's parameters."""

import pytest
import torch
from torch import Tensor, nn

from textbcs.models.common.linear import Linear


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def twins(inputs: int, outputs: int, bias: bool = True) -> tuple[Linear, nn.Linear]:
    """Ours and torch's with the same parameters."""
    ours, theirs = Linear(inputs, outputs, bias=bias), nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        for number, value in enumerate(theirs.parameters()):
            value.copy_(drawn(*value.shape, seed=number + 1))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(found: Tensor | None, expected: Tensor | None) -> None:
    if expected is None:
        assert found is None
        return
    assert found is not None
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-5)


def compare(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """Results and all gradients, to rounding."""
    results = []
    for layer in (ours, theirs):
        own = x.detach().clone().requires_grad_(x.requires_grad)
        result = layer(own)
        torch.autograd.backward(result, drawn(*result.shape, seed=9).to(result.dtype))
        results.append((result, own.grad, *(value.grad for value in layer.parameters())))
    for found, expected in zip(*results, strict=True):
        close(found, expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(1, 8), (2, 16), (300, 1), (7, 33), (2, 9, 24), (1, 1, 5), (2, 3, 4, 48), (130, 384)],
)
@pytest.mark.parametrize("outputs", [1, 7, 64])
def test_linear_is_torchs_to_rounding(shape: tuple[int, ...], outputs: int, bias: bool) -> None:
    compare(*twins(shape[-1], outputs, bias), drawn(*shape).requires_grad_())


def test_linear_reads_tensors_that_are_not_contiguous() -> None:
    ours, theirs = twins(12, 5)
    x = drawn(12, 30).t()
    close(ours(x), theirs(x))
    close(ours(x.expand(3, 30, 12)), theirs(x.expand(3, 30, 12)))
    x = drawn(3, 12, 4).transpose(1, 2).requires_grad_()
    ours(x).sum().backward()
    close(x.grad, theirs.weight.sum(0).expand(3, 4, 12))


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_linear_leaves_frozen_parameters_alone(frozen: str) -> None:
    pair = twins(12, 5)
    for layer in pair:
        getattr(layer, frozen).requires_grad_(False)
    compare(*pair, drawn(30, 12).requires_grad_())
    assert getattr(pair[0], frozen).grad is None


def test_linear_gives_an_input_that_asks_for_none_no_gradient() -> None:
    compare(*twins(12, 5), drawn(30, 12))


def test_linear_without_gradients() -> None:
    ours, theirs = twins(12, 5)
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            close(ours(drawn(30, 12)), theirs(drawn(30, 12)))
    assert not ours.requires_grad_(False)(drawn(30, 12)).requires_grad


def test_linear_in_double_precision_is_torchs_own() -> None:
    ours, theirs = (layer.double() for layer in twins(12, 5))
    x = drawn(30, 12).double()
    assert torch.equal(ours(x), theirs(x))
    torch.autograd.gradcheck(ours, (x[:3].requires_grad_(),))


def test_linear_under_autocast_is_torchs_own() -> None:
    ours, theirs = twins(12, 5)
    x = drawn(30, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = ours(x), theirs(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


def test_linear_of_one_vector_is_torchs_own() -> None:
    ours, theirs = twins(12, 5)
    assert torch.equal(ours(drawn(12)), theirs(drawn(12)))


@pytest.mark.parametrize("shape", [(0, 12), (2, 0, 12)])
def test_linear_of_an_empty_batch(shape: tuple[int, ...]) -> None:
    compare(*twins(12, 5), torch.zeros(shape).requires_grad_())


def test_linear_has_torchs_parameters_and_first_weights() -> None:
    layers = []
    for kind in (Linear, nn.Linear):
        torch.manual_seed(3)
        layers.append(kind(12, 5).state_dict())
    assert list(layers[0]) == list(layers[1]) == ["weight", "bias"]
    assert all(torch.equal(layers[0][name], layers[1][name]) for name in layers[1])
    assert isinstance(Linear(2, 2), nn.Linear)  # what counts and draws weights looks for it


def test_linear_gives_the_same_bytes_again() -> None:
    ours, _ = twins(48, 33)
    x = drawn(5, 77, 48)
    assert torch.equal(ours(x), ours(x.clone()))


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    ours, _ = twins(12, 5)
    x = drawn(3, 12).requires_grad_()
    (first,) = torch.autograd.grad(ours(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
