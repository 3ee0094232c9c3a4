r"""What `textbcs predict` costs beside the bare network, as a ratio measured in one run, and its peak memory.

A DICOM study is outlined by the command as a user types it, at the full width of the Duke preset (224
pixels) with drawn weights: what a network costs does not depend on what it learned. The bare network is asked
about as many slices in the same batches in this process, before the command and after it. Both are measured
in seconds of CPU time, whatever else the machine does. The targets are a command of at most 1.15 times the
bare network, and 3 GB; start of Python, reading and writing of DICOM are in it. A drawn network marks far
more than a trained one, which makes measuring and writing the outline dearer than in use.

    python benchmarks/use.py [--slices 160] [--matrix 448] [--jobs 2] [--method textbcs]

The prompt is given and the package has no detector, so that the network is asked once. Memory is that of all
processes, pages that they share counted once (PSS), sampled five times a second.
Writes `benchmarks/results/use.json`, with `--out` another file.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import numpy as np
import psutil
from safetensors.numpy import save

from textbcs.base import io, kernels
from textbcs.dataset.prompt_grammar import every_prompt
from textbcs.models.common import registry
from textbcs.package.package_files import json_bytes, sealed
from textbcs.package.reading import Package, read_package
from textbcs.package.writing import write_folder
from textbcs.phantom.files import files
from textbcs.phantom.patient import make_patient
from textbcs.phantom.settings import Settings
from textbcs.settings.presets import read_preset
from textbcs.volumes.predicted_patients import ask

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests/helpers/packaging"))
from packages import tiny_files  # noqa: E402

TOKENS, DIMENSION, CHANNELS = 16, 384, 3  # of the default encoder
PROMPT = "location left; shape irregular; size medium; number one"
MOST_RATIO, MOST_BYTES = 1.15, 3e9


def write_package(folder: Path, method: str, params: dict[str, Any]) -> Package:
    """A package at the preset's width; only the weights mean nothing."""
    import torch

    size = params["slices"]["size"]
    network = {"model": method, **params["methods"][method]["network"]}
    torch.manual_seed(0)
    model = registry.build(network, channels=CHANNELS, image_size=size, text_dim=DIMENSION).eval()
    state = {
        name: np.ascontiguousarray(value.numpy()) for name, value in model.state_dict().items()
    }
    settings, content = tiny_files("textbcs" if method == "textbcs" else "unet")
    texts = sorted(["", *(one.text for one in every_prompt(sided=True))])
    draw = np.random.default_rng(1)
    arrays = {
        "tokens": draw.normal(size=(len(texts), TOKENS, DIMENSION)).astype(np.float32),
        "mask": np.ones((len(texts), TOKENS), np.uint8),
    }
    lines = [f"{row},{text},{text}" for row, text in enumerate(texts)]
    content |= {
        "model.safetensors": save({name: state[name] for name in sorted(state)}),
        "prompts.csv": "\n".join(["row,text,prompt", *lines, ""]).encode(),
        "embeddings.safetensors": save(arrays),
        "detector.json": json_bytes(None),
    }
    settings |= {
        "network": network,
        "weights": sum(value.size for value in state.values()),
        "text_dimension": DIMENSION,
        "slices": settings["slices"] | {"size": size, "channels": CHANNELS},
    }
    if settings["first_pass"]:
        first = {"model": "unet", "width": 4}
        small = registry.build(first, channels=CHANNELS, image_size=size, text_dim=DIMENSION).eval()
        weights = {
            name: np.ascontiguousarray(value.numpy()) for name, value in small.state_dict().items()
        }
        content["first_pass.safetensors"] = save({name: weights[name] for name in sorted(weights)})
        count = sum(value.size for value in weights.values())
        settings["first_pass"] |= {"network": first, "weights": count}
    write_folder(folder, sealed(settings, content))
    return read_package(folder)


def write_study(folder: Path, slices: int, matrix: int) -> Path:
    """A phantom patient of this size as DICOM."""
    params = read_preset("phantom", ROOT / "presets")["phantom"]
    settings = Settings.of(params | {"slices": slices, "matrix": matrix, "post_phases": 1})
    patient = make_patient(settings, 1)
    for entry in files(settings, patient):
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content)
    return folder


def bare_seconds(package: Package, slices: int) -> float:
    """CPU seconds of the network alone for so many slices, after a first batch of its own."""
    model, table = package.network()
    size = int(package.slices["size"])
    image = np.random.default_rng(0).random((slices, size, size)).astype(np.float16)
    text = PROMPT if package.reads_text else ""
    ask(model, table, image[:1], {"asked": [text]}, package.channels)
    start = time.process_time()
    ask(model, table, image, {"asked": [text] * slices}, package.channels)
    return time.process_time() - start


def command_cost(
    study: Path, package: Path, out: Path, jobs: int, reads_text: bool
) -> dict[str, float]:
    """CPU seconds, seconds by the clock and peak memory of `textbcs predict`."""
    words = ["predict", str(study), "--model", str(package), "--out", str(out), "--jobs", str(jobs)]
    words += ["--prompt", PROMPT] if reads_text else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "textbcs.cli", *words])
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watcher.start()
    code = process.wait()
    clock = time.perf_counter() - start
    watcher.join()
    if code:
        raise SystemExit(f"textbcs predict ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu, "clock_s": clock, "peak_bytes": float(peak[0])}


def watch(process: "subprocess.Popen[bytes]", peak: list[int]) -> None:
    """The most memory that a process and those that it started have at a time."""
    while process.poll() is None:
        total = 0
        try:
            first = psutil.Process(process.pid)
            for one in (first, *first.children(recursive=True)):
                total += one.memory_full_info().pss
        except psutil.Error:
            pass
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    import torch

    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "kernels": kernels.label(),
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, value in (("slices", 160), ("matrix", 448), ("jobs", 2)):
        parser.add_argument(f"--{option}", type=int, default=value)
    parser.add_argument("--method", default="textbcs", choices=["textbcs", "unet"])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/use.json")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    params = read_preset("duke", ROOT / "presets")
    state = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = write_package(folder / "package", args.method, params)
        study = write_study(folder / "study", args.slices, args.matrix)
        first = bare_seconds(package, args.slices)
        cost = command_cost(
            study, folder / "package", folder / "out", args.jobs, package.reads_text
        )
        bare = (first + bare_seconds(package, args.slices)) / 2
        written = sum(path.stat().st_size for path in (folder / "out").iterdir())
    report = {
        "setting": {name: value for name, value in vars(args).items() if name != "out"},
        "machine": state,
        "bare_cpu_s": bare,
        **cost,
        "ratio": cost["cpu_s"] / bare,
        "written_bytes": written,
        "most": {"ratio": MOST_RATIO, "bytes": MOST_BYTES},
    }
    io.write_json(args.out, report)
    print(
        f"predict {cost['cpu_s']:.1f} s, bare network {bare:.1f} s: {report['ratio']:.3f}; peak "
        f"{cost['peak_bytes'] / 1e9:.2f} GB, {cost['clock_s']:.1f} s by the clock"
    )


if __name__ == "__main__":
    main()
