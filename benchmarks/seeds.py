"""How far another training of the same method lies: more seeds than the default preset's `replicates` has.

A clone of HEAD in a temporary folder trains and evaluates each method with each seed; the learning rate
is the one that its search chose, and data, prompts and split stay. What is the same as in a run that is
at hand comes from its cache.

    python benchmarks/seeds.py [--methods unet nnunet lvit textbcs] [--seeds 1 2 3 4] [--cache .dvc/cache]

Writes `benchmarks/results/seeds.json`: the mean Dice over patients of every training, its spread over
the seeds, and TextBCS minus each other method seed by seed, in the form of the stage `replicates`.
"""

import argparse
import tempfile
from pathlib import Path

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
from clones import change_parameters, clone_of_head, run_targets
from pipeline import processor

from textbcs.base import io, kernels
from textbcs.base.variants import BASE
from textbcs.stages.evaluation.replicates import dice_percent, spread

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/seeds.json"


def main() -> None:
    """Train, evaluate and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--methods", nargs="+", default=["unet", "nnunet", "lvit", BASE])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--cores", default="all")
    parser.add_argument("--cache", type=Path, help="the cache of a run that is finished")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="textbcs-") as folder:
        clone = Path(folder).resolve() / "clone"
        clone_of_head(clone, options.cache)
        found = train(clone, options.methods, options.seeds, options.cores)
    machine = {"cpu": processor(), "kernels": kernels.label()}
    report = {"machine": machine, **spread(options.seeds, found, BASE)}
    io.write_json(RESULT, report)
    print(io.canonical_json(report))


def train(clone: Path, methods: list[str], seeds: list[int], cores: str) -> dict[str, list[float]]:
    """Dice in percent, mean over test patients, of each method and seed."""
    replicates = {"methods": methods, "seeds": seeds[1:]}
    change_parameters(clone, {"seeds": seeds[:1], "replicates": replicates})
    files = {
        (method, seed): f"results/evaluation/{method}-s{seed}/slices.csv"
        for method in methods
        for seed in seeds
    }
    run_targets(clone, [*files.values()], cores)
    return {
        method: [dice_percent(io.read_csv(clone / files[method, seed])) for seed in seeds]
        for method in methods
    }


if __name__ == "__main__":
    main()
