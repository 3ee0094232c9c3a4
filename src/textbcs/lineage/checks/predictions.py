"""`audit verify --deep`: a sample of each run's predictions once more from its checkpoint.

Reads weights, slices, prompts, embeddings, predictions and per-slice metrics; writes nothing. The network
is built from the receipt's parameters, and its weights are loaded from the file. A run is judged where all
of these are what the receipts say: another fault has its own finding.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from textbcs import kernels
from textbcs.io import InputError, read_csv, read_tensors
from textbcs.lineage.checks.deep import rests_on
from textbcs.lineage.checks.runs import EVALUATES
from textbcs.lineage.findings import Finding, Remark, some
from textbcs.lineage.graph import Receipt
from textbcs.lineage.tree import Tree

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_BATCH = 32  # as in evaluation: a network's rounding may depend on the size of a batch
_TOLERANCE = 2e-3  # of a probability, where the device is another than then
_COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")
_SLICES = "data/slices/test/slices"


def check_predictions(
    tree: Tree, sample: int, stale: Collection[str] = ()
) -> Iterator[Finding | Remark]:
    """Some batches of every evaluated run, predicted again; and all its scores from its pixel counts.

    Args:
        tree: the hashed tree.
        sample: batches a run; 0 takes all.
        stale: stages that ran on something else than there is now: what rests on them is not judged.
    """
    from tqdm import tqdm

    runs = [one for one in tree.graph.active() if EVALUATES.fullmatch(one.stage)]
    done = judged = 0
    inexact, left = [], []
    for receipt in tqdm(runs, desc="predict again", disable=None, leave=False):
        if _changed(tree, receipt) or rests_on(tree.graph, receipt, stale):
            left.append(receipt.address)
            continue
        judged += 1
        try:
            found = _compare(receipt, sample)
        except (InputError, KeyError, ValueError, RuntimeError, StopIteration) as error:
            path = _path(receipt.inputs, "model.safetensors") or receipt.path
            reason = " ".join(str(error).split()) or type(error).__name__
            detail = f"nothing can be predicted from its checkpoint: {reason}"
            yield Finding("TAMPERED", receipt.address, path, detail, (path,))
            continue
        done += found["slices"]
        yield from _faults(receipt, found)
        if 0 < found["largest"] <= _TOLERANCE:
            inexact.append(f"{receipt.address} ({found['largest']:.2g})")
    if inexact:
        yield Remark(f"predicted again within rounding, not bit for bit: {some(inexact)}")
    if left:
        yield Remark(f"not predicted again, since something they rest on changed: {some(left)}")
    yield Remark(f"{done} predictions of {judged} runs computed again from checkpoints")


def _changed(tree: Tree, receipt: Receipt) -> bool:
    """Whether a file that a run read or wrote is not what its receipt says, or is not here."""
    return any(tree.sha256(one.path) != one.sha256 for one in (*receipt.inputs, *receipt.outputs))


def _faults(receipt: Receipt, found: dict[str, Any]) -> Iterator[Finding]:
    """What the comparison says; the first fault explains the others."""
    path, table = found["path"], found["table"]
    if not found["largest"] <= _TOLERANCE:
        detail = f"its checkpoint gives other probabilities (by up to {found['largest']:.3g})"
        yield Finding("TAMPERED", receipt.address, path, detail, (path,))
    elif found["counts"] and receipt.device == kernels.device():
        detail = f"its checkpoint gives other pixel counts for {some(found['counts'])}"
        yield Finding("TAMPERED", receipt.address, table, detail, (table,))
    elif found["scores"]:
        detail = f"its pixel counts give other scores: {some(found['scores'])}"
        yield Finding("TAMPERED", receipt.address, table, detail, (table,))


def _path(items: Sequence[Any], end: str) -> str | None:
    return next((item.path for item in items if item.path.endswith(end)), None)


def _compare(receipt: Receipt, sample: int) -> dict[str, Any]:
    """Recorded and new predictions of some of a run's slices."""
    import numpy as np

    path = next(i.path for i in receipt.outputs if i.path.endswith("predictions.safetensors"))
    table = next(i.path for i in receipt.outputs if i.path.endswith("slices.csv"))
    recorded = read_tensors(path)["probability"]
    slices, tensors = read_csv(f"{_SLICES}.csv"), read_tensors(f"{_SLICES}.safetensors")
    scored = read_csv(table)
    if scored["slice_id"].tolist() != slices["slice_id"].tolist() or len(recorded) != len(slices):
        raise ValueError(f"{table} and {path} hold other slices than {_SLICES}.csv")
    chosen = chosen_slices(len(slices), sample, receipt.address)
    again = _predict(receipt, slices.iloc[chosen], tensors["image"][chosen])
    threshold = float(receipt.params["evaluation.threshold"])
    counts = _pixel_counts(again > threshold, tensors["mask"][chosen] > 0)
    differs = (scored[list(_COUNTS)].to_numpy()[chosen] != counts).any(axis=1)
    gap = np.abs(again.astype(np.float16).astype(np.float32) - recorded[chosen].astype(np.float32))
    return {
        "slices": len(chosen),
        "path": path,
        "table": table,
        "largest": float(gap.max()) if len(chosen) else 0.0,
        "counts": slices["slice_id"].iloc[chosen][differs].tolist(),
        "scores": wrong_scores(scored),
    }


