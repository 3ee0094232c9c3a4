"""The pin of the kernels: every library is asked what it runs; the layer that goes around MKL; what may not.

Equality on other CPUs is measured by benchmarks/kernels.py, which emulates them.
"""

import ast
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import torch
from torch import Tensor, nn

from textbcs import kernels
from textbcs.models.blocks.linear import Linear

PINNED = kernels.label() == kernels.NAME
needs_avx2 = pytest.mark.skipif(not PINNED, reason="the pin binds x86-64 CPUs that have AVX2")

# What a user may have set for another program.
OTHER = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "ATEN_CPU_CAPABILITY": "avx512",
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
    "MKL_CBWR": "AVX2",
    "OMP_NUM_THREADS": "4",
    "MKL_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "2",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "AVX512",
}

ASK = """
import textbcs
import ctypes, json
from pathlib import Path
import numpy, scipy.linalg, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from textbcs import kernels
from textbcs.models.blocks.linear import Linear

cores, threads = [], [torch.get_num_threads()]
maps = Path("/proc/self/maps").read_text().splitlines()
for path in sorted({line.split()[-1] for line in maps if "openblas" in line}):
    library = ctypes.CDLL(path)
    end = "64_" if "openblas64_" in path else ""
    core = getattr(library, "scipy_openblas_get_corename" + end)
    core.restype = ctypes.c_char_p
    cores.append([path.split("/")[-2], core().decode()])
    threads.append(getattr(library, "scipy_openblas_get_num_threads" + end)())

layer, x = Linear(40, 5), torch.ones(6, 40, requires_grad=True)
layer(x).sum().backward()
torch.nn.Conv2d(8, 8, 3)(torch.ones(2, 8, 20, 20))
torch.ones(30, 40) @ torch.ones(40, 20)
targets = numpy.lib.introspect.opt_func_info()
facts = {
    "dispatched": __cpu_dispatch__,
    "features": [name for name, on in __cpu_features__.items() if on],
    "targets": sorted({t["current"] for kinds in targets.values() for t in kinds.values()}),
    "cores": cores,
    "threads": threads,
    "torch": torch.backends.cpu.get_cpu_capability(),
    "fault": kernels.fault(),
}
print("FACTS " + json.dumps(facts), flush=True)
"""


@dataclass(frozen=True)
class Answers:
    """What the libraries say of themselves, and what oneDNN and MKL print as they compute."""

    facts: dict[str, Any]
    lines: list[str]

    def printed(self, start: str) -> list[str]:
        return [line for line in self.lines if line.startswith(start)]


def run(code: str, **changes: str) -> str:
    """The output of a Python that has none of the pin's variables, but `changes`."""
    names = {*kernels.KERNELS, *kernels.THREADS, *kernels.OVERRIDES}
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment |= {"PYTHONPATH": str(Path("src").resolve()), **changes}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["nothing set", "other values"])
def answers(request: pytest.FixtureRequest) -> Answers:
    before = {} if request.param == "nothing set" else OTHER
    # The verbose switches of oneDNN and MKL; their lines come in an order of their own.
    lines = run(ASK, ONEDNN_VERBOSE="1", MKL_VERBOSE="1", **before).splitlines()
    facts = next(line for line in lines if line.startswith("FACTS "))
    return Answers(json.loads(facts.removeprefix("FACTS ")), lines)


@needs_avx2
def test_numpy_runs_nothing_that_avx2_has_not(answers: Answers) -> None:
    assert "X86_V3" in answers.facts["targets"]
    allowed = {"X86_V3", "baseline(X86_V2)", "X86_V2"}
    assert set(answers.facts["targets"]) <= allowed
    above = set(kernels.KERNELS["NPY_DISABLE_CPU_FEATURES"].split())
    assert not above & set(answers.facts["features"])
    assert "X86_V3" in answers.facts["features"], "a user's value has switched AVX2 off"


@needs_avx2
def test_every_name_that_numpy_is_given_is_one_that_it_knows(answers: Answers) -> None:
    """numpy says nothing of an unknown name. This holds on CPUs without AVX-512 too."""
    above = [name for name in answers.facts["dispatched"] if name != "X86_V3"]
    assert kernels.KERNELS["NPY_DISABLE_CPU_FEATURES"].split() == above


@pytest.mark.skipif(not kernels.has("avx512bw"), reason="this CPU has no AVX-512 to switch off")
@pytest.mark.skipif(not kernels.has("avx512vl"), reason="this CPU has no AVX-512 to switch off")
def test_without_the_pin_numpy_takes_more() -> None:
    code = "import numpy; print(numpy.lib.introspect.opt_func_info())"
    assert "'current': 'X86_V4'" in run(code) or "'current': 'AVX512" in run(code)
    old = run(code, NPY_DISABLE_CPU_FEATURES="AVX512F AVX512CD AVX512_SKX")
    assert "'current': 'X86_V4'" in old or "'current': 'AVX512" in old, "the old names do something"


@needs_avx2
def test_openblas_runs_haswells_kernels_in_numpy_and_scipy(answers: Answers) -> None:
    cores = dict(answers.facts["cores"])
    assert {name.split(".")[0] for name in cores} == {"numpy", "scipy"}
    assert set(cores.values()) == {"Haswell"}


@needs_avx2
def test_torchs_own_kernels_are_those_of_avx2(answers: Answers) -> None:
    assert answers.facts["torch"] == "AVX2"


