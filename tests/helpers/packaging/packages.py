"""A small package of untrained networks: everything that a real one has, in a second and a megabyte."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from textbcs.dataset.prompt_grammar import VOCABULARY, every_prompt
from textbcs.models.common.registry import build
from textbcs.package.package_files import json_bytes, sealed
from textbcs.package.writing import write_folder

SIZE, DIMENSION, TOKENS, CHANNELS = 32, 12, 4, 3
TEXTBCS: dict[str, Any] = {
    "model": "textbcs", "width": 4, "svli": True, "evidential": True, "grid": None, "heads": 2,
    "position": "sine", "alignment_dim": 8, "evidence_gain": 8.0,
}  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "textbcs": TEXTBCS,
    "textbcs_plus": TEXTBCS | {"evidential": False, "deep_supervision": True},
    "textbcs_plus_no_text": TEXTBCS
    | {"svli": False, "evidential": False, "deep_supervision": True},
    "unet": {"model": "unet", "width": 4},
}
FIRST = "textbcs_plus_no_text"
FEATURES = ("automatic", "peak_first_pass")
POINT = {"threshold": 0.5, "smallest_mm3": 100.0, "dice": 0.7}
TRAINING: dict[str, Any] = {
    "cohort": {
        "kind": "phantom", "collection": "", "source": "phantom", "licence": "Apache-2.0", "doi": "",
    },
    "patients": {"train": 9, "val": 2, "test": 3},
    "mask_sources": ["expert"],
    "spacing_mm": {"row": [1.0, 3.0], "column": [1.0, 3.0], "slice": [2.0, 4.0]},
    "slices": [8, 24],
    "field_strength_t": [1.5, 3.0],
    "manufacturers": ["GE MEDICAL SYSTEMS", "SIEMENS"],
}  # fmt: skip


def network_of(method: str) -> torch.nn.Module:
    """The network as it is packed: drawn, and with answers that differ from place to place."""
    torch.manual_seed(sum(map(ord, method)))
    model = build(NETWORKS[method], channels=CHANNELS, image_size=SIZE, text_dim=DIMENSION)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    return model.eval()


@cache
def weights(method: str) -> bytes:
    """Its weights, as a training writes them."""
    state = network_of(method).state_dict()
    return save({name: np.ascontiguousarray(state[name].numpy()) for name in sorted(state)})


def texts_of(reads_text: bool) -> list[str]:
    """The embedded texts: the empty one, and where they are read every prompt."""
    own = [prompt.text for prompt in every_prompt(sided=True)] if reads_text else []
    return sorted(["", *own])


def detector() -> dict[str, Any]:
    """A detector that goes by what the first pass found."""
    slot = {
        "features": list(FEATURES), "means": [0.5, 0.0], "scales": [0.25, 1.0],
        "coefficients": [-1.0, -2.0], "intercept": 0.0,
    }  # fmt: skip
    return {
        "slots": {"location": slot}, "threshold": 0.9, "patients": 2, "rejected_right_at_most": 0.05,
    }  # fmt: skip


def tiny_files(method: str = "textbcs_plus") -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `package.json` says, without the list of files, and the other files."""
    reads = NETWORKS[method].get("svli", False)
    texts = texts_of(reads)
    draw = np.random.default_rng(1)
    arrays = {
        "tokens": draw.normal(size=(len(texts), TOKENS, DIMENSION)).astype(np.float32),
        "mask": np.ones((len(texts), TOKENS), np.uint8),
    }
    lines = [f"{row},{text},{text}" for row, text in enumerate(texts)]
    files = {
        "model.safetensors": weights(method),
        "prompts.csv": "\n".join(["row,text,prompt", *lines, ""]).encode(),
        "embeddings.safetensors": save(arrays),
        "detector.json": json_bytes(detector() if reads else None),
        "README.md": b"# A package of the tests\n",
        "licence.txt": b"Apache-2.0\n",
        "receipts/train.json": b"{}\n",
    }
    if reads:
        files["first_pass.safetensors"] = weights(FIRST)
    settings = {
        **_run(method),
        "text_dimension": DIMENSION,
        "temperature": 1.0 if NETWORKS[method].get("evidential") else 1.5,
        "first_pass": _run(FIRST) if reads else None,
        "slices": {
            "phase": "post1", "size": SIZE, "channels": CHANNELS, "clip_percentiles": [0.1, 99.9],
        },
        "series": {"spacing_tolerance": 0.05, "descriptions": None},
        "sides": "patient",
        "prompts": {
            "rules": {"irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75},
            "thresholds_mm3": [500.0, 2000.0],
            "minimum_lesion_mm3": 100.0,
            "vocabulary": {slot: list(words) for slot, words in VOCABULARY.items()},
            "source": "derive",
        },
        "encoder": {
            "encoder": "minilm", "origin": "pinned", "file": "model.safetensors", "sha256": "0" * 64,
        },
        "training": TRAINING,
    }  # fmt: skip
    return deepcopy(settings), files


@cache
def _count(method: str) -> int:
    return sum(weight.numel() for weight in network_of(method).parameters())


def _run(method: str) -> dict[str, Any]:
    return {
        "run": f"{method}-s1", "method": method, "seed": 1, "network": NETWORKS[method],
        "weights": _count(method), "point": POINT,
    }  # fmt: skip


def tiny_package(folder: Path, method: str = "textbcs_plus") -> Path:
    """Write the package to `folder` and return it.

    Args:
        folder: where to.
        method: `textbcs_plus`, `textbcs` (which tells evidence) or `unet` (which reads no text).
    """
    write_folder(folder, sealed(*tiny_files(method)))
    return folder
