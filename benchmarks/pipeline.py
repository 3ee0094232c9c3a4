"""The whole pipeline from a fresh clone: what it costs, and TextBCS minus UNet at other distractor rates.

Each factor multiplies both distractor rates of the phantom; 1 is the default. Every run is a clone of
HEAD in a temporary folder, `snakemake --cores all`, and once more to time the no-op. Beside CPU seconds
stands the cost in reference steps: training steps of the preset's UNet (8 slices, float32, one thread),
timed just before and just after, so that runs on different machines can be compared.

    python benchmarks/pipeline.py [--factors 1 0 3] [--cores all] [--keep FOLDER]

Writes `benchmarks/results/pipeline.json`. No sign or size of a difference is asked for; what came out
stands there. `benchmarks/results/distractors.json` is such a file of an earlier state: two methods,
float32, a fixed learning rate, factors 0, 1 and 3.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
from training import bare_epoch, run_of, timed

from textbcs.base import io, kernels
from textbcs.models.common.device import open_device
from textbcs.settings.params import read_yaml
from textbcs.settings.presets import read_preset

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/pipeline.json"
KEPT = (
    "method", "patients", "tumour_slices", "dice_slice_mean", "miou_slice_mean", "dice_patient_mean",
    "dice_patient_interval", "false_alarm_share", "side_follows_prompt",
)  # fmt: skip


def main() -> None:
    """Run the clones and write what they cost and gave."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--factors", nargs="+", type=float, default=[1.0])
    parser.add_argument("--cores", default="all")
    parser.add_argument("--keep", type=Path, help="an absent folder for the clones, which stay")
    options = parser.parse_args()
    rows = []
    for factor in options.factors:
        with tempfile.TemporaryDirectory(prefix="textbcs-") as folder:
            clone = (options.keep or Path(folder)).resolve() / f"factor_{factor:g}"
            rows.append(run_clone(clone, factor, options.cores))
            print(io.canonical_json(rows[-1]), flush=True)
    machine = {
        "cores": os.cpu_count(),
        "cpu": processor(),
        "kernels": kernels.label(),
        "python": platform.python_version(),
    }
    io.write_json(RESULT, {"machine": machine, "cores": options.cores, "runs": rows})


def run_clone(clone: Path, factor: float, cores: str) -> dict[str, Any]:
    """Clone, set the rates, run, run again."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    if factor != 1:
        scale_distractors(clone / "params.yaml", factor)
    before = reference_step()
    cost = run(clone, cores)
    step = (before + reference_step()) / 2
    noop = run(clone, cores)
    table = io.records(io.read_csv(clone / "reports/tables/table1.csv"))
    gaps = io.records(io.read_csv(clone / "reports/tables/table1_differences.csv"))
    return {
        "distractor_factor": factor,
        "cpu_seconds": round(cost["cpu"], 1),
        "cpu_minutes_on_two_cores": round(cost["cpu"] / 120, 2),
        "reference_step_cpu_seconds": round(step, 4),
        "cost_in_reference_steps": round(cost["cpu"] / step),
        "stage_cpu_seconds": stage_costs(clone),
        "wall_seconds": round(cost["wall"], 1),
        "peak_memory_of_a_process_mb": round(cost["memory"]),
        "noop_wall_seconds": round(noop["wall"], 1),
        "same_bytes_as_committed": not changed(clone) if factor == 1 else None,
        "rows": [{key: plain(row[key]) for key in KEPT} for row in table],
        "textbcs_minus": [{key: plain(value) for key, value in row.items()} for row in gaps],
    }


def reference_step() -> float:
    """CPU seconds of one training step of the default's UNet on noise, the median of several."""
    params = read_preset("phantom", ROOT / "presets")
    method = params["methods"]["unet"]
    rate, batch = method["grid"][0]
    open_device(SimpleNamespace(), "cpu")
    args = argparse.Namespace(batch=batch, steps=5, size=params["slices"]["size"], device="cpu")
    settings = {**params["training"], **method["training"], "learning_rate": rate}
    epoch = bare_epoch(run_of(method, args, {**settings, "batch_size": batch, "compile": False}))
    epoch()  # warm up
    return statistics.median(timed(epoch, "cpu") for _ in range(7)) / args.steps


def stage_costs(clone: Path) -> dict[str, float]:
    """CPU seconds by stage, over its items, from the run information."""
    costs: dict[str, float] = {}
    for path in sorted((clone / "results/runinfo").glob("*.json")):
        facts = io.read_json(path)
        name = str(facts["stage"]).split("@")[0]
        costs[name] = round(costs.get(name, 0.0) + float(facts["cpu_seconds"]), 1)
    return costs


def changed(clone: Path) -> str:
    """What differs from HEAD: dvc.lock holds the hash of every artifact, reports/ the tables."""
    command = ["git", "status", "--porcelain", "dvc.lock", "reports"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout


def run(clone: Path, cores: str) -> dict[str, float]:
    """One `snakemake`: its wall time, the CPU time of all its processes, the largest one's memory."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "snakemake", "--cores", cores]
    # The environment may hold another checkout's package; the clone's own code is what runs.
    own = {**os.environ, "PYTHONPATH": str(clone / "src")}
    done = subprocess.run(command, cwd=clone, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": time.monotonic() - start,
        "memory": after.ru_maxrss / 1024,
    }


def scale_distractors(params: Path, factor: float) -> None:
    """Multiply both rates in a parameter file, leaving the rest of its text as it is."""
    text = params.read_text()
    for key in ("distractors_contralateral", "distractors_ipsilateral"):
        rate = read_yaml(params)["phantom"][key]
        text = text.replace(f"{key}: {rate}", f"{key}: {rate * factor:.6g}")
    io.write_text(params, text)


def processor() -> str:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if "model name" in line), "unknown"
    )


def plain(value: Any) -> Any:
    """A table's value as JSON has it: no numpy type, None for a gap."""
    if value != value:
        return None
    return value.item() if hasattr(value, "item") else value


if __name__ == "__main__":
    main()
