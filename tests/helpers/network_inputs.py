"""Small untrained networks in the working folder, with slices, prompts and embeddings that they can read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from textbcs.base import io
from textbcs.dataset.prompt_grammar import VOCABULARY, mirror, parse
from textbcs.dataset.prompt_table import COLUMNS as PROMPT_COLUMNS
from textbcs.dataset.slice_store import COLUMNS, Shard, write_shard
from textbcs.models.common.registry import build
from textbcs.stage.receipt import Stage

SIZE, TOKENS = 32, 12
LEFT = "location left; shape round; size small; number one"
RIGHT = "location right; shape ellipse; size large; number two"
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"model": "unet", "width": 4},
    "textbcs": {
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
}
PARAMS: dict[str, Any] = {
    "training": {"device": "cpu"},
    "cohort": {"sides": "patient"},
    "slices": {"size": SIZE, "channels": 3, "minimum_component_mm2": 4.0},
    "methods": {name: {"network": network} for name, network in NETWORKS.items()},
}
TEXTS = (LEFT, LEFT, RIGHT, LEFT)


def shard(seed: int = 0) -> Shard:
    """Three tumour slices of two patients, and a tumour-free one; a 4 x 4 lesion on the left."""
    facts = [
        ("a-1", "a", "tumour"),
        ("a-2", "a", "tumour"),
        ("b-1", "b", "tumour"),
        ("b-9", "b", "negative"),
    ]
    rows = [
        dict.fromkeys(COLUMNS, 1)
        | {"slice_id": s, "patient": p, "kind": k, "side": "left", "midline_col": 15.5}
        | {"native_rows": SIZE, "native_cols": SIZE}
        for s, p, k in facts
    ]
    masks = np.zeros((4, SIZE, SIZE), np.uint8)
    masks[:3, 4:8, 20:24] = 1
    images = np.random.default_rng(seed).uniform(size=(4, SIZE, SIZE)).astype(np.float16)
    native = {row["slice_id"]: mask > 0 for row, mask in zip(rows, masks, strict=True)}
    return Shard(pd.DataFrame(rows), images, masks, native)


def write_split(stage: Stage, split: str, own: Shard) -> None:
    """The slices of a split and their prompts."""
    write_shard(stage, split, own)
    prompts = [
        [s, s[0], *(getattr(parse(t), slot) for slot in VOCABULARY), t, "mask", ""]
        for s, t in zip(own.table["slice_id"], TEXTS, strict=True)
    ]
    # In another order than the slices: prompts are joined by name.
    table = pd.DataFrame(prompts, columns=list(PROMPT_COLUMNS))[::-1]
    io.write_csv(f"data/prompts/{split}.csv", table)


def write_text(name: str, texts: Sequence[str]) -> None:
    """Random embeddings of some texts, as `data/text/<name>/`."""
    rng = np.random.default_rng(1)
    arrays = {
        "tokens": rng.normal(size=(len(texts), 4, TOKENS)).astype(np.float32),
        "mask": np.ones((len(texts), 4), np.uint8),
    }
    table = pd.DataFrame({"row": range(len(texts)), "text": texts})
    io.write_csv(f"data/text/{name}/prompts.csv", table)
    io.write_tensors(f"data/text/{name}/embeddings.safetensors", arrays)


def mirrored(texts: Sequence[str] = TEXTS) -> list[str]:
    """Distinct texts with their mirror images."""
    return sorted({*texts, *(mirror(text) for text in texts)})


def write_weights() -> None:
    """Weights of every network, drawn."""
    for name, network in NETWORKS.items():
        torch.manual_seed(4)
        model = build(network, channels=3, image_size=SIZE, text_dim=TOKENS)
        state = {key: value.numpy() for key, value in model.state_dict().items()}
        io.write_tensors(f"results/runs/{name}-s1/model.safetensors", state)
