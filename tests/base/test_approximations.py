"""No tensor that is hashed goes through a function that MKL approximates by the CPU's own instructions."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

# Functions that MKL starts from the CPU's own approximation of 1 / x or 1 / sqrt(x): no pin makes them equal
# (exceptions of benchmarks/results/kernels.json). In float32 exp, log, log1p, sin, cos, erf, tanh are equal.

_NAMES = ["sqrt", "atan", "arctan", "atan2", "arctan2", "acos", "arccos", "asin", "arcsin", "tan"]
_NAMES += ["log2", "log10"]
APPROXIMATED = {*_NAMES, *(f"{n}_" for n in _NAMES), *(f"_foreach_{n}" for n in _NAMES)}
ELSEWHERE = {
    "math",
    "np",
    "numpy",
    "cmath",
    "special",
}  # modules whose functions of these names are fine


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of what a module that imports torch must not do with a tensor."""
    tree = ast.parse(source)
    if not any(_imports_torch(node) for node in ast.walk(tree)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and _has_doubles(node):
            # Equal for every float32, but not in double precision.
            yield from ((call.lineno, "log of doubles") for call in ast.walk(node) if _is_log(call))
        if isinstance(node, ast.Attribute) and node.attr in APPROXIMATED:
            if not (isinstance(node.value, ast.Name) and node.value.id in ELSEWHERE):
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            yield from ((node.lineno, a.name) for a in node.names if a.name in APPROXIMATED)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            if _is_half(node.right) and not _is_size(node.left):
                yield node.lineno, "** 0.5"
        elif isinstance(node, ast.Call):
            if _name(node.func) == "pow" and any(_is_half(value) for value in node.args):
                yield node.lineno, "pow(0.5)"
            if _makes_optimizer(node):
                yield node.lineno, "an optimiser that is not fused"


def _imports_torch(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch"


def _has_doubles(node: ast.AST) -> bool:
    return any(
        isinstance(n, ast.Attribute) and n.attr in ("float64", "double") for n in ast.walk(node)
    )


def _is_log(node: ast.AST) -> TypeGuard[ast.Call]:
    """`torch.log(x)` or `x.log()`; `stage.log(text)` is none."""
    if not (isinstance(node, ast.Call) and _name(node.func) == "log"):
        return False
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    return (_name(owner) == "torch") if node.args else (_name(owner) not in ELSEWHERE)


def _is_half(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0.5


def _is_size(node: ast.AST) -> bool:
    """`shape[1]` and `x.shape[1]` are whole numbers."""
    return isinstance(node, ast.Subscript) and _name(node.value) == "shape"


def _makes_optimizer(node: ast.Call) -> bool:
    """Only optimisers have an argument `lr`."""
    values = {keyword.arg: keyword.value for keyword in node.keywords}
    fused = values.get("fused")
    return "lr" in values and not (isinstance(fused, ast.Constant) and fused.value is True)


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize(
    "code",
    [
        "x = torch.sqrt(y)",
        "x = y.sqrt()",
        "x = (a + b).sqrt_()",
        "x = torch.atan2(a, b)",
        "x = y.acos()",
        "x = (y + 1) ** 0.5",
        "x = torch.pow(y, 0.5)",
        "x = y.pow(0.5)",
        "from torch import sqrt",
        "f = torch.tan",
        "o = torch.optim.AdamW(p, lr=0.1)",
        "o = family(p, lr=0.1, fused=False)",
        "torch._foreach_sqrt(x)",
        "x = y.log10()",
        "def f(): return torch.log(y.double())",
        "def f(): return y.to(torch.float64).log()",
    ],
)
def test_the_scan_sees(code: str) -> None:
    assert [line for line, _ in faults(f"import torch\n{code}\n")] == [2]


@pytest.mark.parametrize(
    "code",
    [
        "x = math.sqrt(2) + np.sqrt(y)",
        "x = y.rsqrt() + torch.rsqrt(y)",
        "x = y.shape[1] ** 0.5",
        "x = y ** 2 + width ** -0.5",
        "o = optim.AdamW(p, lr=0.1, fused=True)",
        "x = torch.atanh(y)",
        "x = torch.log(y) + math.log2(3)",
        "def f(): stage.log(f'{y.double()}')",
        "def f(): return np.log(y.double())",
    ],
)
def test_the_scan_passes(code: str) -> None:
    assert not list(faults(f"import torch\n{code}\n"))
    assert not list(faults("import numpy as np\nx = values ** 0.5\n"))


def test_no_tensor_goes_through_mkls_approximations() -> None:
    found = [
        f"{path}:{line}: {what}"
        for path in sorted(Path("src/textbcs").rglob("*.py"))
        for line, what in faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)