def chosen_slices(total: int, sample: int, name: str) -> list[int]:
    """Places of the slices of some batches, the same in every audit of a run, others in another run.

    Args:
        total: slices of the run.
        sample: batches to choose; 0 takes all.
        name: of the run.
    """
    starts = list(range(0, total, _BATCH))
    if 0 < sample < len(starts):
        starts = sorted(random.Random(name).sample(starts, sample))
    return [place for start in starts for place in range(start, min(start + _BATCH, total))]


def _pixel_counts(found: "np.ndarray", true: "np.ndarray") -> "np.ndarray":
    """(n, 4) in the order of `_COUNTS`."""
    import numpy as np

    sets = (found & true, found & ~true, ~found & true, ~found & ~true)
    return np.stack([one.sum(axis=(1, 2)) for one in sets], axis=1)


def wrong_scores(scored: "pd.DataFrame") -> list[str]:
    """Slices and columns of overlap that do not follow from the slices' own pixel counts."""
    import numpy as np

    hit, false, missed, rest = (scored[name].to_numpy(np.int64) for name in _COUNTS)
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN: nothing there and nothing found
        wanted = {
            "dice": 2 * hit / (2 * hit + false + missed),
            "iou": hit / (hit + false + missed),
        }
        wanted["dice_two_class"] = (wanted["dice"] + 2 * rest / (2 * rest + false + missed)) / 2
        wanted["iou_two_class"] = (wanted["iou"] + rest / (rest + false + missed)) / 2
    faults = []
    for column, values in wanted.items():
        if column in scored:
            here = scored[column].to_numpy(np.float64)
            same = (here == values) | (np.isnan(here) & np.isnan(values))
            faults += [f"{column} of {one}" for one in scored["slice_id"][~same]]
    return faults


def _predict(receipt: Receipt, slices: "pd.DataFrame", images: "np.ndarray") -> "np.ndarray":
    """Foreground probability (n, H, W) float32 of the run's network on the CPU."""
    import numpy as np
    import torch

    from textbcs.models.inference import infer
    from textbcs.models.prompttable import PromptTable
    from textbcs.models.registry import build, read_weights

    torch.set_num_threads(1)
    table = PromptTable.read("data/text/probe.csv", "data/text/probe.safetensors")
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
    prompts = read_csv("data/prompts/test.csv", dtype={"text": str}).set_index("slice_id")
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
    """The `network` block of an evaluated run, from its receipt's parameters.

    A variant's changes (`variants.<name>.network.*`) are laid over the method that it changes.
    """
    found: dict[str, Any] = {}
    for start in ("methods", "variants"):
        for key, value in receipt.params.items():
            parts = key.split(".")
            if parts[0] == start and len(parts) == 4 and parts[2] == "network":
                found[parts[3]] = value
    return found
