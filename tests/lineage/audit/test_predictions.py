"""Maps once more from the checkpoint, rows once more from the maps: each fault that no hash would show."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted_run import (
    EXACT,
    FITTED,
    PARAMS,
    ROWS,
    STORED,
    TEST,
    THRESHOLD,
    VALIDATION,
    WEIGHTS,
    audited,
    build_run,
    rows,
)

from textbcs.base.io import read_tensors, write_csv, write_tensors
from textbcs.lineage.audit.predictions import chosen_slices
from textbcs.lineage.audit.scores import wrong_scores


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run. Do not change it."""
    return build_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the working folder."""
    shutil.copytree(origin, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def test_a_true_run_is_silent_and_bit_for_bit(run: Path) -> None:
    said = "140 predictions of 1 runs computed again from checkpoints"  # of test and of validation
    assert audited() == ([], [said, "rows of 1 runs counted again from their maps"])
    assert audited(sample=1)[1][0].split()[0] in ("64", "12")


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


def one_pixel(path: str, name: str = "probability", change: float = 0.01) -> Callable[[], None]:
    """Another value of one pixel of the last slice."""

    def edit() -> None:
        maps = read_tensors(path)
        maps[name][69, 3, 3] += np.asarray(change, maps[name].dtype)
        write_tensors(path, maps)

    return edit


def swapped_prompts() -> None:
    table = pd.read_csv(TEST[2], keep_default_na=False)
    table.loc[[0, 1], "text"] = table.loc[[1, 0], "text"].to_numpy()
    write_csv(TEST[2], table)


def swapped_images(files: tuple[str, ...]) -> Callable[[], None]:
    def edit() -> None:
        arrays = read_tensors(files[1])
        arrays["image"] = arrays["image"][::-1]
        write_tensors(files[1], arrays)

    return edit


def counted(column: str, row: int) -> Callable[[], None]:
    def edit() -> None:
        table = pd.read_csv(ROWS)
        table.loc[row, column] += 1
        write_csv(ROWS, table)

    return edit


def better(column: str) -> Callable[[], None]:
    def edit() -> None:
        table = pd.read_csv(ROWS)
        table.loc[5, column] = np.nextafter(table.loc[5, column], 1)
        write_csv(ROWS, table)

    return edit


def a_slice_less() -> None:
    write_csv(ROWS, pd.read_csv(ROWS).iloc[:-1])


def a_map_less() -> None:
    write_tensors(FITTED, {"probability": read_tensors(FITTED)["probability"][:-1]})


@pytest.mark.parametrize(
    ("fault", "path", "words"),
    [
        (other_weights, EXACT, "gives other probabilities"),
        (other_shape, WEIGHTS, "weights of another configuration"),
        (no_checkpoint, WEIGHTS, "damaged tensor file"),
        (one_pixel(FITTED), FITTED, "gives other probabilities"),
        (one_pixel(STORED), STORED, "probability are not those of probability.safetensors"),
        (one_pixel(STORED, "probability_swapped"), STORED, "probability_swapped are not those"),
        (swapped_prompts, EXACT, "gives other probabilities"),
        (swapped_images(TEST), EXACT, "gives other probabilities"),
        (swapped_images(VALIDATION), FITTED, "gives other probabilities"),
        (a_map_less, WEIGHTS, "holds other slices"),
        (counted("true_positive", 3), ROWS, "other pixel counts for s03"),
        (counted("false_negative", 69), ROWS, "other pixel counts for s69"),
        (better("dice"), ROWS, "other scores: dice of s05"),
        (better("dice_swapped"), ROWS, "other scores: dice_swapped of s05"),
        (a_slice_less, ROWS, "hold other slices"),
    ],
)
def test_what_no_hash_shows(run: Path, fault: Callable[[], None], path: str, words: str) -> None:
    """Every receipt is right: the files agree with one another and not with the checkpoint."""
    fault()
    faults, _ = audited()
    node = "score" if path == ROWS else "predict@textbcs-1"
    assert [(one.kind, one.node, one.path) for one in faults] == [("TAMPERED", node, path)]
    assert words in faults[0].detail


def test_a_map_that_was_changed_before_it_was_scored(run: Path) -> None:
    """The rows follow from the maps, and the maps do not follow from the checkpoint."""
    maps, masks = read_tensors(EXACT), read_tensors(TEST[1])["mask"]
    maps["probability"][69] = masks[69]
    write_tensors(EXACT, maps)
    write_tensors(STORED, {name: one.astype(np.float16) for name, one in maps.items()})
    ids = pd.read_csv(ROWS)["slice_id"].tolist()
    write_csv(ROWS, rows(ids, maps["probability"], maps["probability_swapped"], masks))
    faults, _ = audited()
    assert [(one.node, one.path) for one in faults] == [("predict@textbcs-1", EXACT)]


def test_a_pixel_that_rounding_moves_over_the_threshold(run: Path) -> None:
    """On the device of the receipt a pixel is found or not, whatever the tolerance of its value."""
    maps = read_tensors(EXACT)
    near = np.abs(maps["probability"] - THRESHOLD)
    place = np.unravel_index(near.argmin(), near.shape)
    found = maps["probability"][place] > THRESHOLD
    maps["probability"][place] = THRESHOLD + (-1e-4 if found else 1e-4)
    write_tensors(EXACT, maps)
    write_tensors(STORED, {name: one.astype(np.float16) for name, one in maps.items()})
    masks = read_tensors(TEST[1])["mask"]
    ids = pd.read_csv(ROWS)["slice_id"].tolist()
    write_csv(ROWS, rows(ids, maps["probability"], maps["probability_swapped"], masks))
    faults, _ = audited()
    assert [(one.node, one.path) for one in faults] == [("predict@textbcs-1", EXACT)]
    assert f"other pixel counts for s{place[0]:02}" in faults[0].detail
    assert audited(device="cuda NVIDIA H100")[0] == []


def test_a_network_of_other_parameters(run: Path) -> None:
    """The weights fit, and yet what runs with them is another network."""
    faults, _ = audited(params={**PARAMS, "methods.textbcs.network.evidence_gain": 3.0})
    assert [one.path for one in faults] == [EXACT]
    faults, _ = audited(params={**PARAMS, "methods.textbcs.network.width": 8})
    assert [one.path for one in faults] == [WEIGHTS]


def test_another_device_is_compared_within_rounding(run: Path) -> None:
    maps = read_tensors(EXACT)
    maps["probability"][0, 0, 0] += np.float32(0.001)
    write_tensors(EXACT, maps)
    write_tensors(STORED, {name: one.astype(np.float16) for name, one in maps.items()})
    faults, remarks = audited(device="cuda NVIDIA H100")
    assert faults == []
    assert remarks[0].startswith("predicted again within rounding, not bit for bit")


def test_an_evidential_run_keeps_nothing_to_fit_on(run: Path) -> None:
    write_tensors(FITTED, {})
    faults, remarks = audited()
    assert faults == []
    assert remarks[0].startswith("70 predictions of 1 runs")


def test_what_has_changed_has_its_own_finding(run: Path) -> None:
    faults, remarks = audited(before=True)
    assert faults == []
    assert "not predicted again" in remarks[0]
    assert "not counted again" in remarks[2]


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
