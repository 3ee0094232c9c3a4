"""Passes with dropout through the stage's own reader: moments of a sampled network, seeds, batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from textbcs.dataset.slice_store import COLUMNS, Shard
from textbcs.evaluation.uncertainty import calibration
from textbcs.models.common.contract import Output, Segmenter
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.prediction import network as network_stage
from textbcs.stage.receipt import Stage

COUNT, SIDE = 5, 4


class Coin(Segmenter):
    """Answers 0.8 where its one channel is kept, with probability 1/2, and 0 where it is dropped."""

    sampled = True

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.drop = nn.Dropout2d(0.5)

    def forward(self, image: torch.Tensor, text: Any) -> Output:
        probability = self.drop(torch.full_like(image, 0.4))[:, 0]
        return Output(probability, probability[:, None])


def answers(stage: Stage, monkeypatch: pytest.MonkeyPatch, batch: int = 2) -> dict[str, Any]:
    monkeypatch.setattr(network_stage, "_BATCH", batch)
    table = pd.DataFrame([dict.fromkeys(COLUMNS, 0)] * COUNT)
    zeros = np.zeros((COUNT, SIDE, SIDE))
    shard = Shard(table, zeros.astype(np.float16), zeros.astype(np.uint8))
    prompts = PromptTable(["a"], torch.zeros(1, 1, 3), torch.ones(1, 1).bool())
    return network_stage.sample(stage, Coin().train(), prompts, shard, ["a"] * COUNT)


def params(passes: int, seed: int = 1) -> dict[str, Any]:
    rules = {"dropout_passes": passes, "dropout_seed": seed}
    return {"evaluation": {"calibration": rules}, "slices": {"channels": 1}}


def test_mean_and_mutual_information_are_those_of_a_coin(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answers(stage_in(params(2000)), monkeypatch)
    assert {name: (m.shape, m.dtype) for name, m in found.items()} == {
        name: ((COUNT, SIDE, SIDE), np.dtype(np.float16))
        for name in ("sampled_log_odds", "sampled_mutual_information")
    }
    mean = calibration.scaled(found["sampled_log_odds"], 1.0)
    # four standard errors of a mean of 2000 tosses of 0 or 0.8
    assert mean == pytest.approx(0.4, abs=4 * 0.4 / 2000**0.5)

    def entropy(p: float) -> float:
        return float(-p * np.log(p) - (1 - p) * np.log(1 - p))

    expected = entropy(0.4) - entropy(0.8) / 2
    assert found["sampled_mutual_information"] == pytest.approx(expected, abs=0.02)
    assert (mean == mean[:, :1, :1]).all()
    assert len(np.unique(mean[:, 0, 0])) > 1  # each slice has its own tosses


def test_equal_seeds_give_equal_bytes_and_others_do_not(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again, other = (
        answers(stage_in(params(7, seed)), monkeypatch)["sampled_log_odds"].tobytes()
        for seed in (1, 1, 2)
    )
    assert first == again != other
