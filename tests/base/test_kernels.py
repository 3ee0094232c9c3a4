"""The pin of the kernels: every library is asked what it runs.

Equality on other CPUs is measured by benchmarks/kernels.py, which emulates them.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from textbcs.base import kernels

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
from textbcs.models.common.linear import Linear

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
