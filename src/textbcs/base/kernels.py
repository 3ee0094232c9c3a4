"""One set of kernels on every x86-64 CPU, so that another machine gives the same bytes.

numpy, OpenBLAS, torch, oneDNN and MKL each choose their code by the CPU that they meet, and another
choice sums in another order. `pin` binds them to what every x86-64 CPU with AVX2 has. They look once,
when they are loaded or first used; so `textbcs/__init__.py` calls it before anything loads numpy, and
whatever imports the package goes through it. What was tried, and where equality ends:
docs/explanation/portable_numbers.md and benchmarks/results/kernels.json.

Standard library only.
"""

import os
import platform
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

NAME = "x86-64-avx2"  # of the pin, in receipts

# What each library reads. numpy's features carry the names of numpy 2.4: an unknown name switches
# nothing off and says nothing, so a test asks every library what it runs.
KERNELS = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # Intel's and AMD's products alike; `AVX2` is ignored on AMD. Networks go around it where they can
    # (models/common/linear.py).
    "MKL_CBWR": "COMPATIBLE",
}

# Sums of floats depend on how many threads share them. `--cores` sets the number of processes.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)

# Names that other versions of the same libraries read, and that would win over the above.
OVERRIDES = ("NPY_ENABLE_CPU_FEATURES", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
             "DNNL_DEFAULT_FPMATH_MODE", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_L2_SIZE")  # fmt: skip

_LIBRARIES = ("numpy", "torch")  # of those that look when they are loaded


def has(flag: str) -> bool:
    """Whether the CPU has an instruction set, as Linux names it; True where nobody tells."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), None)
    except OSError:
        return True
    return flags is None or flag in flags.split()


def wanted(machine: str) -> dict[str, str]:
    """The variables that bind the kernels of a `machine`, as `platform.machine()` names it.

    A CPU without AVX2 gets none: OpenBLAS and torch would take a forced kernel unasked, and the process
    would die of an instruction that is not there.
    """
    bound = machine in ("x86_64", "AMD64") and has("avx2") and has("fma")
    return {**KERNELS, **THREADS} if bound else dict(THREADS)


def pin(environment: MutableMapping[str, str], loaded: Mapping[str, object], machine: str) -> str:
    """Bind the kernels of this process and of those that it starts.

    Args:
        environment: of the process; is changed.
        loaded: its modules.
        machine: as `platform.machine()` names it.

    Returns:
        Which library was loaded with other kernels before, "" if none.
    """
    values = wanted(machine)
    late = [name for name in _LIBRARIES if name in loaded]
    unbound = [name for name, value in values.items() if environment.get(name) != value]
    unbound += [name for name in OVERRIDES if name in environment]
    for name in OVERRIDES:
        environment.pop(name, None)
    environment.update(values)
    return late[0] if late and unbound else ""


_LATE = pin(os.environ, sys.modules, platform.machine())


def fault() -> str:
    """What makes this process's numbers differ from those of the pin, in words; "" if nothing does."""
    if _LATE:
        return f"{_LATE} was loaded before textbcs chose its kernels: import textbcs first"
    moved = [k for k, v in wanted(platform.machine()).items() if os.environ.get(k) != v]
    if moved:
        return f"the environment variable {moved[0]} was changed after textbcs had set it"
    return ""


def label() -> str:
    """The kernels' name for receipts: the pin, or that the machine has chosen its own."""
    machine = platform.machine()
    return NAME if wanted(machine).keys() > THREADS.keys() else f"{machine}, its own"


def device() -> str:
    """What receipts say of a stage that computed on the CPU."""
    return f"cpu {label()}"
