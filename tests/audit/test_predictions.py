"""Predictions once more from the checkpoint: a real network, and each fault that no hash would show."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from textbcs import kernels
from textbcs.io import read_tensors, sha256_file, write_csv, write_tensors
from textbcs.lineage.checks.predictions import check_predictions, chosen_slices, wrong_scores
from textbcs.lineage.findings import Finding
from textbcs.lineage.graph import Item, Receipt
from textbcs.models.contract import TextBatch
from textbcs.models.registry import build

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
    "evaluation.threshold": THRESHOLD,
}
WEIGHTS = "results/runs/textbcs-s1/model.safetensors"
FOLDER = "results/evaluation/textbcs-s1"
READ = (
    WEIGHTS, "data/slices/test/slices.csv", "data/slices/test/slices.safetensors",
    "data/prompts/test.csv", "data/text/probe.csv", "data/text/probe.safetensors",
)  # fmt: skip
WRITTEN = (f"{FOLDER}/slices.csv", f"{FOLDER}/predictions.safetensors")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated run, made by a loop that is written here: one slice at a time would round otherwise."""
    root = tmp_path_factory.mktemp("run")
    generator = np.random.default_rng(0)
    images = generator.random((SLICES, SIZE, SIZE)).astype(np.float16)
    masks = np.zeros((SLICES, SIZE, SIZE), np.uint8)
    masks[:, 8:20, 6:18] = 1
    ids = [f"s{number:02}" for number in range(SLICES)]
    texts = [PROMPTS[number % 3] for number in range(SLICES)]
    tokens = generator.normal(size=(3, 5, WIDTH)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 0, 0, 0, 0]], np.uint8)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = build(NETWORK, channels=3, image_size=SIZE, text_dim=WIDTH).eval()
    with torch.no_grad():  # as if trained: an untrained network says nearly the same everywhere
        for weight in model.parameters():
            weight.mul_(2.0)
    maps = []
    with torch.inference_mode():
        for start in range(0, SLICES, 32):
            rows = [number % 3 for number in range(start, min(start + 32, SLICES))]
            image = torch.from_numpy(images[start : start + 32]).float()[:, None].repeat(1, 3, 1, 1)
            image = image.contiguous(memory_format=torch.channels_last)
            batch = TextBatch(torch.from_numpy(tokens[rows]), torch.from_numpy(mask[rows]).bool())
            maps.append(model(image, batch).probability.numpy())
    probability = np.concatenate(maps)
    found, there = probability > THRESHOLD, masks > 0
    scored = pd.DataFrame({"slice_id": ids})
    pairs = ((found, there), (found, ~there), (~found, there), (~found, ~there))
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    for name, (one, two) in zip(names, pairs, strict=True):
        scored[name] = (one & two).sum(axis=(1, 2))
    overlap = (
        2 * (found & there).sum(axis=(1, 2)) / (found.sum(axis=(1, 2)) + there.sum(axis=(1, 2)))
    )
    scored["dice"] = overlap
    scored["iou"] = (found & there).sum(axis=(1, 2)) / (found | there).sum(axis=(1, 2))
    assert 0 < overlap.mean() < 1
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    write_tensors(root / WEIGHTS, arrays)
    write_csv(root / READ[1], pd.DataFrame({"slice_id": ids}))
    write_tensors(root / READ[2], {"image": images, "mask": masks})
    write_csv(root / READ[3], pd.DataFrame({"slice_id": ids, "text": texts}))
    write_csv(root / READ[4], pd.DataFrame({"row": range(3), "text": PROMPTS}))
    write_tensors(root / READ[5], {"tokens": tokens, "mask": mask})
    write_csv(root / WRITTEN[0], scored)
    write_tensors(root / WRITTEN[1], {"probability": probability.astype(np.float16)})
    return root


