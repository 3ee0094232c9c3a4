"""Answers as they are packed, stored and read: a bit a pixel, of any size."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.base.io import InputError
from textbcs.dataset.slice_store import Shard
from textbcs.prediction.answers import Answers, files_of, pack, read_answers, write_answers
from textbcs.stage.receipt import Stage


def answers(masks: np.ndarray, prompts: list[str]) -> Answers:
    """An answer a slice, about slices named by their number."""
    names = [str(number) for number in range(len(masks))]
    rows = pd.DataFrame({"slice_id": names, "patient": "p", "kind": "tumour", "probe": "true"})
    rows = rows.assign(prompt=prompts, answer=range(len(masks)))
    places = np.arange(len(masks), dtype=np.int64)
    vacuity = np.array([0.1 * place if place else np.nan for place in places])
    return Answers(rows, np.stack([pack(mask) for mask in masks]), places, vacuity, masks.shape[1:])


def shard(masks: np.ndarray) -> Shard:
    """The slices that were asked about."""
    table = pd.DataFrame({"slice_id": [str(number) for number in range(len(masks))]})
    return Shard(table, np.zeros(masks.shape, np.float16), masks.astype(np.uint8))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_masks_come_out_as_they_went_in(height: int, width: int, seed: int) -> None:
    """Also where height times width is no multiple of eight."""
    masks = np.random.default_rng(seed).random((3, height, width)) > 0.5
    found = answers(masks, ["x"] * 3)
    assert found.packed.shape == (3, -(-height * width // 8))
    for number, mask in enumerate(masks):
        assert np.array_equal(found.mask(number), mask)


def test_answers_are_read_as_they_were_written(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in({})
    masks = np.random.default_rng(0).random((3, 5, 7)) > 0.5
    before = answers(
        masks, ["", "location left", "NA"]
    )  # the empty prompt, and one that looks like none
    write_answers(stage, "svli-s1", before)
    after = read_answers(*files_of("svli-s1"), shard(masks))
    assert after.rows["prompt"].tolist() == ["", "location left", "NA"]
    assert after.rows.drop(columns="prompt").equals(before.rows.drop(columns="prompt"))
    assert after.shape == before.shape
    np.testing.assert_array_equal(after.vacuity, before.vacuity)
    for number in range(3):
        assert np.array_equal(after.mask(number), masks[number])


def test_answers_about_other_slices_are_one_line(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in({})
    masks = np.zeros((3, 5, 7), bool)
    write_answers(stage, "svli-s1", answers(masks, ["x"] * 3))
    other = shard(masks)
    other.table["slice_id"] = ["0", "2", "1"]
    with pytest.raises(
        InputError, match=r"svli-s1/answers.csv: other slices than data/slices/test"
    ):
        read_answers(*files_of("svli-s1"), other)
