"""The rows without a network, with masks small enough to average by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.dataset.prompt_table import COLUMNS as PROMPT_COLUMNS
from textbcs.dataset.slice_store import COLUMNS, Shard, read_shard, write_shard
from textbcs.evaluation.leak.prompt_prior import learn
from textbcs.evaluation.metrics.slice_scores import score
from textbcs.prediction.files import read_exact
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation.trivial import chain_of, predicted
from textbcs.stages.evaluation.trivial import run as trivial

SMALL_LEFT, LARGE_LEFT, SMALL_RIGHT = ("left", "small"), ("left", "large"), ("right", "small")
SIZE = 4
MAPS = "results/predictions/prior-s0/maps.safetensors"
RULES = {
    "threshold": 0.5,
    "nsd_tolerances_mm": [1.0, 2.5],
    "lesions": {"minimum_covered": 0.1},
    "calibration": {"bins": 15, "band_mm": 2.0},
}


def line(*columns: int) -> np.ndarray:
    """A mask whose first row is set at these columns."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[0, list(columns)] = 1
    return mask


def text(side: str, size: str) -> str:
    return f"location {side}; shape round; size {size}; number one"


def test_a_class_that_train_lacks_falls_back_to_its_side_then_to_everything() -> None:
    masks = np.stack([line(2), line(2), line(3)])
    prior = learn(masks, [chain_of(one) for one in (SMALL_LEFT, SMALL_LEFT, LARGE_LEFT)])
    found = predicted(prior, [text("left", "medium"), text("right", "small")]).probability
    assert prior.threshold == 0.0
    assert found[0].tolist() == line(2, 3).tolist()
    assert found[1].tolist() == line(2, 3).tolist()
    assert found.dtype == np.float32


def shard(masks: list[np.ndarray], patients: list[str], native: bool) -> Shard:
    rows = []
    for row, patient in enumerate(patients):
        facts = dict.fromkeys(COLUMNS, 0) | {"slice_id": f"{patient}-z{row:03}", "row": row}
        facts |= {"patient": patient, "kind": "tumour", "side": "left", "mask_source": "expert"}
        facts |= {"native_rows": SIZE, "native_cols": SIZE, "midline_col": 1.5}
        facts |= {"native_spacing_row_mm": 1.0, "native_spacing_col_mm": 1.0}
        facts |= {
            "spacing_row_mm": 1.0,
            "spacing_col_mm": 1.0,
            "series_uid": "1.2",
            "sop_uid": "1.3",
        }
        rows.append(facts)
    natives = {r["slice_id"]: m > 0 for r, m in zip(rows, masks, strict=True)} if native else {}
    images = np.zeros((len(masks), SIZE, SIZE), np.float16)
    return Shard(pd.DataFrame(rows), images, np.stack(masks), natives)


def write_prompts(path: Path, table: pd.DataFrame, classes: list[tuple[str, str]]) -> None:
    rows = [
        [slice_id, patient, side, "round", size, "one", text(side, size), "mask", ""]
        for (slice_id, patient), (side, size) in zip(
            table[["slice_id", "patient"]].itertuples(index=False), classes, strict=True
        )
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_csv(path, pd.DataFrame(rows, columns=list(PROMPT_COLUMNS)))


@pytest.fixture
def stage(stage_in: Callable[..., Stage]) -> Stage:
    """Train: left lesions in column 2, right ones in column 0. Test: a left one, half found."""
    params = {"evaluation": RULES, "slices": {"minimum_component_mm2": 4.0}}
    stage = stage_in(params, name="trivial")
    train = shard([line(2), line(2), line(0)], ["a", "b", "c"], native=False)
    test = shard([line(2, 3)], ["d"], native=True)
    write_shard(stage, "train", train)
    write_shard(stage, "test", test)
    left, right = SMALL_LEFT, SMALL_RIGHT
    write_prompts(Path("data/prompts/train.csv"), train.table, [left, left, right])
    write_prompts(Path("data/prompts/test.csv"), test.table, [left])
    return stage


def scored(row: str) -> pd.Series:
    """What the stage `score` says of the one test slice."""
    true, swapped = read_exact(Path(f"results/predictions/{row}-s0/probability.safetensors"), 1)
    test = read_shard(*(Path(f"data/slices/test/slices.{end}") for end in ("csv", "safetensors")))
    return score(test, true, swapped, RULES, 4.0).iloc[0]


def test_the_stage_writes_both_rows_as_predict_does(stage: Stage) -> None:
    trivial(stage)
    prior = scored("prior")
    assert prior["dice"] == pytest.approx(2 * 1 / (1 + 2))
    assert prior["iou"] == pytest.approx(1 / 2)
    assert prior["predicted_side"] == "left"
    assert (prior["dice_swapped"], prior["predicted_side_swapped"]) == (0.0, "right")
    empty = scored("empty")
    assert (empty["dice"], empty["true_positive"], empty["false_negative"]) == (0.0, 0, 2)
    assert np.isnan(empty["dice_swapped"])
    assert list(empty.index) == list(prior.index)
    maps = io.read_tensors(MAPS)
    assert maps["probability"][0].tolist() == line(2).tolist()
    assert maps["probability_swapped"][0].tolist() == line(0).tolist()
    nothing = io.read_tensors("results/predictions/empty-s0/maps.safetensors")
    assert nothing["probability"].shape == (1, SIZE, SIZE)
    assert not nothing["probability"].any()
    facts = io.read_json("results/predictions/prior-s0/prior.json")
    assert facts["train_slices"] == {"left small": 2, "right small": 1}
    assert facts["train_dice"] == 1.0


def test_the_test_masks_move_no_prediction(stage: Stage) -> None:
    """The prior comes from train: another truth, the same answer."""
    trivial(stage)
    before = io.sha256_file(MAPS)
    write_shard(stage, "test", shard([line(0)], ["d"], native=True))
    trivial(stage)
    assert io.sha256_file(MAPS) == before


def test_a_slice_without_a_prompt_is_named(stage: Stage) -> None:
    write_prompts(
        Path("data/prompts/test.csv"), shard([line(1)], ["e"], native=False).table, [SMALL_LEFT]
    )
    with pytest.raises(InputError, match=r"test\.csv: slice d-z000 has no prompt"):
        trivial(stage)
