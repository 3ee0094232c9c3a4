"""A run that was trained, predicted and scored, with receipts of whatever lies there: a real network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from textbcs.base import kernels
from textbcs.base.io import sha256_file, write_csv, write_tensors
from textbcs.lineage.audit.predictions import check_predictions
from textbcs.lineage.audit.scores import check_scores
from textbcs.lineage.records.findings import Finding
from textbcs.lineage.records.graph import Item, Receipt
from textbcs.models.common.contract import TextBatch
from textbcs.models.common.registry import build

SIZE, SLICES, WIDTH = 32, 70, 6
THRESHOLD = 0.1  # about the median of what this network says
PROMPTS = ("location left; number one", "location right; number two", "")
NETWORK = {
    "model": "textbcs", "width": 4, "heads": 2, "alignment_dim": 8, "evidence_gain": 1.0,
    "evidential": True, "svli": True, "grid": None, "position": "sine",
}  # fmt: skip
PARAMS = {
    **{f"methods.textbcs.network.{key}": value for key, value in NETWORK.items()},
    "slices.channels": 3,
    "slices.size": SIZE,
}
WEIGHTS = "results/runs/textbcs-s1/model.safetensors"
TEST = (
    "data/slices/test/slices.csv",
    "data/slices/test/slices.safetensors",
    "data/prompts/test.csv",
)
VALIDATION = tuple(name.replace("test", "val") for name in TEST)
TEXT = tuple(
    f"data/text/{name}/{file}"
    for name in ("probe", "learn")
    for file in ("prompts.csv", "embeddings.safetensors")
)
ROWS = "results/evaluation/textbcs-s1/slices.csv"
EXACT, STORED, FITTED = (
    f"results/predictions/textbcs-s1/{name}.safetensors"
    for name in ("probability", "maps", "validation")
)
# What each of the two stages reads and writes.
FILES = {
    "predict@textbcs-1": ((WEIGHTS, *TEST, *VALIDATION, *TEXT), (EXACT, STORED, FITTED)),
    "score": ((*TEST[:2], EXACT), (ROWS,)),
}


def build_run(root: Path) -> Path:
    """A predicted and scored run in `root`, made by loops that are written here."""
    generator = np.random.default_rng(0)
    tokens = generator.normal(size=(3, 5, WIDTH)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 0, 0, 0, 0]], np.uint8)
    for number in (0, 2):
        write_csv(root / TEXT[number], pd.DataFrame({"row": range(3), "text": PROMPTS}))
        write_tensors(root / TEXT[number + 1], {"tokens": tokens, "mask": mask})
    model = trained()
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    write_tensors(root / WEIGHTS, arrays)
    batch = TextBatch(torch.from_numpy(tokens), torch.from_numpy(mask).bool())
    exact = {}
    for files, name in ((TEST, "probability"), (VALIDATION, "validation")):
        images = generator.random((SLICES, SIZE, SIZE)).astype(np.float16)
        masks = np.zeros((SLICES, SIZE, SIZE), np.uint8)
        masks[:, 8:20, 6:18] = 1
        ids = [f"s{number:02}" for number in range(SLICES)]
        texts = [PROMPTS[number % 3] for number in range(SLICES)]
        write_csv(root / files[0], pd.DataFrame({"slice_id": ids}))
        write_tensors(root / files[1], {"image": images, "mask": masks})
        write_csv(root / files[2], pd.DataFrame({"slice_id": ids, "text": texts}))
        exact[name] = predicted(model, images, batch, 0)
        if name == "probability":
            swapped = predicted(model, images, batch, 1)
            scored = rows(ids, exact[name], swapped, masks)
    write_tensors(root / FITTED, {"probability": exact["validation"]})
    maps = {"probability": exact["probability"], "probability_swapped": swapped}
    write_tensors(root / EXACT, maps)
    write_tensors(root / STORED, {name: one.astype(np.float16) for name, one in maps.items()})
    write_csv(root / ROWS, scored)
    return root


def trained() -> Any:
    """A network as if trained: an untrained one says nearly the same everywhere."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = build(NETWORK, channels=3, image_size=SIZE, text_dim=WIDTH).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.0)
    return model


def predicted(model: Any, images: np.ndarray, text: TextBatch, shift: int) -> np.ndarray:
    """Probabilities, in batches of 32: one slice at a time would round otherwise."""
    maps = []
    with torch.inference_mode():
        for start in range(0, SLICES, 32):
            own = [(number + shift) % 3 for number in range(start, min(start + 32, SLICES))]
            image = torch.from_numpy(images[start : start + 32]).float()[:, None].repeat(1, 3, 1, 1)
            image = image.contiguous(memory_format=torch.channels_last)
            maps.append(
                model(image, TextBatch(text.tokens[own], text.mask[own])).probability.numpy()
            )
    return np.concatenate(maps)


def rows(ids: list[str], exact: np.ndarray, swapped: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """What the stage `score` says of overlap."""
    found, other, there = exact > THRESHOLD, swapped > THRESHOLD, masks > 0
    scored = pd.DataFrame({"slice_id": ids})
    pairs = ((found, there), (found, ~there), (~found, there), (~found, ~there))
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    for name, (one, two) in zip(names, pairs, strict=True):
        scored[name] = (one & two).sum(axis=(1, 2))
    for name, own in (("dice", found), ("dice_swapped", other)):
        both = own.sum(axis=(1, 2)) + there.sum(axis=(1, 2))
        scored[name] = 2 * (own & there).sum(axis=(1, 2)) / both
    scored["iou"] = (found & there).sum(axis=(1, 2)) / (found | there).sum(axis=(1, 2))
    assert 0 < scored["dice"].mean() < 1
    return scored


def audited(
    sample: int = 0,
    device: str = kernels.device(),
    params: dict[str, Any] = PARAMS,
    before: bool = False,
) -> tuple[list[Finding], list[str]]:
    """Faults and remarks, with receipts of the files as they are now: every hash is right.

    `before`: the receipts are of other files than there are now.
    """

    def items(names: tuple[str, ...]) -> tuple[Item, ...]:
        return tuple(Item(name, "0" * 64 if before else sha256_file(name), 1) for name in names)

    receipts = [
        Receipt(address, (), own, 1, device, {}, {}, items(read), items(written))
        for (address, (read, written)), own in zip(
            FILES.items(), (params, {"evaluation.threshold": THRESHOLD}), strict=True
        )
    ]
    graph = SimpleNamespace(active=lambda: receipts, upstream=lambda _: {"slices": None})
    tree: Any = SimpleNamespace(graph=graph, sha256=sha256_file)
    found = [*check_predictions(tree, sample), *check_scores(tree)]
    faults = [one for one in found if isinstance(one, Finding)]
    return faults, [one.text for one in found if not isinstance(one, Finding)]
