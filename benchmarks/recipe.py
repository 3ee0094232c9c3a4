"""The default's recipe, chosen on validation slices of phantoms that are not the default's.

For each phantom seed a copy of the working tree makes the cohort up to the embedded prompts; then every
method is trained with every setting and training seed that the command names, and the best validation
Dice (mean over slices) of each training is noted. Neither a test split nor the default's phantom is
looked at: its seed is refused.

    python benchmarks/recipe.py --methods textbcs unet --phantoms 11 12 --seeds 1 2 \
        --set learning_rate=0.001 epochs=10 --set learning_rate=0.002 epochs=10

`--set` names values of `training` (learning_rate, epochs, foreground_prior, ...), of `network` and `loss`
(`network.evidence_gain=32`), one group a trial. Trainings that stand in
`benchmarks/results/recipe.json` are not repeated; the file is written after every training.
"""

import argparse
import itertools
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml
from pipeline import processor

from textbcs.base import io, kernels
from textbcs.base.variants import base_of
from textbcs.settings.presets import preset_text, read_preset

if TYPE_CHECKING:
    from textbcs.training.loop import Run

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/recipe.json"
TARGETS = ("data/text/learn/embeddings.safetensors",)
COHORTS = Path(tempfile.gettempdir()) / "textbcs-recipe"


def main() -> None:
    """Make the cohorts, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--preset", default="phantom")
    parser.add_argument("--methods", nargs="+", default=["unet", "lvit", "textbcs"])
    parser.add_argument("--phantoms", nargs="+", type=int, default=[11])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--set", nargs="*", action="append", dest="trials", default=None)
    parser.add_argument("--folder", type=Path, default=COHORTS, help="of the cohorts, which stay")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    params = read_preset(options.preset, ROOT / "presets")
    if params["phantom"]["seed"] in options.phantoms:
        sys.exit(f"phantom seed {params['phantom']['seed']} is the default's; choose others")
    known_names = {*params["methods"], *params["variants"]}
    unknown = [name for name in options.methods if name not in known_names]
    if unknown:
        sys.exit(f"{unknown[0]}: no method or variant of presets/{options.preset}.yaml")
    weights = [
        f"results/pretrained/{base_of(params, name)}/encoder.safetensors"
        for name in options.methods
    ]
    for seed in options.phantoms:
        cohort(options.folder, options.preset, seed, weights)
    done = io.read_json(RESULT)["trainings"] if RESULT.is_file() else []
    known = {io.canonical_json(key(row)) for row in done}
    wanted = []
    trials = [dict(pair.split("=", 1) for pair in trial) for trial in options.trials or [[]]]
    for trial, seed, phantom, method in itertools.product(
        trials, options.seeds, options.phantoms, options.methods
    ):
        values = {name: yaml.safe_load(text) for name, text in trial.items()}
        row = {"method": method, "phantom": phantom, "seed": seed, "set": values}
        if io.canonical_json(row) not in known:
            wanted.append((row, str(options.folder / f"phantom_{phantom}"), options.preset))
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for row in pool.imap_unordered(train, wanted, chunksize=1):
            done.append(row)
            print(
                io.canonical_json({k: v for k, v in row.items() if k != "validation_dice"}),
                flush=True,
            )
            write(done)


def key(row: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a training from others."""
    return {name: row[name] for name in ("method", "phantom", "seed", "set")}


def write(rows: list[dict[str, Any]]) -> None:
    """The trainings in order, and where they were made."""
    rows = sorted(rows, key=lambda row: io.canonical_json(key(row)))
    machine = {"cpu": processor(), "kernels": kernels.label()}
    io.write_json(RESULT, {"machine": machine, "trainings": rows})


def cohort(folder: Path, preset: str, seed: int, weights: Sequence[str]) -> None:
    """A copy of the working tree with the phantom of `seed`, run up to prompts and initial weights."""
    clone = folder / f"phantom_{seed}"
    targets = [name for name in (*TARGETS, *weights) if not (clone / name).is_file()]
    if not targets:
        return
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("reports/", "dvc.lock")):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, clone / name)
            shutil.copymode(ROOT / name, clone / name)
    text = preset_text(preset, ROOT / "presets")
    old = read_preset(preset, ROOT / "presets")["phantom"]["seed"]
    io.write_text(clone / "params.yaml", text.replace(f"  seed: {old}\n", f"  seed: {seed}\n", 1))
    if not (clone / ".git").is_dir():
        subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    own = {**os.environ, "PYTHONPATH": str(clone.resolve() / "src"), "TEXTBCS_TRACKING": "off"}
    command = [sys.executable, "-m", "snakemake", "--cores", "all", *sorted(set(targets))]
    subprocess.run(command, cwd=clone, env=own, check=True)


def train(task: tuple[dict[str, Any], str, str]) -> dict[str, Any]:
    """One training: its validation Dice after every epoch, the best, and its CPU seconds."""
    row, folder, preset = task
    os.chdir(folder)
    from textbcs.training.setup import set_up

    params = read_preset(preset, ROOT / "presets")
    name, values = row["method"], dict(row["set"])
    own = params["variants"].get(name) if name in params["variants"] else params["methods"][name]
    for block in ("network", "loss"):
        for value in [v for v in values if v.startswith(f"{block}.")]:
            own.setdefault(block, {})[value.split(".", 1)[1]] = values.pop(value)
    from_grid = params["methods"][name if name in params["methods"] else "textbcs"]["grid"][0]
    point = {"learning_rate": from_grid[0], "batch_size": from_grid[1]}
    stage = SimpleNamespace(
        params=params,
        device="",
        log=lambda text: None,
        input=Path,
        input_hashes=dict,
        progress=lambda total: Bar(),
    )
    start = time.process_time()
    run = set_up(stage, name).run(row["seed"], **{**point, **values})
    run.say = stage.log
    dice = []
    for _ in range(int(run.settings["epochs"])):
        dice.append(run.one_epoch(Bar(), Path(folder) / "nonfinite")["validation_dice"])
    run.model.load_state_dict(run.best_weights)
    return {
        **row,
        "patient_dice": round(patient_dice(run), 4),
        "validation_dice": [round(value, 4) for value in dice],
        "best": round(max(dice), 4),
        "last": round(dice[-1], 4),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def patient_dice(run: "Run") -> float:
    """Validation Dice of a training's best weights: the mean over patients of their slices' mean."""
    import torch

    from textbcs.models.common.inference import infer
    from textbcs.training import validation_dice

    val, settings = run.val_split, run.settings
    options = {name: settings[name] for name in ("precision", "channels_last")}
    options |= {"channels": run.channels, "batch_size": 4 * run.batch_size}
    outputs = infer(run.model, val.image, val.prompts, val.prompt, **options)
    found = torch.cat([output.probability for output in outputs])
    dice = validation_dice.dice(found, val.mask, float(settings["threshold"])).tolist()
    patients: dict[str, list[float]] = {}
    for name, value in zip(val.slice_ids, dice, strict=True):
        patients.setdefault(name.rsplit("-z", 1)[0], []).append(value)
    return statistics.fmean(statistics.fmean(values) for values in patients.values())


class Bar:
    """A progress bar that shows nothing."""

    def update(self, count: int) -> None:
        """Nothing."""


if __name__ == "__main__":
    main()
