r"""What the training loop costs beside the network itself, as a ratio measured in one run.

The loop gathers, augments, schedules and records; the bare step is forward, backward and update
on a fixed batch that lies on the device. Both run in turn, on the same network, so that other work
on the machine hits both alike; the target is a loop of at least 0.95 times the bare step's images a
second. On the CPU process time is measured (one thread), on a GPU wall time.

    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=67108864 \
        python benchmarks/training.py [--preset phantom] [--methods unet textbcs] [--device cpu]

The variables are those of `workflow/stage`; without them the loop's share of page faults is measured too.
Every method of the preset is measured as the preset trains it.
With `--device cuda --preset duke --compile` these are the images a second at 224 px of which the
hours of the whole preset follow. Writes `benchmarks/results/training.json` (`training_cuda.json`).
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import torch

from textbcs.base import io, kernels
from textbcs.models.common import registry
from textbcs.models.common.device import open_device
from textbcs.models.common.inference import autocast
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.settings.presets import read_preset
from textbcs.training.augmentation import augmented
from textbcs.training.data import Split
from textbcs.training.loop import Run

ROOT = Path(__file__).parent.parent
TOKENS, TEXT, PROMPTS = 16, 384, 36  # of the default encoder; distinct prompts
BAR = SimpleNamespace(update=lambda count: None)


def noise(count: int, size: int, device: torch.device) -> Split:
    """Slices of noise: the cost of a step does not depend on what it sees."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(PROMPTS, TOKENS, TEXT, generator=generator).to(device)
    mask = torch.ones(PROMPTS, TOKENS, dtype=torch.bool, device=device)
    prompt = torch.randint(PROMPTS, (count,), generator=generator).to(device)
    return Split(
        tuple(map(str, range(count))),
        torch.rand(count, size, size, generator=generator).half().to(device),
        (torch.rand(count, size, size, generator=generator) < 0.02).to(torch.uint8).to(device),
        prompt,
        prompt.flip(0),
        PromptTable([str(row) for row in range(PROMPTS)], tokens, mask),
        torch.zeros(PROMPTS, 4, dtype=torch.int64, device=device),
    )


def run_of(method: dict[str, Any], args: argparse.Namespace, settings: dict[str, Any]) -> Run:
    """A training of `steps` steps an epoch."""
    split = noise(args.batch * args.steps, args.size, torch.device(args.device))
    network = method["network"]
    model = registry.build(network, channels=3, image_size=args.size, text_dim=TEXT)
    objective = registry.objective(network["model"], method["loss"])
    return Run(model, settings, objective, split, split, 3, seed=0)


def bare_epoch(run: Run) -> Callable[[], None]:
    """As many steps as an epoch of `run` has, on one batch that is ready."""
    rows = torch.arange(run.batch_size, device=run.device)
    batch = augmented(run.train_split, rows, run.channels, run.settings, run.generator)
    image = batch.image.contiguous(memory_format=run.layout)

    def epoch() -> None:
        for _ in range(run.steps):
            with autocast(run.device, run.settings["precision"]):
                output = run.compiled(image, batch.text)
            torch.autograd.backward(run.objective(output, batch, 1)[0])
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=True)

    return epoch


def timed(work: Callable[[], Any], device: str) -> float:
    """Seconds that `work` takes: of this process on the CPU, of the clock on a GPU."""
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(name: str, precision: str, args: argparse.Namespace) -> dict[str, Any]:
    """Loop against bare step for one method and precision."""
    params = read_preset(args.preset, ROOT / "presets")
    method = params["methods"][name]
    rate, _ = method["grid"][0]
    chosen = {"learning_rate": rate, "batch_size": args.batch, "compile": args.compile}
    settings = {**params["training"], **method["training"], **chosen}
    run = run_of(method, args, {**settings, "precision": precision})
    bare = bare_epoch(run)
    run.epoch = 1
    for work in (bare, lambda: run.learn(BAR)):  # warm up
        work()
    pairs = [
        (timed(bare, args.device), timed(lambda: run.learn(BAR), args.device))
        for _ in range(args.rounds)
    ]
    images = args.batch * args.steps
    return {
        "method": name,
        "precision": precision,
        "ratio_median": statistics.median(b / loop for b, loop in pairs),
        "ratios": [b / loop for b, loop in pairs],
        "loop_images_per_s": images / min(loop for _, loop in pairs),
        "bare_images_per_s": images / min(b for b, _ in pairs),
    }


def machine(device: str) -> dict[str, Any]:
    """What the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "kernels": kernels.label(),
        "load_average": os.getloadavg()[0],
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "malloc": {k: v for k, v in sorted(os.environ.items()) if k.startswith("MALLOC_")},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--preset", default="phantom", help="names the methods' configurations")
    parser.add_argument("--methods", nargs="*", help="default: all rows of Table 1")
    parser.add_argument("--compile", action="store_true")
    for option, value in (("batch", 8), ("steps", 10), ("rounds", 7)):
        parser.add_argument(f"--{option}", type=int, default=value)
    args = parser.parse_args()
    open_device(SimpleNamespace(), args.device)
    params = read_preset(args.preset, ROOT / "presets")
    args.size = params["slices"]["size"]
    methods = args.methods or params["tables"]["table1"]
    pairs = [(name, params["training"]["precision"]) for name in methods]
    state = machine(args.device)
    rows = []
    for name, precision in pairs:
        rows.append(measure(name, precision, args))
        print(
            f"{name:10} {precision:8} loop / bare {rows[-1]['ratio_median']:.3f}, "
            f"{rows[-1]['loop_images_per_s']:.0f} images/s",
            flush=True,
        )
    kind = "" if args.device == "cpu" else f"_{args.device}"
    report = {"setting": vars(args), "machine": state, "rows": rows}
    io.write_json(ROOT / f"benchmarks/results/training{kind}.json", report)


if __name__ == "__main__":
    main()
