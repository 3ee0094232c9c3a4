r"""The same bytes on other CPUs: what the pin of `textbcs.base.kernels` reaches, operator by operator.

One program runs natively and under CPUs that `qemu-x86_64` (Debian package qemu-user) emulates: Intel's,
AMD's and Hygon's, with other caches and other instructions. It hashes the bytes of every operator that
the project uses, forward and gradients; of the project's own functions (the phantom, resizing, prompts,
text, tests, calibration); and of each method's network of the default preset, at 96 px, after a training
step. The inputs come from whole numbers, so that no operator's difference enters another's. Then
everything once more without the pin, natively and on one emulated CPU: what does not differ there proves
nothing above.

    python benchmarks/kernels.py [--cpus Haswell EPYC-Rome] [--methods unet textbcs] [--quick]

Lines marked as exceptions are expected to differ: those functions of vectors of MKL's that start from the
CPU's own approximation of 1 / x or 1 / sqrt(x), which nothing pins and which the project must not use
(tests/base/test_approximations.py). qemu has no AVX-512, so a machine that has it is the one CPU with it
here. An emulated CPU takes about 4 minutes with all methods at a batch of 2, one without (`--methods` and
no name), half a minute with `--quick` (oneDNN's and MKL's products alone, and nothing is written). All
operators come first; `benchmarks/results/kernels.json` is written after every CPU, and `--resume` goes on
with an interrupted run, with the sources that it began with.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kernel_arrays import arrays, science
from kernel_functions import functions
from kernel_inputs import Line, Parts
from kernel_operators import exceptions, layers
from kernel_products import products
from kernel_trainings import trainings
from pipeline import processor

from textbcs.base import io, kernels
from textbcs.settings.presets import read_preset

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/kernels.json"
EMULATOR, PACKAGE = "qemu-x86_64", "qemu-user"
KEPT = Path(tempfile.gettempdir()) / "textbcs-kernels"
HERE = "this machine"
CPUS = ("Haswell", "Cascadelake-Server", "EPYC-Rome", "Dhyana")  # emulated
QUICK = ("Haswell", "EPYC-Rome")
CONTROL = "Haswell"  # emulated without the pin
# Takes the pin away before anything loads numpy, then runs the program.
UNPINNED = """
import os, runpy, sys
from textbcs.base import kernels
for name in kernels.KERNELS:
    del os.environ[name]
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# sysconf's numbers of the sizes of levels 1, 2 and 3, which Python does not name
CACHES = (188, 191, 194)
EXCEPTIONS = "exceptions"  # the group of lines that are expected to differ


GROUPS: dict[str, Callable[[], Iterator[Line]]] = {
    "products": products,
    "layers": layers,
    EXCEPTIONS: exceptions,
    "numpy": arrays,
    "scipy and scikit-image": science,
    "the project's functions": functions,
}


# The program: one CPU.


def program(options: argparse.Namespace) -> None:
    """Compute everything and print a row each: group, line, part and the sha256 of the bytes."""
    if options.program == "pinned" and kernels.fault():
        sys.exit(kernels.fault())
    import numpy as np
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    targets = np.lib.introspect.opt_func_info()
    facts = {
        "caches": [os.sysconf(number) for number in CACHES],
        "avx512": torch.cpu._is_avx512_supported(),
        "numpy": sorted({t["current"] for kinds in targets.values() for t in kinds.values()}),
        "torch": torch.backends.cpu.get_cpu_capability(),
    }
    print("facts", json.dumps(facts), flush=True)
    for group in options.groups:
        for name, compute in GROUPS[group]():
            report(group, name, compute)
    params = read_preset("phantom", ROOT / "presets")
    for name, compute in trainings(options.methods or [], params, options.batch):
        report("networks", name, compute)


def report(group: str, name: str, compute: Callable[[], Parts]) -> None:
    """Print the rows of a line."""
    for part, value in compute().items():
        row = {"group": group, "line": name, "part": part, "sha256": digest(value)}
        print("row", json.dumps(row), flush=True)


