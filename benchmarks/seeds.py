"""How far another training of the same method lies: some methods of the default preset, several seeds.

A clone of HEAD in a temporary folder trains and evaluates each method with each seed; the learning rate
is the one that its search chose, and data, prompts and split stay. What is the same as in a run that is
at hand comes from its cache.

    python benchmarks/seeds.py [--methods unet lvit textbcs] [--seeds 1 2 3 4] [--cache .dvc/cache]

Writes `benchmarks/results/seeds.json`: the mean Dice over patients of every training, its spread over
the seeds, and TextBCS minus each other method seed by seed. The report quotes it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from textbcs import io
from textbcs.evaluation.statistics import patient_means

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/seeds.json"
OURS = "textbcs"


def main() -> None:
    """Train, evaluate and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--methods", nargs="+", default=["unet", "lvit", OURS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--cores", default="all")
    parser.add_argument("--cache", type=Path, help="the cache of a run that is finished")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="textbcs-") as folder:
        clone = Path(folder).resolve() / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if options.cache:
            cache = ["dvc", "cache", "dir", "--local", str(options.cache.resolve())]
            subprocess.run([sys.executable, "-m", *cache], cwd=clone, check=True)
        found = train(clone, options.methods, options.seeds, options.cores)
    dice = {method: list(values) for method, values in found.items()}
    report = {
        "seeds": options.seeds,
        "dice_patient_mean": dice,
        "standard_deviation": {method: statistics.stdev(v) for method, v in dice.items()},
        "range": {method: [min(v), max(v)] for method, v in dice.items()},
        "textbcs_minus": {
            method: [ours - theirs for ours, theirs in zip(dice[OURS], v, strict=True)]
            for method, v in dice.items()
            if method != OURS
        },
    }
    io.write_json(RESULT, report)
    print(io.canonical_json(report))


def train(clone: Path, methods: list[str], seeds: list[int], cores: str) -> dict[str, list[float]]:
    """Dice in percent, mean over test patients, of each method and seed."""
    params = clone / "params.yaml"
    text = params.read_text(encoding="utf-8")
    io.write_text(params, text.replace("seeds: [1]", f"seeds: {seeds}"))
    files = {
        (method, seed): f"results/evaluation/{method}-s{seed}/slices.csv"
        for method in methods
        for seed in seeds
    }
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *files.values()]
    # The environment may hold another checkout's package; the clone's own code is what runs.
    environment = {**os.environ, "PYTHONPATH": str(clone / "src"), "TEXTBCS_TRACKING": "off"}
    done = subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return {method: [_dice(clone / files[method, seed]) for seed in seeds] for method in methods}


def _dice(path: Path) -> Any:
    slices = io.read_csv(path)
    return 100 * float(patient_means(slices[slices["kind"] == "tumour"], "dice").mean())


if __name__ == "__main__":
    main()
