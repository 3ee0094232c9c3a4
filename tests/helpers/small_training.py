"""A small learnable data set in the pipeline's own format, and a stand-in for a running stage."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from textbcs.base import io
from textbcs.dataset.slice_store import COLUMNS

SIZE = 32
PARAMS = {
    "slices": {"channels": 3},
    "training": {
        "device": "cpu",
        "precision": "float32",
        "channels_last": True,
        "epochs": 3,
        "compile": False,
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "momentum": 0.9,
        "nesterov": False,
        "schedule": "onecycle",
        "foreground_prior": None,
        "plateau_factor": 0.1,
        "plateau_patience": 5,
        "restart_epochs": 10,
        "restart_minimum": 1.0e-4,
        "poly_power": 0.9,
        "early_stop_patience": 50,
        "gradient_clip": 0.0,
        "threshold": 0.5,
        "augmentation": "standard",
        "flip_probability": 0.5,
        "intensity_gain": 0.1,
        "intensity_shift": 0.05,
        "fraction": 1.0,
        "fraction_seed": 43,
        "tumour_free": 0.0,
        "asked": {"case": 0.0, "empty": 0.0, "wrong": 0.0, "reworded": 0.0},
    },
    "methods": {
        "unet": {
            "network": {"model": "unet", "width": 4},
            "loss": {},
            "training": {},
            "grid": [[5.0e-3, 4]],
            "initial": {"weights": "none"},
        },
        "textbcs": {
            "network": {
                "model": "textbcs",
                "width": 4,
                "svli": True,
                "evidential": True,
                "grid": None,
                "heads": 2,
                "position": "sine",
                "alignment_dim": 8,
                "evidence_gain": 8.0,
            },
            "loss": {
                "lambda_evidence": 0.01,
                "lambda_kl": 5.0e-7,
                "kl_annealing_epochs": 10,
                "lambda_alignment": 0.01,
                "balanced_alignment": False,
            },
            "training": {},
            "grid": [[5.0e-3, 4]],
            "initial": {"weights": "none"},
        },
    },
    "search": {"epochs": 2, "seed": 7},
}


class FakeStage:
    """Offers what a verb asks of `textbcs.stage.receipt.Stage`, in the current folder."""

    def __init__(self, params: dict) -> None:
        self.params = copy.deepcopy(params)
        self.seed: int | None = None
        self.device = ""
        self.inputs: dict[str, str] = {}
        self.outputs: set[str] = set()
        self.lines: list[str] = []

    def input(self, path) -> Path:
        self.inputs[str(path)] = io.sha256_file(io.existing(path))
        return Path(path)

    def output(self, path) -> Path:
        self.outputs.add(str(path))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(path)

    def input_hashes(self) -> dict[str, str]:
        return dict(self.inputs)

    def progress(self, items=None, total=None, desc=""):
        return tqdm(items, total=total, desc=desc, disable=True)

    def log(self, message: str) -> None:
        self.lines.append(message)


def write_start(method: str, **choice: float) -> None:
    """No initial weights, and the search's choice: learning rate 5e-3 and batches of 4, or another."""
    io.write_tensors(f"results/pretrained/{method}/encoder.safetensors", {})
    chosen = {"learning_rate": 5.0e-3, "batch_size": 4, **choice}
    io.write_json(f"results/search/{method}/choice.json", chosen)


def write_split(name: str, count: int, rng: np.random.Generator) -> list[str]:
    """One blob on each side of every slice; the prompt says which of them is the tumour."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images = rng.uniform(0, 0.2, (count, SIZE, SIZE))
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    texts, sides = [], []
    for index in range(count):
        side = ("left", "right")[int(rng.integers(2))]
        for place, centre in (("right", SIZE // 4), ("left", 3 * SIZE // 4)):
            y = rng.integers(SIZE // 4, 3 * SIZE // 4)
            blob = (rows - y) ** 2 + (columns - centre) ** 2 < 16
            images[index][blob] += 0.6
            if place == side:
                masks[index][blob] = 1
        sides.append(side)
        texts.append(f"location {side}; shape round; size small; number one")
    table = pd.DataFrame(dict.fromkeys(COLUMNS, 0), index=range(count))
    table["slice_id"] = [f"{name}{index:03d}" for index in range(count)]
    table["row"] = range(count)
    table["side"] = sides
    table["patient"] = table["slice_id"]
    io.write_csv(f"data/slices/{name}/slices.csv", table)
    io.write_tensors(
        f"data/slices/{name}/slices.safetensors",
        {"image": images.clip(0, 1).astype(np.float16), "mask": masks},
    )
    prompts = pd.DataFrame({"slice_id": table["slice_id"], "text": texts})
    io.write_csv(f"data/prompts/{name}.csv", prompts)
    return texts
