"""Whether this project works on this machine's GPU, and how fast: `make gpu-check`, at most eight minutes.

In this order; what the time does not reach is named:

- contract: the tests that every network has to pass, with the networks on the GPU;
- loop: the training loop against the bare step (training.py) for UNet and TextBCS at full width and 224 px,
  with batches of 4, 16 and 64, in float32 and bfloat16, and the most memory that each took;
- repeated: two runs of the same training: the same bytes, or how far apart;
- methods: images a second of every method, and the GPU-hours of presets/duke.yaml that follow (gpu_hours.py);
- compiled: one training step of every network under torch.compile, with a batch of 16.

    python benchmarks/gpu_check.py [--minutes 8] [--slices TRAIN VAL TEST VOLUMES]

Prints, and writes `benchmarks/results/gpu.json`. Whether float32 products use TF32 stands in it.
"""

import argparse
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import torch
from gpu_hours import Slices, gpu_hours, on_device, slices_option
from training import BAR, bare_epoch, machine, measure, run_of, timed

from textbcs.base import io
from textbcs.models.common.device import open_device
from textbcs.settings.presets import read_preset

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/gpu.json"
COMPARED = ("unet", "textbcs")
BATCHES = (4, 16, 64)
CONTRACT = "tests/models/common/test_contract.py"
Row = dict[str, Any]


def parts(sizes: Namespace, minutes: float) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Every piece of the check with its name, in order.

    Args:
        sizes: `preset`, `device`, `size`, `batches`, `steps`, `rounds`.
        minutes: most that the contract's tests may take.
    """
    params = read_preset(sizes.preset, ROOT / "presets")
    methods = params["tables"]["table1"]
    yield "contract", lambda: contract(sizes.device, minutes)
    for batch in sizes.batches:
        for name in COMPARED:
            for precision in ("float32", "bfloat16"):
                own = settings_of(sizes, batch=batch)
                yield (
                    f"loop {name} {precision} {batch}",
                    lambda name=name, precision=precision, own=own: loop(name, precision, own),
                )
    for name in COMPARED:
        yield f"repeated {name}", lambda name=name: repeated(name, params, settings_of(sizes))
    for name in methods:
        batch = int(params["methods"][name]["grid"][0][1])
        own = settings_of(sizes, batch=min(batch, max(sizes.batches)), rounds=1)
        yield (
            f"methods {name}",
            lambda name=name, own=own: loop(name, params["training"]["precision"], own),
        )
    for name in methods:
        own = settings_of(sizes, compile=True, steps=1)
        yield f"compiled {name}", lambda name=name, own=own: compiled(name, params, own)


def settings_of(sizes: Namespace, **changes: Any) -> Namespace:
    """What training.py asks for, with a batch of 16."""
    middle = sizes.batches[len(sizes.batches) // 2]
    return Namespace(**{**vars(sizes), "batch": middle, "compile": False, **changes})


def contract(device: str, minutes: float) -> Row:
    """The tests of the networks' contract, with the networks on the device."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", CONTRACT]
    tests = ROOT / CONTRACT
    if not tests.is_file():
        return {"skipped": f"no {CONTRACT} in this folder"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "TEXTBCS_TEST_DEVICE": device},
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * minutes,
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return {"passed": done.returncode == 0, "line": lines[-1] if lines else done.stderr[-300:]}


def loop(name: str, precision: str, own: Namespace) -> Row:
    """The loop against the bare step, and the most memory that they took."""
    if own.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    row = measure(name, precision, own)
    row.pop("ratios")
    return {**row, "batch": own.batch, "peak_memory_mb": peak_memory_mb(own.device)}


def peak_memory_mb(device: str) -> int | None:
    """The most memory that tensors took on the GPU since the last reset."""
    return torch.cuda.max_memory_allocated() // 2**20 if device == "cuda" else None


def training_of(name: str, params: Row, own: Namespace) -> Any:
    """A training from the seed that is always the same."""
    torch.manual_seed(1)
    method = params["methods"][name]
    chosen = {"learning_rate": 1e-3, "batch_size": own.batch, "compile": own.compile}
    run = run_of(method, own, {**params["training"], **method["training"], **chosen})
    run.epoch = 1
    return run


def repeated(name: str, params: Row, own: Namespace) -> Row:
    """Two runs of the same training: whether the weights have the same bytes, else how far apart."""
    ends = []
    for _ in range(2):
        run = training_of(name, params, own)
        run.learn(BAR)
        ends.append(run.model.state_dict())
    apart = {
        key: float((ends[0][key].double() - ends[1][key].double()).abs().max()) for key in ends[0]
    }
    worst = max(apart, key=lambda key: apart[key])
    return {"same_bytes": not any(apart.values()), "largest_difference": apart[worst], "of": worst}


def compiled(name: str, params: Row, own: Namespace) -> Row:
    """One step of a compiled network: seconds to compile, and images a second afterwards."""
    run = training_of(name, params, own)
    epoch = bare_epoch(run)
    first = timed(epoch, own.device)
    return {"first_step_s": first, "images_per_s": own.batch * own.steps / timed(epoch, own.device)}


def check(pieces: Iterator[tuple[str, Callable[[], Row]]], minutes: float) -> dict[str, Row]:
    """What every piece found; one that fails is told, one that begins too late is named."""
    end = time.monotonic() + 60 * minutes
    found: dict[str, Row] = {}
    for name, piece in pieces:
        start = time.monotonic()
        # A compilation cannot be ended in the middle: none begins in the last tenth.
        if start > end - 6 * minutes:
            found[name] = {"skipped": "the time was over"}
            continue
        try:
            found[name] = piece()
        except Exception as error:
            found[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
        found[name]["seconds"] = round(time.monotonic() - start, 2)
        print(f"{name}: {found[name]}", flush=True)
    return found


def projected(found: dict[str, Row], preset: str, slices: Slices) -> Row | None:
    """GPU-hours of the preset, where at least one method's speed is known."""
    rates = {
        name.removeprefix("methods "): row["loop_images_per_s"]
        for name, row in found.items()
        if name.startswith("methods ") and "loop_images_per_s" in row
    }
    if not rates:
        return None
    params = read_preset(preset, ROOT / "presets")
    hours = gpu_hours(on_device(params), params, slices, rates)
    return {**hours, "methods_measured": len(rates)}


def main() -> None:
    """Check, print, write; without a GPU one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    slices_option(parser)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("error: no CUDA device here: torch sees none; run it on a machine with a GPU")
    os.chdir(ROOT)
    open_device(SimpleNamespace(), "cuda")
    params = read_preset("duke", ROOT / "presets")
    sizes = Namespace(
        preset="duke",
        device="cuda",
        size=params["slices"]["size"],
        batches=BATCHES,
        steps=8,
        rounds=3,
    )
    found = check(parts(sizes, options.minutes / 4), options.minutes)
    tf32 = {
        "products": torch.backends.cuda.matmul.allow_tf32,
        "convolutions": torch.backends.cudnn.allow_tf32,
    }
    hours = projected(found, "duke", Slices(*options.slices))
    report = {"machine": machine("cuda"), "tf32": tf32, "parts": found, "duke_gpu_hours": hours}
    io.write_json(RESULT, report)
    print(f"TF32: {tf32}; GPU-hours of presets/duke.yaml: {hours and hours['total']}")
    failed = [name for name, row in found.items() if "failed" in row or row.get("passed") is False]
    sys.exit(f"error: failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
