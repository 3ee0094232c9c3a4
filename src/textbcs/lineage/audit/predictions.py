"""`audit verify --deep`: a sample of each run's maps once more from its checkpoint.

The network is built from the receipt's parameters, and its weights are loaded from the file. A run is
judged where all that it read and wrote is what its receipt says: another fault has its own finding.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from textbcs.base import kernels
from textbcs.base.io import InputError, read_csv, read_tensors
from textbcs.lineage.audit.recomputation import rests_on
from textbcs.lineage.records.findings import Finding, Remark, some
from textbcs.lineage.records.graph import Graph, Receipt
from textbcs.lineage.records.stage_roles import PREDICTS
from textbcs.lineage.records.tree import Tree
from textbcs.lineage.replay.selection import fresh_seed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_BATCH = 32  # as in prediction: a network's rounding may depend on the size of a batch
_TOLERANCE = 2e-3  # of a probability, where the device is another than then


@dataclass(frozen=True)
class Part:
    """Maps of a run that its network can make again: the split, the file, the embeddings of its prompts."""

    split: str
    file: str
    text: str


PARTS = (
    Part("test", "probability.safetensors", "probe"),
    Part("val", "validation.safetensors", "learn"),
)
_STORED = "maps.safetensors"  # the same probabilities as tables and figures use them


def check_predictions(
    tree: Tree,
    sample: int,
    stale: Collection[str] = (),
    seed: int | None = None,
    equal: Collection[str] = (),
) -> Iterator[Finding | Remark]:
    """Some batches of every trained network's maps, predicted again.

    Args:
        tree: the hashed tree.
        sample: batches a run and split; 0 takes all.
        stale: stages that ran on something else than there is now: what rests on them is not judged.
        seed: of the draw of batches; None: a fresh one, which nobody knows before.
        equal: stages that were run again as a whole, and wrote the same.
    """
    from tqdm import tqdm

    seed = fresh_seed() if seed is None else seed
    runs = [one for one in tree.graph.active() if PREDICTS.fullmatch(one.stage)]
    runs = [one for one in runs if one.address not in equal]
    threshold = _threshold(tree.graph)
    done = judged = 0
    inexact, left = [], []
    for receipt in tqdm(runs, desc="predict again", disable=None, leave=False):
        if changed(tree, receipt) or rests_on(tree.graph, receipt, stale):
            left.append(receipt.address)
            continue
        judged += 1
        try:
            slices, largest, faults = _compare(receipt, sample, threshold, seed)
        except (InputError, KeyError, ValueError, RuntimeError, StopIteration) as error:
            path = _path(receipt.inputs, "model.safetensors") or receipt.path
            reason = " ".join(str(error).split()) or type(error).__name__
            detail = f"nothing can be predicted from its checkpoint: {reason}"
            yield Finding("TAMPERED", receipt.address, path, detail, (path,))
            continue
        done += slices
        yield from faults[:1]  # the first explains the others
        if 0 < largest <= _TOLERANCE:
            inexact.append(f"{receipt.address} ({largest:.2g})")
    yield from _told(inexact, left)
    text = f"{done} predictions of {judged} runs computed again from checkpoints"
    yield Remark(text + (f", drawn with the seed {seed}" if sample and done else ""))


def _told(inexact: Sequence[str], left: Sequence[str]) -> Iterator[Remark]:
    """Runs that were equal but for rounding, and those that were left out."""
    if inexact:
        yield Remark(f"predicted again within rounding, not bit for bit: {some(inexact)}")
    if left:
        yield Remark(f"not predicted again, since something they rest on changed: {some(left)}")


def _threshold(graph: Graph) -> float | None:
    """Above which probability the stage `score` has taken a pixel as found; None: it has not run."""
    scores = (one for one in graph.active() if one.stage == "score")
    return next((float(one.params["evaluation.threshold"]) for one in scores), None)


def changed(tree: Tree, receipt: Receipt) -> bool:
    """Whether a file that a stage read or wrote is not what its receipt says, or is not here."""
    return any(tree.sha256(one.path) != one.sha256 for one in (*receipt.inputs, *receipt.outputs))


def _path(items: Sequence[Any], name: str) -> str | None:
    return next((item.path for item in items if PurePosixPath(item.path).name == name), None)


def _compare(
    receipt: Receipt, sample: int, threshold: float | None, seed: int
) -> tuple[int, float, list[Finding]]:
    """How many slices were predicted again, the largest difference, and what is wrong."""
    done, largest = 0, 0.0
    faults: list[Finding] = []
    for part in PARTS:
        path = _path(receipt.outputs, part.file)
        if path is None:
            raise ValueError(f"its receipt names no {part.file}")
        recorded = read_tensors(path)
        if "probability" not in recorded and part.split == "val":
            continue  # an evidential head gets no temperature, so nothing is kept to fit one on
        places = chosen_slices(len(recorded["probability"]), sample, f"{seed} {receipt.address}")
        slices, gap, other = _compare_part(
            receipt, part, recorded["probability"], places, threshold
        )
        done, largest = done + slices, max(largest, gap)
        if not gap <= _TOLERANCE:
            detail = f"its checkpoint gives other probabilities (by up to {gap:.3g})"
            faults.append(Finding("TAMPERED", receipt.address, path, detail, (path,)))
        elif other and receipt.device == kernels.device():
            detail = f"its checkpoint gives other pixel counts for {some(other)}"
            faults.append(Finding("TAMPERED", receipt.address, path, detail, (path,)))
        if part.split == "test":
            faults += _stored(receipt, recorded)
    return done, largest, faults


def _compare_part(
    receipt: Receipt, part: Part, recorded: "np.ndarray", chosen: list[int], threshold: float | None
) -> tuple[int, float, list[str]]:
    """Of one split: slices predicted again, the largest difference, the slices with other pixel counts."""
    import numpy as np

    folder = f"data/slices/{part.split}/slices"
    slices = read_csv(f"{folder}.csv")
    if len(recorded) != len(slices):
        raise ValueError(f"{part.file} holds other slices than {folder}.csv")
    if not chosen:
        return 0, 0.0, []
    images = read_tensors(f"{folder}.safetensors")["image"][chosen]
    again, before = _predict(receipt, part, slices.iloc[chosen], images), recorded[chosen]
    gap = float(np.abs(again - before).max())
    if threshold is None:
        return len(chosen), gap, []
    counts = [(one > threshold).sum(axis=(1, 2)) for one in (again, before)]
    return len(chosen), gap, slices["slice_id"].iloc[chosen][counts[0] != counts[1]].tolist()


def _stored(receipt: Receipt, exact: "dict[str, np.ndarray]") -> Iterator[Finding]:
    """Whether what tables and figures read is the full precision, rounded."""
    import numpy as np

    path = _path(receipt.outputs, _STORED)
    if path is None:
        return
    stored = read_tensors(path)
    other = [
        name
        for name, values in exact.items()
        if name not in stored or not np.array_equal(stored[name], values.astype(np.float16))
    ]
    if other:
        detail = f"{some(other)} are not those of probability.safetensors"
        yield Finding("TAMPERED", receipt.address, path, detail, (path,))


def chosen_slices(total: int, sample: int, name: str) -> list[int]:
    """Places of the slices of some batches, others in another run and with another seed.

    Args:
        total: slices of the run.
        sample: batches to choose; 0 takes all.
        name: the seed of the draw, and the run.
    """
    starts = list(range(0, total, _BATCH))
    if 0 < sample < len(starts):
        starts = sorted(random.Random(name).sample(starts, sample))
    return [place for start in starts for place in range(start, min(start + _BATCH, total))]


def _predict(
    receipt: Receipt, part: Part, slices: "pd.DataFrame", images: "np.ndarray"
) -> "np.ndarray":
    """Foreground probability (n, H, W) float32 of the run's network on the CPU."""
    import numpy as np
    import torch

    from textbcs.models.common.inference import infer
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.models.common.registry import build, read_weights

    torch.set_num_threads(1)
    text = f"data/text/{part.text}"
    table = PromptTable.read(f"{text}/prompts.csv", f"{text}/embeddings.safetensors")
    channels = receipt.params["slices.channels"]
    model = build(
        network(receipt),
        channels=channels,
        image_size=receipt.params["slices.size"],
        text_dim=table.dimension,
    )
    read_weights(
        model, next(i.path for i in receipt.inputs if i.path.endswith("model.safetensors"))
    )
    prompts = read_csv(f"data/prompts/{part.split}.csv", dtype={"text": str}).set_index("slice_id")
    texts = prompts.loc[slices["slice_id"], "text"].fillna("").tolist()
    outputs = infer(
        model,
        torch.from_numpy(images),
        table,
        table.rows(texts),
        channels=channels,
        batch_size=_BATCH,
    )
    return np.concatenate([output.probability.float().numpy() for output in outputs])


def network(receipt: Receipt) -> dict[str, Any]:
    """The `network` block of a run, from its receipt's parameters.

    A variant's changes (`variants.<name>.network.*`) are laid over the method that it changes.
    """
    found: dict[str, Any] = {}
    for start in ("methods", "variants"):
        for key, value in receipt.params.items():
            parts = key.split(".")
            if parts[0] == start and len(parts) == 4 and parts[2] == "network":
                found[parts[3]] = value
    return found