@pytest.fixture
def run(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the working folder."""
    import shutil

    shutil.copytree(origin, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def audited(
    sample: int = 0,
    device: str = kernels.device(),
    params: dict[str, Any] = PARAMS,
    before: bool = False,
) -> tuple[list[Finding], list[str]]:
    """Faults and remarks, with a receipt of the files as they are now: every hash is right.

    `before`: the receipt is of other files than there are now.
    """
    items = {
        name: Item(name, "0" * 64 if before else sha256_file(name), 1) for name in READ + WRITTEN
    }
    inputs, outputs = (tuple(items[name] for name in names) for names in (READ, WRITTEN))
    receipt = Receipt("evaluate@textbcs-1", (), params, 1, device, {}, {}, inputs, outputs)
    graph = SimpleNamespace(active=lambda: [receipt], upstream=lambda _: {"slices": None})
    tree: Any = SimpleNamespace(graph=graph, sha256=sha256_file)
    found = list(check_predictions(tree, sample))
    faults = [one for one in found if isinstance(one, Finding)]
    return faults, [one.text for one in found if not isinstance(one, Finding)]


def test_a_true_run_is_silent_and_bit_for_bit(run: Path) -> None:
    assert audited() == ([], ["70 predictions of 1 runs computed again from checkpoints"])
    assert audited(sample=1)[1][-1].split()[0] in ("32", "6")


def other_weights() -> None:
    arrays = read_tensors(WEIGHTS)
    name = max(arrays, key=lambda one: arrays[one].size)
    arrays[name] = arrays[name] + np.float32(0.05)
    write_tensors(WEIGHTS, arrays)


def other_shape() -> None:
    arrays = read_tensors(WEIGHTS)
    name = max(arrays, key=lambda one: arrays[one].size)
    arrays[name] = arrays[name].reshape(-1)
    write_tensors(WEIGHTS, arrays)


def no_checkpoint() -> None:
    Path(WEIGHTS).write_bytes(b"nothing")


def one_pixel() -> None:
    maps = read_tensors(WRITTEN[1])
    maps["probability"][69, 3, 3] += np.float16(0.01)
    write_tensors(WRITTEN[1], maps)


def swapped_prompts() -> None:
    table = pd.read_csv("data/prompts/test.csv", keep_default_na=False)
    table.loc[[0, 1], "text"] = table.loc[[1, 0], "text"].to_numpy()
    write_csv("data/prompts/test.csv", table)


def swapped_images() -> None:
    arrays = read_tensors(READ[2])
    arrays["image"] = arrays["image"][::-1]
    write_tensors(READ[2], arrays)


def counted(column: str, row: int) -> Callable[[], None]:
    def edit() -> None:
        table = pd.read_csv(WRITTEN[0])
        table.loc[row, column] += 1
        write_csv(WRITTEN[0], table)

    return edit


def better_dice() -> None:
    table = pd.read_csv(WRITTEN[0])
    table.loc[5, "dice"] = np.nextafter(table.loc[5, "dice"], 1)
    write_csv(WRITTEN[0], table)


def a_slice_less() -> None:
    write_csv(WRITTEN[0], pd.read_csv(WRITTEN[0]).iloc[:-1])


@pytest.mark.parametrize(
    ("fault", "path", "words"),
    [
        (other_weights, WRITTEN[1], "gives other probabilities"),
        (other_shape, WEIGHTS, "weights of another configuration"),
        (no_checkpoint, WEIGHTS, "damaged tensor file"),
        (one_pixel, WRITTEN[1], "gives other probabilities"),
        (swapped_prompts, WRITTEN[1], "gives other probabilities"),
        (swapped_images, WRITTEN[1], "gives other probabilities"),
        (counted("true_positive", 3), WRITTEN[0], "other pixel counts for s03"),
        (counted("false_negative", 69), WRITTEN[0], "other pixel counts for s69"),
        (better_dice, WRITTEN[0], "other scores: dice of s05"),
        (a_slice_less, WEIGHTS, "hold other slices"),
    ],
)
def test_what_no_hash_shows(run: Path, fault: Callable[[], None], path: str, words: str) -> None:
    """Every receipt is right: the files agree with one another and not with the checkpoint."""
    fault()
    faults, _ = audited()
    assert [(one.kind, one.node, one.path) for one in faults] == [
        ("TAMPERED", "evaluate@textbcs-1", path)
    ]
    assert words in faults[0].detail


def test_a_network_of_other_parameters(run: Path) -> None:
    """The weights fit, and yet what runs with them is another network."""
    faults, _ = audited(params={**PARAMS, "methods.textbcs.network.evidence_gain": 3.0})
    assert [one.path for one in faults] == [WRITTEN[1]]
    faults, _ = audited(params={**PARAMS, "methods.textbcs.network.width": 8})
    assert [one.path for one in faults] == [WEIGHTS]


def test_another_device_is_compared_within_rounding(run: Path) -> None:
    maps = read_tensors(WRITTEN[1])
    maps["probability"] = maps["probability"] + np.float16(0.001)
    write_tensors(WRITTEN[1], maps)
    faults, remarks = audited(device="cuda NVIDIA H100")
    assert faults == []
    assert remarks[0].startswith("predicted again within rounding, not bit for bit")


def test_what_has_changed_has_its_own_finding(run: Path) -> None:
    faults, remarks = audited(before=True)
    assert faults == []
    assert "not predicted again" in remarks[0]


def test_the_sample_has_whole_batches_and_differs_between_runs() -> None:
    assert chosen_slices(70, 0, "a") == chosen_slices(70, 9, "a") == list(range(70))
    found = {tuple(chosen_slices(320, 2, f"run{number}")) for number in range(20)}
    assert len(found) > 5
    for places in found:
        assert len(places) == 64
        assert [place for place in places if place % 32 == 0] == [places[0], places[32]]
    assert chosen_slices(320, 2, "a") == chosen_slices(320, 2, "a")


def test_scores_follow_from_counts() -> None:
    table = pd.DataFrame(
        {"slice_id": ["a", "b"], "true_positive": [2, 0], "false_positive": [1, 0],
         "false_negative": [1, 0], "true_negative": [5, 9],
         "dice": [4 / 6, np.nan], "iou": [2 / 4, np.nan],
         "dice_two_class": [(4 / 6 + 10 / 12) / 2, np.nan], "iou_two_class": [(0.5 + 5 / 7) / 2, np.nan]}
    )  # fmt: skip
    assert wrong_scores(table) == []
    for column in ("dice", "iou", "dice_two_class", "iou_two_class"):
        assert wrong_scores(table.assign(**{column: 0.7})) == [f"{column} of a", f"{column} of b"]
