"""`audit verify --deep`: table cells once more from per-slice rows, predictions from checkpoints.

Reads tables, per-slice metrics, weights, slices, prompts and embeddings; writes nothing. Imports the
networks where predictions are made again; everything else here stands apart from what it judges.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from textbcs.io import InputError, read_csv, read_tensors
from textbcs.lineage import cells
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


def check_cells(tree: Tree) -> Iterator[Finding | Remark]:
    """Every cell whose column has a rule, to the last digit."""
    done = total = 0
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            is_table = item.path.startswith(cells.TABLES) and item.path.endswith(".csv")
            if not is_table or tree.digest(item.path) is None:
                continue
            table = cells.read_table(item.path)
            total += table.size
            wrong = []
            for number in range(len(table)):
                for column in table.columns:
                    row = {str(key): str(value) for key, value in table.iloc[number].items()}
                    want = _again(tree, receipt, item.path, row, column)
                    done += bool(want)
                    if want and not any(_equal(row[column], one) for one in want):
                        name = next(iter(row.values()))
                        wrong.append(f"row {name}, {column}: {row[column]}, rows give {want[0]}")
            if wrong:
                yield Finding("TAMPERED", receipt.address, item.path, some(wrong), (item.path,))
    yield Remark(f"{done} of {total} cells computed again from per-slice rows")


def _again(
    tree: Tree, receipt: Receipt, path: str, row: Mapping[str, str], column: str
) -> tuple[float | str, ...]:
    """The values that a cell may have by its per-slice rows; () where it is not computed from them."""
    is_difference = "minuend" in row
    if not (is_difference or column in cells.FORMULAS or column == "dice_patient_interval"):
        return ()
    sources = cells.sources(receipt, path, row, column)
    names = [item.path for item in sources if cells.run_of(item.path)]
    runs = {name: run for name in names if (run := tree.table(name)) is not None}
    if not runs or len(runs) != (len(names) if is_difference else len(sources)):
        return ()
    if is_difference:
        both = [
            [run for name, run in runs.items() if cells.run_of(name) == row[side]]
            for side in ("minuend", "subtrahend")
        ]
        if [len(side) for side in both] != [1, 1]:
            return ()
        return cells.recompute_difference(column, both[0][0], both[1][0], receipt.params)
    return cells.recompute(column, list(runs.values()), receipt.params)


def _equal(cell: str, want: float | str) -> bool:
    """Whether a cell holds `want`; the empty cell stands for nan."""
    if isinstance(want, str):
        return cell == want
    if want != want:
        return cell == ""
    try:
        return float(cell) == want
    except ValueError:
        return False


def check_predictions(tree: Tree, sample: int) -> Iterator[Finding | Remark]:
    """The first `sample` batches of every evaluated run, predicted again from its checkpoint."""
    from tqdm import tqdm

    runs = [one for one in tree.graph.active() if EVALUATES.fullmatch(one.stage)]
    done, inexact = 0, []
    for receipt in tqdm(runs, desc="predict again", disable=None, leave=False):
        try:
            found = _compare(receipt, sample)
        except (InputError, KeyError, ValueError, RuntimeError) as error:
            yield Remark(f"{receipt.address} could not be predicted again: {error}")
            continue
        done += found["slices"]
        path = found["path"]
        is_same_device = receipt.device == "cpu"
        if found["largest"] > _TOLERANCE:
            detail = f"its checkpoint gives other probabilities (by up to {found['largest']:.3g})"
            yield Finding("TAMPERED", receipt.address, path, detail, (path,))
        elif found["counts"] and is_same_device:
            detail = f"its checkpoint gives other pixel counts for {some(found['counts'])}"
            yield Finding("TAMPERED", receipt.address, found["table"], detail, (found["table"],))
        elif found["largest"]:
            inexact.append(f"{receipt.address} ({found['largest']:.2g})")
    if inexact:
        yield Remark(f"predicted again within rounding, not bit for bit: {some(inexact)}")
    yield Remark(f"{done} predictions of {len(runs)} runs computed again from checkpoints")


def _compare(receipt: Receipt, sample: int) -> dict[str, Any]:
    """Recorded and new predictions of a run's first slices."""
    import numpy as np

    path = next(i.path for i in receipt.outputs if i.path.endswith("predictions.safetensors"))
    table = next(i.path for i in receipt.outputs if i.path.endswith("slices.csv"))
    recorded = read_tensors(path)["probability"]
    count = min(sample * _BATCH, len(recorded))
    slices = read_csv("data/slices/test/slices.csv").iloc[:count]
    tensors = read_tensors("data/slices/test/slices.safetensors")
    again = _predict(receipt, slices, tensors["image"][:count])
    scored = read_csv(table).iloc[:count]
    threshold = float(receipt.params["evaluation.threshold"])
    counts = _pixel_counts(again > threshold, tensors["mask"][:count] > 0)
    differs = (scored[list(_COUNTS)].to_numpy() != counts).any(axis=1)
    wrong = scored["slice_id"][differs].tolist()
    gap = np.abs(again.astype(np.float16).astype(np.float32) - recorded[:count].astype(np.float32))
    largest = float(gap.max()) if count else 0.0
    return {"slices": count, "path": path, "table": table, "largest": largest, "counts": wrong}


def _pixel_counts(found: "np.ndarray", true: "np.ndarray") -> "np.ndarray":
    """(n, 4) in the order of `_COUNTS`."""
    import numpy as np

    sets = (found & true, found & ~true, ~found & true, ~found & ~true)
    return np.stack([one.sum(axis=(1, 2)) for one in sets], axis=1)


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
    weights = next(i.path for i in receipt.inputs if i.path.endswith("model.safetensors"))
    read_weights(model, weights)
    prompts = read_csv("data/prompts/test.csv").set_index("slice_id")
    rows = table.rows(prompts.loc[slices["slice_id"], "text"].tolist())
    outputs = infer(
        model, torch.from_numpy(images), table, rows, channels=channels, batch_size=_BATCH
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
