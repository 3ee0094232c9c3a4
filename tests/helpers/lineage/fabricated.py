"""A small finished tree: fabricated contents, but real receipts, a real form of dvc.lock, git, a cache.

Every stage is run by the real `Stage`, so what the audit reads is what the project writes. A fault that
a stage itself commits (a leak, a shared seed) is planted by a change of the recipe; a fault that somebody
commits afterwards is planted in the finished tree.
"""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any
from unittest import mock

from fabricated_lock import commit, write_lock
from fabricated_stages import VERBS, Recipe, write_raw
from ruamel.yaml import YAML

from textbcs.base import kernels
from textbcs.base.io import write_bytes
from textbcs.settings.params import select
from textbcs.stage.definition import Definition, Makers, define_all
from textbcs.stage.receipt import Stage

PROJECT = Path(__file__).resolve().parents[3]
RUN = "${item.method}-s${item.seed}"
STAGES: dict[str, dict[str, Any]] = {
    "cohort": {
        "params": ["cohort"],
        "deps": ["src/textbcs/cohort.py", "data/archive/boxes.csv"],
        "outs": ["data/cohort/series.csv", "data/cohort/patients.csv"],
    },
    "download": {
        "params": ["cohort"],
        "deps": ["src/textbcs/cohort.py", "data/cohort/series.csv"],
        "outs": ["data/cohort/files.csv"],
    },
    "masks": {
        "params": ["cohort"],
        "deps": ["src/textbcs/cohort.py", "data/cohort/files.csv"],
        "outs": ["data/masks"],
    },
    "split": {
        "params": ["split"],
        "deps": ["src/textbcs/slices.py", "data/cohort/patients.csv"],
        "outs": ["data/splits/split.csv"],
    },
    "slices": {
        "params": ["cohort"],
        "deps": ["src/textbcs/slices.py", "data/splits/split.csv", "data/masks", "data/cohort/files.csv"],
        "outs": ["data/slices/train", "data/slices/val", "data/slices/test"],
    },
    "flow": {
        "params": [],
        "deps": ["src/textbcs/slices.py", "data/slices/train", "data/slices/val", "data/slices/test"],
        "outs": [{"reports/tables/flow.csv": {"cache": False}}],
    },
    "prompts": {
        "params": [],
        "deps": ["src/textbcs/slices.py", "data/slices/train", "data/slices/val", "data/slices/test"],
        "outs": ["data/prompts/train.csv", "data/prompts/val.csv", "data/prompts/test.csv"],
    },
    "train": {
        "matrix": {"method": "${tables.table1}", "seed": "${seeds}"},
        "params": ["training", "methods.${item.method}"],
        "deps": ["src/textbcs/models", "data/slices/train", "data/slices/val", "data/prompts/train.csv"],
        "outs": [f"results/runs/{RUN}/model.safetensors"],
    },
    "predict": {
        "matrix": {"method": "${tables.table1}", "seed": "${seeds}"},
        "params": ["methods.${item.method}"],
        "deps": ["src/textbcs/models", f"results/runs/{RUN}/model.safetensors", "data/slices/test",
                 "data/slices/val", "data/prompts/test.csv", "data/prompts/val.csv"],
        "outs": [f"results/predictions/{RUN}"],
    },
    "score": {
        "params": ["tables", "seeds", "evaluation"],
        "deps": ["src/textbcs/slices.py", "results/predictions", "data/slices/test"],
        "outs": ["results/evaluation"],
    },
    "table1": {
        "params": ["tables", "seeds", "evaluation"],
        "deps": ["src/textbcs/slices.py", "results/evaluation"],
        "outs": [{"reports/tables/table1.csv": {"cache": False}}],
    },
}  # fmt: skip


def definitions(recipe: Recipe) -> dict[str, Any]:
    """The toy dvc.yaml: each stage also has its command and its receipt."""
    stages = json.loads(json.dumps(STAGES))
    for name, stage in stages.items():
        items = "".join(f" ${{item.{key}}}" for key in stage.get("matrix", {}))
        stage["cmd"] = f"exec workflow/stage {name}{items}"
        suffix = "@${item.method}-${item.seed}" if items else ""
        stage["outs"].append(f"results/receipts/{name}{suffix}.json")
        stage["deps"] += recipe.reads.get(name, [])
    return stages


def build(root: Path, recipe: Recipe | None = None) -> Path:
    """Make a finished, committed tree in `root`."""
    recipe = recipe or Recipe()
    root.mkdir(parents=True, exist_ok=True)
    with chdir(root):
        for name in ("cohort", "slices", "models/unet", "models/textbcs"):
            write_bytes(f"src/textbcs/{name}.py", f"# {name}\n".encode(), durable=False)
        write_bytes("requirements.lock", b"# what is installed\n")
        write_bytes("data/archive/boxes.csv", b"patient\nP1\n")
        write_bytes("Snakefile", b"rule all:\n")
        write_bytes(".dvcignore", (PROJECT / ".dvcignore").read_bytes())
        write_bytes(".gitignore", b"/data/\n/results/\n/.cache/\n/.dvc/cache/\n")
        YAML().dump(recipe.params, Path("params.yaml"))
        YAML().dump({"stages": definitions(recipe)}, Path("dvc.yaml"))
        commit("code")
        write_raw()
        stages = define_all(recipe.params)
        for definition in stages.values():
            run(definition, recipe, Makers(stages))
        write_lock()
        commit("results")
    return root


def run(definition: Definition, recipe: Recipe, makers: Makers) -> None:
    """Run one stage of the recipe."""
    argv = [definition.stage, *definition.items.values()]
    params = select(recipe.params, definition.keys)
    device = recipe.devices.get(definition.address, kernels.device())
    # A machine whose kernels nobody chooses is one without AVX2.
    flags = {"return_value": False} if device.endswith("its own") else {"wraps": kernels.has}
    with (
        mock.patch.object(kernels, "has", **flags),
        Stage(definition, params, argv, lambda: makers) as stage,
    ):
        for path in recipe.reads.get(definition.stage, []):
            stage.input(path)
        stage.device = device
        VERBS[definition.stage](stage, recipe, *definition.items.values())


def copy(origin: Path, root: Path) -> Path:
    """A copy of a finished tree."""
    shutil.copytree(origin, root)
    return root


def flip(path: str | Path, place: int = -1) -> None:
    """Flip one bit of a file and keep its size and times, as a rotten disk does."""
    file = Path(path)
    stat = file.stat()
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edit_yaml(path: str, change: Callable[[Any], None]) -> None:
    """Change a YAML file in place."""
    yaml = YAML(typ="safe")
    values = yaml.load(Path(path))
    change(values)
    YAML().dump(values, Path(path))