@needs_avx2
def test_onednn_compiles_for_avx2(answers: Answers) -> None:
    (isa,) = answers.printed("onednn_verbose,v1,info,cpu,isa:")
    assert isa.endswith("AVX2")
    computed = answers.printed("onednn_verbose,v1,primitive,exec,cpu,")
    kinds = {line.split(",")[5]: line.split(",")[6] for line in computed}
    assert {"inner_product", "convolution"} <= set(kinds)
    assert "avx512" not in " ".join(computed)


@needs_avx2
def test_mkl_multiplies_as_on_every_cpu(answers: Answers) -> None:
    calls = answers.printed("MKL_VERBOSE SGEMM")
    assert calls
    assert all("CNR:COMPATIBLE" in line for line in calls)


@needs_avx2
def test_a_linear_layer_goes_around_mkl(answers: Answers) -> None:
    computed = answers.printed("onednn_verbose,v1,primitive,exec,cpu,inner_product")
    assert len(computed) == 3  # forward and the gradients of input and weights
    assert len(answers.printed("MKL_VERBOSE SGEMM")) == 1  # the plain product


def test_one_thread_computes(answers: Answers) -> None:
    assert set(answers.facts["threads"]) == {1}
    assert all("NThr:1" in line for line in answers.printed("MKL_VERBOSE SGEMM"))
    for line in answers.printed("onednn_verbose,v1,info,cpu,runtime"):
        assert line.endswith("nthr:1")


def test_nothing_is_wrong_where_textbcs_comes_first(answers: Answers) -> None:
    assert answers.facts["fault"] == ""


def test_these_tests_are_pinned_too() -> None:
    assert kernels.fault() == ""


FAULT = "from textbcs import kernels; print(kernels.fault())"


@pytest.mark.parametrize("library", ["numpy", "scipy.stats"])
def test_a_library_that_came_first_with_other_kernels_is_a_fault(library: str) -> None:
    found = run(f"import {library}; {FAULT}")
    assert found == "numpy was loaded before textbcs chose its kernels: import textbcs first\n"
    nearly = kernels.wanted(platform.machine()) | {"OMP_NUM_THREADS": "2"}
    assert run(f"import {library}; {FAULT}", **nearly) == found


def test_a_library_that_came_first_with_the_same_kernels_is_none() -> None:
    assert run(f"import numpy; {FAULT}", **kernels.wanted(platform.machine())) == "\n"


def test_a_variable_that_moved_is_a_fault() -> None:
    code = f"import os, textbcs; os.environ['OMP_NUM_THREADS'] = '8'; {FAULT}"
    assert (
        run(code)
        == "the environment variable OMP_NUM_THREADS was changed after textbcs had set it\n"
    )


def test_importing_the_package_alone_loads_no_library() -> None:
    code = "import sys, textbcs; print({'numpy', 'torch', 'scipy'} & set(sys.modules))"
    assert run(code) == "set()\n"


# `pin` with dictionaries.


def test_pin_sets_everything_and_keeps_the_rest() -> None:
    environment = {"HOME": "/root", "MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "4"}
    assert kernels.pin(environment, {}, "x86_64") == ""
    assert environment == {"HOME": "/root", **kernels.KERNELS, **kernels.THREADS}
    assert set(kernels.THREADS.values()) == {"1"}


def test_pin_takes_away_what_would_win_over_it() -> None:
    environment = dict.fromkeys(kernels.OVERRIDES, "anything")
    kernels.pin(environment, {}, "x86_64")
    assert not set(environment) & set(kernels.OVERRIDES)


@pytest.mark.parametrize("loaded", [["numpy"], ["torch"], ["numpy", "torch"]])
def test_pin_names_the_library_that_was_too_early(loaded: list[str]) -> None:
    modules = dict.fromkeys([*loaded, "os"])
    assert kernels.pin({}, modules, "x86_64") == loaded[0]
    assert kernels.pin(dict(kernels.wanted("x86_64")), modules, "x86_64") == ""
    disturbed = {**kernels.wanted("x86_64"), kernels.OVERRIDES[0]: "X86_V4"}
    assert kernels.pin(disturbed, modules, "x86_64") == loaded[0]


def test_pin_twice_is_pin_once() -> None:
    environment: dict[str, str] = {}
    kernels.pin(environment, {}, "x86_64")
    once = dict(environment)
    assert kernels.pin(environment, {"numpy": None, "torch": None}, "x86_64") == ""
    assert environment == once


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "ppc64le"])
def test_elsewhere_only_the_threads_are_bound(machine: str) -> None:
    assert kernels.wanted(machine) == kernels.THREADS
    environment = {"OPENBLAS_CORETYPE": "NEOVERSEN1"}
    assert kernels.pin(environment, {}, machine) == ""
    assert environment == {"OPENBLAS_CORETYPE": "NEOVERSEN1", **kernels.THREADS}


def test_a_cpu_without_avx2_is_given_no_instructions_that_it_has_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenBLAS and torch take a forced kernel unasked; the process then dies of an illegal instruction."""
    monkeypatch.setattr(kernels, "has", lambda flag: False)
    assert kernels.wanted("x86_64") == kernels.THREADS


def test_windows_name_of_the_machine_is_the_same_machine() -> None:
    assert kernels.wanted("AMD64") == kernels.wanted("x86_64")


# The linear layer.


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