def digest(value: Any) -> str:
    """Of the bytes of a tensor, an array, a number, or several of them, and their shapes."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().contiguous().numpy()
    if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor) for one in value):
        return hashlib.sha256("".join(map(digest, value)).encode()).hexdigest()
    array = np.ascontiguousarray(value)
    assert array.dtype != object, "no numbers"
    head = f"{array.dtype} {array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


# The comparison.


def run_on(cpu: str, pinned: bool, part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a part of the program, "operators" or "networks", on one CPU, unless that was done.

    Returns:
        `cpu`, `pinned`, `part`, `facts`, `cpu_seconds` and `rows`: sha256 by group, line and part.
    """
    label = f"{cpu}{'' if pinned else ', not pinned'}"
    kept = options.folder / f"{part}, {label}.json"
    if kept.is_file():
        print(f"{label}: {part} are here already", flush=True)
        found: dict[str, Any] = io.read_json(kept)
        return found
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts, rows = followed(command_on(cpu, pinned, part, options), options.folder, label)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{label}: {len(rows)} rows of {part} in {seconds} CPU seconds", flush=True)
    found = {"cpu": cpu, "pinned": pinned, "part": part, "facts": facts, "cpu_seconds": seconds}
    found["rows"] = rows
    io.write_json(kept, found)
    return found


def command_on(cpu: str, pinned: bool, part: str, options: argparse.Namespace) -> list[str]:
    """The command that runs a part of the program on one CPU, with the pin or without."""
    command = [sys.executable, *([] if pinned else ["-c", UNPINNED])]
    command += [str(options.folder / "source/benchmarks/kernels.py"), "--batch", str(options.batch)]
    command += ["--program", "pinned" if pinned else "unpinned"]
    command += ["--methods", *(options.methods if part == "networks" else [])]
    command += ["--groups", *(options.groups if part == "operators" else [])]
    return command if cpu == HERE else [EMULATOR, "-cpu", cpu, *command]


def followed(
    command: list[str], folder: Path, label: str
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Run the program with the sources of a folder and say how far it is; its facts and rows."""
    own = {k: v for k, v in os.environ.items() if k not in kernels.KERNELS}
    own["PYTHONPATH"] = str(folder / "source/src")
    facts: dict[str, Any] = {}
    rows: list[dict[str, str]] = []
    said = []
    with subprocess.Popen(
        command, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            kind, _, value = text.partition(" ")
            if kind == "facts":
                facts = json.loads(value)
            elif kind == "row":
                rows.append(json.loads(value))
                if (
                    len(rows) == 1
                    or rows[-1]["group"] != rows[-2]["group"]
                    or rows[-1]["part"] == "loss"
                ):
                    print(f"  {label}: {rows[-1]['group']}, {rows[-1]['line']}", flush=True)
            else:
                said.append(text)
    if process.returncode:
        sys.exit(f"{label}: ended with {process.returncode}\n{''.join(said[-12:])}")
    return facts, rows


def frozen(folder: Path) -> None:
    """A copy of the sources: others may change them while this runs."""
    for name in ("src", "presets", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__", "results", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)


def compared(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row each: its bytes on this machine, and where they are others, with the pin and without."""
    bytes_of: dict[tuple[str, ...], dict[tuple[str, bool], str]] = {}
    for run in runs:
        for row in run["rows"]:
            key = (row["group"], row["line"], row["part"])
            bytes_of.setdefault(key, {})[run["cpu"], run["pinned"]] = row["sha256"]
    rows = []
    for (group, line, part), found in bytes_of.items():
        own = found[HERE, True]
        bare = [value for (_, pinned), value in found.items() if not pinned]
        rows.append(
            {
                "group": group,
                "line": line,
                "part": part,
                "sha256": own,
                "cpus": sum(pinned for _, pinned in found),
                "differs_on": [cpu for (cpu, pin), v in found.items() if pin and v != own],
                "unpinned_equal": len(set(bare)) == 1 if len(bare) > 1 else None,
            }
        )
    return rows


def summary(rows: Sequence[Mapping[str, Any]], cpus: int) -> dict[str, Any]:
    """How many are equal on so many CPUs, the exceptions apart; of an unfinished run fewer are known."""
    own = [row for row in rows if row["group"] != EXCEPTIONS]
    others = [row for row in rows if row["group"] == EXCEPTIONS]
    return {
        "rows": len(own),
        "lines": len({(row["group"], row["line"]) for row in own}),
        "cpus": cpus,
        "rows_on_all_cpus": sum(row["cpus"] == cpus for row in own),
        "equal_on_all_cpus": sum(row["cpus"] == cpus and not row["differs_on"] for row in own),
        "differ": sorted({f"{row['group']}: {row['line']}" for row in own if row["differs_on"]}),
        "rows_run_without_the_pin": sum(row["unpinned_equal"] is not None for row in own),
        "equal_without_the_pin": sum(row["unpinned_equal"] is True for row in own),
        "exceptions": len(others),
        "exceptions_that_differ": sum(bool(row["differs_on"]) for row in others),
    }


def main() -> None:
    """Run everywhere, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cpus", nargs="+", help=f"emulated ones; default: {' '.join(CPUS)}")
    parser.add_argument("--methods", nargs="*", help="networks; default: Table 1 and two variants")
    parser.add_argument("--batch", type=int, default=2, help="slices of a training step")
    parser.add_argument("--groups", nargs="*", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--quick", action="store_true", help="products alone; writes nothing")
    parser.add_argument("--folder", type=Path, default=KEPT, help="of what is done already")
    parser.add_argument("--resume", action="store_true", help="go on with what lies there")
    parser.add_argument("--program", choices=["pinned", "unpinned"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        program(options)
        return
    if shutil.which(EMULATOR) is None:
        sys.exit(
            f"{EMULATOR} is missing: install Debian's package {PACKAGE} (apt install {PACKAGE})"
        )
    if options.quick:
        options.groups, options.methods = ["products"], options.methods or []
        options.folder /= "quick"
    if options.methods is None:
        params = read_preset("phantom", ROOT / "presets")
        options.methods = [*params["tables"]["table1"], "dropout_unet", "textbcs_plus"]
    cpus = options.cpus or (QUICK if options.quick else CPUS)
    places = [(HERE, True), *((cpu, True) for cpu in cpus), (HERE, False), (CONTROL, False)]
    if not options.resume:
        shutil.rmtree(options.folder, ignore_errors=True)
        frozen(options.folder / "source")
    runs = []
    for part in ("operators", "networks") if options.methods else ("operators",):
        for cpu, pinned in places:
            runs.append(run_on(cpu, pinned, part, options))
            if not options.quick:
                write(runs, len(cpus) + 1, options.batch)
    rows = compared(runs)
    for row in rows:
        if row["differs_on"] and row["group"] != EXCEPTIONS:
            print(f"DIFFERS: {row['group']}, {row['line']}, {row['part']}: {row['differs_on']}")
    print(json.dumps(summary(rows, len(cpus) + 1)))


def write(runs: Sequence[Mapping[str, Any]], cpus: int, batch: int) -> None:
    """What is known so far, and where it was found."""
    emulator = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True)
    libraries = ("torch", "numpy", "scipy", "scikit-image", "transformers")
    machine = {
        "cpu": processor(),
        "kernels": kernels.label(),
        "emulator": emulator.stdout.splitlines()[0],
        "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
        "batch": batch,
        **{name: version(name) for name in libraries},
    }
    ran = [{k: v for k, v in run.items() if k != "rows"} for run in runs]
    rows = compared(runs)
    report = {"machine": machine, "summary": summary(rows, cpus), "runs": ran, "rows": rows}
    io.write_json(RESULT, report)


if __name__ == "__main__":
    main()
